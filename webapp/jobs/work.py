"""One piece of long work, whatever kind it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

OPEN_STATES = ("queued", "running")


class WorkKind(StrEnum):
    RUN = "run"
    SEARCH = "search"
    IMPORT = "import"
    EXPORT = "export"
    BATCH = "batch"
    REPLAY = "replay"
    ERASURE = "erasure"

    @property
    def label(self) -> str:
        return LABELS[self]


LABELS = {
    WorkKind.RUN: "Training run",
    WorkKind.SEARCH: "Search",
    WorkKind.IMPORT: "Import",
    WorkKind.EXPORT: "Export",
    WorkKind.BATCH: "Batch of recommendations",
    WorkKind.REPLAY: "Replay of logged traffic",
    WorkKind.ERASURE: "Erasure",
}


KIND_NAMES = frozenset(kind.value for kind in WorkKind)


@dataclass(frozen=True, slots=True)
class Work:
    """`progress` is 0 to 1, None where there is no end to measure by; `done` says in words how far it is. `lease` is the name under which a
    worker holds it. `again` is what a retry is called: "Resume", "Ask again", or "" when there is none."""

    kind: WorkKind
    id: int
    what: str
    state: str
    progress: float | None
    done: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    by: str
    link: str
    error: str
    lease: str
    can_stop: bool
    again: str

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def key(self) -> tuple[datetime, str, int]:
        """Orders the list; newest first is the reverse."""
        return (self.created_at, self.kind.value, self.id)

    def lasted_s(self, now: datetime) -> float | None:
        """Seconds at work, so far or in all; None before it began."""
        if self.started_at is None:
            return None
        return max(0.0, ((self.finished_at or now) - self.started_at).total_seconds())
