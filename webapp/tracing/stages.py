"""One stage of an event's way, as a page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from webapp.tracing.finding import when


class Reach(StrEnum):
    """`forgotten`: it was reached, and when is not kept any more. `never`: this event does not come here."""

    REACHED = "reached"
    WAITING = "waiting"
    FORGOTTEN = "forgotten"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Stage:
    """`at_ms` is when it was reached; of a wait whose end is known `until_ms` is that. `title` is short, `said` a sentence or two."""

    title: str
    reach: Reach
    said: str = ""
    at_ms: int | None = None
    until_ms: int | None = None
    received_ms: int = 0

    @property
    def at(self) -> datetime | None:
        return when(self.at_ms)

    @property
    def until(self) -> datetime | None:
        return when(self.until_ms)

    @property
    def after_s(self) -> float | None:
        """Since the event was received."""
        return None if self.at_ms is None else max(0, self.at_ms - self.received_ms) / 1000

    @property
    def is_settled(self) -> bool:
        """Whether it will say the same for ever."""
        return self.reach is not Reach.WAITING


def in_words(seconds: float) -> str:
    """How long: `4 min`, `12 s`, `350 ms`."""
    if seconds < 1:
        return f"{max(0, seconds) * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def counted(number: int, noun: str) -> str:
    """`1 event`, `2,000 events`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
