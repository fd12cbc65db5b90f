"""What the try-it page knows: an answer, the click on it, and the answer given once parameters had learned from that click.

A trial lives in the session, so that the page works as plain requests. Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from webapp.accounts.models import Project
from webapp.catalog import selectors as catalog
from webapp.registry.selectors import model_version
from webapp.serving import selectors

USERS_SUGGESTED = 20
EVENTS_LOOKED_AT = 300


@dataclass
class Click:
    """The click's item and its place in the log; `served_after_s` once every replica had learned from it."""

    item_id: str
    partition: int
    offset: int
    accepted_s: float
    served_after_s: float | None = None


@dataclass
class Trial:
    user_id: str
    k: int
    answer: dict[str, Any]
    click: Click | None = None
    after: dict[str, Any] | None = None

    def as_session(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_session(cls, kept: Mapping[str, Any] | None) -> Trial | None:
        if kept is None:
            return None
        click = kept["click"]
        return cls(kept["user_id"], kept["k"], kept["answer"], Click(**click) if click else None, kept["after"])


@dataclass(frozen=True)
class RankedItem:
    """One line of an answer. `move` is how many places it rose (negative: fell) since the answer before; None when new."""

    rank: int
    item_id: str
    score: float
    source: str
    properties: dict[str, Any]
    clicked: bool
    move: int | None = None


@dataclass(frozen=True)
class Coverage:
    """Which of the answer's models learn online, and which of those serve parameters that cover the click everywhere."""

    learning: list[str] = field(default_factory=list)
    covering: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        return bool(self.learning) and len(self.covering) == len(self.learning)


def coverage_of(*, project: Project, answer: Mapping[str, Any], click: Click) -> Coverage:
    """Asks each model's replicas how far into `events` their parameters reach: past the click's offset means learned."""
    learning, covering = [], []
    for model in answer["models"]:
        version = model_version(project=project, name=model["name"], version=model["version"])
        status = selectors.sync_status(model_version=version, with_deltas=1)
        run = status["trainer"]["run"]
        if run is None or run["mode"] != "online" or run["state"] not in ("queued", "running"):
            continue
        learning.append(str(version))
        serving = [
            replica
            for replica in status["replicas"]
            if replica["is_alive"] and replica["deployment"] == answer["deployment"]
        ]
        through = [replica["events_through"].get(str(click.partition), 0) for replica in serving]
        if through and min(through) > click.offset:
            covering.append(str(version))
    return Coverage(learning, covering)


def ranked(
    *,
    project: Project,
    answer: Mapping[str, Any],
    click: Click | None,
    before: Mapping[str, Any] | None = None,
) -> list[RankedItem]:
    """The answer's lines with what the catalogue knows of each item, and how each moved since `before`."""
    item_ids = [item["item_id"] for item in answer["items"]]
    properties = catalog.item_properties(project=project, item_ids=item_ids)
    ranks_before = {item["item_id"]: rank for rank, item in enumerate(before["items"], start=1)} if before else {}
    return [
        RankedItem(
            rank=rank,
            item_id=item["item_id"],
            score=item["score"],
            source=item["source"],
            properties={
                name: value for name, value in properties.get(item["item_id"], {}).items() if value is not None
            },
            clicked=click is not None and click.item_id == item["item_id"],
            move=ranks_before[item["item_id"]] - rank if item["item_id"] in ranks_before else None,
        )
        for rank, item in enumerate(answer["items"], start=1)
    ]


def fallen_out(*, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Items of the first answer that the second does not have, in their order."""
    kept = {item["item_id"] for item in after["items"]}
    return [item["item_id"] for item in before["items"] if item["item_id"] not in kept]


def suggested_users(*, project: Project) -> Sequence[str]:
    """Users of the newest events, each once, newest first."""
    events = catalog.recent_events(project=project, limit=EVENTS_LOOKED_AT)
    return list(dict.fromkeys(event.user_id for event in events))[:USERS_SUGGESTED]
