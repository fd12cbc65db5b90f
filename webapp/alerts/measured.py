"""What a measurement answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measured:
    """One subject's value, in the unit of its kind. `subject` is "" where a project has one of it; `link` is where to mend it, or ""."""

    value: float
    subject: str
    link: str


class UnknownNow(Exception):
    """It cannot be measured at the moment: a server does not answer."""
