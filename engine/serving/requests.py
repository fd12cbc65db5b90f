"""What goes into a replica and comes out of it, as frozen values. Times are integer milliseconds since the epoch, UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, NamedTuple

import orjson

from engine.errors import Problem

Role = Literal["retrieval", "ranking"]

MAX_K = 500
MAX_ID_LENGTH = 256
MAX_CANDIDATES = 2_000
MAX_EXCLUDE = 10_000


class Ask(StrEnum):
    """`recommend`: the pipeline whole. `rank`: score `candidates`, all of them, whatever the rules. `similar`: items like `item_id`."""

    RECOMMEND = "recommend"
    RANK = "rank"
    SIMILAR = "similar"


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """What an anonymous or unknown user just did, newest last; it counts as history for this request alone."""

    type: str
    item_id: str
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a request says instead of the deployment's document: an object as in `engine.spec.deployment`, or None for the document's own.

    `boosts` come beside the document's; `diversity` and `exploration` instead of them.
    """

    boosts: tuple[Mapping[str, Any], ...] = ()
    diversity: Mapping[str, Any] | None = None
    exploration: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RecommendRequest:
    """Ask for the `k` best items (1 to 500) for a user, who may be unknown, or for nobody ("" with or without `session`).

    `context` holds event properties known now. `exclude` is never answered, nor is an item whose id's hash is among `shown`
    (XXH64 with seed 0, of earlier pages). `candidates`, when given, is ranked and nothing else is. `user_properties` replaces what the
    catalogue knows of the user; None keeps it. `filter` is an expression beside the deployment's own, `parameters` what its `$names`
    are. `fields` names the item properties to answer. `seed` makes what is drawn repeatable; None draws one.
    The reply has features of the first `num_logged` of the answer to log; None: of all.
    """

    project: str
    deployment: str
    user_id: str
    k: int = 10
    context: Mapping[str, Any] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    user_properties: Mapping[str, Any] | None = None
    ask: Ask = Ask.RECOMMEND
    item_id: str = ""
    session: tuple[SessionEvent, ...] = ()
    filter: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    overrides: Overrides | None = None
    shown: tuple[int, ...] = ()
    fields: tuple[str, ...] = ()
    explain: bool = False
    seed: int | None = None
    num_logged: int | None = None


@dataclass(frozen=True, slots=True)
class AsOf:
    """Who asked, as an impression logged it (`Event.features`): the user's properties and history, oldest first, and when that was."""

    user: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[str, ...] = ()
    history_types: tuple[str, ...] = ()
    history_times_ms: tuple[int, ...] = ()
    time_ms: int | None = None


@dataclass(frozen=True, slots=True)
class EvaluateRequest:
    """A request answered to nobody: under `document` (as in `engine.spec.deployment`; None: the one that is served), for the asker of
    `as_of` (None: as the user is known now). Of what was dropped the explanation names `about` first."""

    request: RecommendRequest
    document: Mapping[str, Any] | None = None
    as_of: AsOf | None = None
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CountRequest:
    """Ask for how many items each of `expressions` (field, text) holds, for a user who may be nobody ("")."""

    project: str
    deployment: str
    expressions: tuple[tuple[str, str], ...]
    user_id: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Count:
    """For how many items an expression holds; None where `problems` say why that cannot be told."""

    num_holding: int | None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class CountReply:
    """`num_items` may be answered at all; `counts` are in the order of the expressions."""

    num_items: int
    counts: tuple[Count, ...]


class ScoredItem(NamedTuple):
    """`source` is what brought the item: the retrieval model's architecture (two_tower, …), item_to_item, trending_1h, trending_24h,
    latest, unfinished, catalogue, random, given or similar. `score` is what it was ordered by at the end, `propensity` the chance that
    the deployment's exploration showed it in its place (1.0 where nothing is drawn). `properties` are those of `fields`. `promotion`
    names the promotion that placed it."""

    item_id: str
    score: float
    source: str
    propensity: float = 1.0
    properties: Mapping[str, Any] | None = None
    promotion: str | None = None


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
    """Items best first; why the answer is less than it should be, if it is (`degraded`: stable words, as in `engine.serving.degraded`).

    `features_json` is what to log as `Event.features` of the impression, one JSON object: {"user", "history", "items"}, "counters" if
    there are any. `unknown` are those of the candidates asked for that are not in the catalogue. `explanation_json` is one JSON object
    where the request asked for it (docs/explain.md), else empty. `revision` is the deployment document's number.
    """

    items: list[ScoredItem]
    models: list[ModelPosition]
    degraded: str | None
    features_json: bytes
    took_ms: float
    replica: str
    unknown: tuple[str, ...] = ()
    explanation_json: bytes = b""
    revision: int = 0

    @property
    def features(self) -> dict[str, Any]:
        """`features_json`, read."""
        found: dict[str, Any] = orjson.loads(self.features_json or b"{}")
        return found


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


@dataclass(frozen=True, slots=True)
class CatchUpReply:
    """Whether a replica has applied the records of `catalog` it was asked for. `next_offsets`: partition -> the next it will read."""

    reached: bool
    next_offsets: dict[int, int]
    replica: str
