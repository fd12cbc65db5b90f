"""The door's name for the rules by which text from outside is read; the engine reads records of the log by the same."""

from __future__ import annotations

from engine.spec.strict_json import BrokenJson, read_json

__all__ = ["BrokenJson", "read_json"]
