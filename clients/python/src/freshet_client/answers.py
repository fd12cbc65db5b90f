"""What is answered. Fields that a newer server adds are in `raw`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class RankedItem:
    """One item of an answer. `source` brought it; `properties` are those asked for by `fields`."""

    item_id: str
    score: float
    source: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> RankedItem:
        """From the API's JSON."""
        return cls(row["item_id"], float(row["score"]), row.get("source", ""), row.get("properties") or {})


@dataclass(frozen=True, slots=True)
class AnsweringModel:
    """The parameters that answered: `sequence` of the newest delta in them, `age_s` seconds since it was published."""

    role: str
    name: str
    version: int
    sequence: int
    age_s: float

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> AnsweringModel:
        """From the API's JSON."""
        return cls(row["role"], row["name"], int(row["version"]), int(row["sequence"]), float(row["age_s"]))


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Items, best first. Send `recommendation_id` back with the events that follow from it.

    `degraded` says why the answer is less than it should be (None: it is not). `next` asks for more that repeats nothing. `unknown` are
    candidates of `rank` that the catalogue does not have. `raw` is the whole answer.
    """

    recommendation_id: str
    items: tuple[RankedItem, ...]
    deployment: str
    models: tuple[AnsweringModel, ...]
    degraded: str | None
    next: str | None
    unknown: tuple[str, ...]
    raw: Mapping[str, Any]

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Recommendation:
        """From the API's JSON."""
        return cls(
            body.get("recommendation_id") or "",
            tuple(RankedItem.read(row) for row in body["items"]),
            body.get("deployment", ""),
            tuple(AnsweringModel.read(row) for row in body.get("models", ())),
            body.get("degraded"),
            body.get("next"),
            tuple(body.get("unknown") or ()),
            body,
        )


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that the server did not take: its place in what was sent, its id, and each `{"field", "rule", "received"}`."""

    index: int
    id: str | None
    problems: tuple[Mapping[str, str], ...]

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> RejectedRow:
        """From the API's JSON."""
        return cls(int(row["index"]), row.get("event_id", row.get("id")), tuple(row.get("problems", ())))


@dataclass(frozen=True, slots=True)
class IngestAnswer:
    """What became of events: `num_accepted` are durable, `num_repeated` were there already."""

    num_accepted: int
    num_repeated: int
    rejected: tuple[RejectedRow, ...]


@dataclass(frozen=True, slots=True)
class WriteAnswer:
    """What became of items or users."""

    num_written: int
    rejected: tuple[RejectedRow, ...]


def rejected_rows(body: Mapping[str, Any]) -> tuple[RejectedRow, ...]:
    """Those of an answer's rows that were rejected."""
    rows = (row for row in body.get("results", ()) if row["status"] == "rejected")
    return tuple(RejectedRow.read(row) for row in rows)
