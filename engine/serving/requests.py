"""What goes into a replica and comes out of it, as frozen values. Times are integer milliseconds since the epoch, UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["retrieval", "ranking"]

MAX_K = 500
MAX_ID_LENGTH = 256
MAX_CANDIDATES = 2_000
MAX_EXCLUDE = 10_000


@dataclass(frozen=True, slots=True)
class RecommendRequest:
    """Ask for the `k` best items (1 to 500) for a user, who may be unknown.

    `context` holds event properties known now. `exclude` is never answered. `candidates`, when given, is ranked and
    nothing else is. `user_properties` replaces what the catalogue knows of the user; None keeps it.
    """

    project: str
    deployment: str
    user_id: str
    k: int = 10
    context: Mapping[str, Any] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    user_properties: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ScoredItem:
    """`source` is what brought the item: the retrieval model's architecture (two_tower, …), item_to_item, trending_1h, trending_24h,
    latest, catalogue, random or given."""

    item_id: str
    score: float
    source: str


@dataclass(frozen=True, slots=True)
class ModelPosition:
    """The parameters a model answered with.

    `events_through`: partition of `events` -> the next offset training had not seen.
    """

    role: str
    name: str
    version: int
    sequence: int
    age_s: float
    trained_through_event_time_ms: int
    events_through: dict[int, int]


@dataclass(frozen=True, slots=True)
class RecommendReply:
    """Items best first; why the answer is less than it should be, if it is (`degraded`).

    `features` is what to log as `Event.features` of the impression: {"user", "history", "items"}, and "counters" if there are any.
    """

    items: list[ScoredItem]
    models: list[ModelPosition]
    degraded: str | None
    features: dict[str, Any]
    took_ms: float
    replica: str


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """Where one model of one replica stands. `digest` is hexadecimal, empty while nothing is loaded."""

    role: str
    name: str
    version: int
    sequence: int
    trainer_sequence: int
    age_s: float
    events_through: dict[int, int]
    examples_through: dict[int, int]
    num_rows: int
    num_bytes_applied: int
    num_rows_applied: int
    num_deletes_applied: int
    num_resyncs: int
    last_error: str | None
    digest: str
    table_bytes: int


@dataclass(frozen=True, slots=True)
class DeploymentStatus:
    """`num_users` counts the users whose properties the catalogue holds."""

    project: str
    name: str
    models: list[ModelStatus]
    num_items: int
    num_users: int


@dataclass(frozen=True, slots=True)
class StatusReply:
    replica: str
    started_ms: int
    deployments: list[DeploymentStatus]
