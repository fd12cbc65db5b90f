"""What can stop a start, in words for the person at the keyboard."""

from __future__ import annotations


class StartError(Exception):
    """Freshet cannot start. The message says what is wrong and what to do about it; no traceback is shown."""
