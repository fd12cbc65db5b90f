"""What replicas say of one user or item now, for its page: nothing is logged as shown, and nobody waits long."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import orjson

from engine.errors import EngineError
from engine.serving.known import Kind, Known
from engine.serving.requests import Ask, RecommendReply
from webapp.accounts.models import Project
from webapp.catalog.selectors import item_properties
from webapp.core.errors import AppError
from webapp.serving.asked import Asked
from webapp.serving.clients import replica_client
from webapp.serving.door.preparing import Prepared, prepare
from webapp.serving.door.serving_loop import run_on_loop, serving_loop
from webapp.serving.models import Replica
from webapp.serving.selectors import replicas_alive

WAIT_S: Final = 0.15
NUM_SHOWN: Final = 20
_MAX_REPLICAS: Final = 16

_pool: Final = ThreadPoolExecutor(_MAX_REPLICAS, thread_name_prefix="known")


@dataclass(frozen=True, slots=True)
class FoundBy:
    """A source that brought an item: at which place of its own, by what score."""

    name: str
    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One item of an answer. `source` is the first that brought it; `found_by` are all."""

    place: int
    item_id: str
    score: float
    source: str
    found_by: Sequence[FoundBy]
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SourceShare:
    """How many items a source found, and how many of the answer it brought (items of several sources count for each)."""

    name: str
    num_found: int
    num_answered: int
    took_ms: float


@dataclass(frozen=True, slots=True)
class Answered:
    """What would be answered now. `experiment` and `arm` are those that the user falls into, None outside of one."""

    suggestions: Sequence[Suggestion]
    sources: Sequence[SourceShare]
    deployment: str
    experiment: str | None
    arm: str | None
    replica: str
    took_ms: float
    degraded: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Why there is no answer."""

    reason: str


@dataclass(frozen=True, slots=True)
class ReplicaKnows:
    """`known` is None where the replica did not say, and `problem` why."""

    name: str
    known: Known | None
    problem: str = ""


def recommended_to(*, project: Project, user_id: str) -> Answered | Refused:
    """The items that a recommendation for the user would hold now, with every source that brought each."""
    return _asked(project, Asked(user_id=user_id, k=NUM_SHOWN, explain=True, is_logged=False))


def similar_to(*, project: Project, item_id: str) -> Answered | Refused:
    """The item's neighbours: nearest by vector, and acted on together with it."""
    return _asked(project, Asked(ask=Ask.SIMILAR, item_id=item_id, k=NUM_SHOWN, explain=True, is_logged=False))


def known_by_replicas(*, project: Project, kind: Kind, entity_id: str) -> list[ReplicaKnows]:
    """What each living replica holds of the user or item, by the replicas' names."""
    replicas = list(replicas_alive().filter(drained_at=None).order_by("name")[:_MAX_REPLICAS])
    asked = [(one.name, _pool.submit(_known, one, project.slug, kind, entity_id)) for one in replicas]
    deadline = time.monotonic() + WAIT_S
    return [_in_time(name, future, deadline) for name, future in asked]


def _known(replica: Replica, project: str, kind: Kind, entity_id: str) -> Known:
    return replica_client(replica.address).known(project, kind, entity_id, timeout_s=WAIT_S)


def _in_time(name: str, future: Future[Known], deadline: float) -> ReplicaKnows:
    try:
        return ReplicaKnows(name, future.result(timeout=max(0.0, deadline - time.monotonic())))
    except EngineError as error:
        return ReplicaKnows(name, None, error.message)
    except TimeoutError:
        future.cancel()
        return ReplicaKnows(name, None, f"it did not answer within {WAIT_S * 1000:.0f} ms")


def _asked(project: Project, asked: Asked) -> Answered | Refused:
    try:
        prepared = prepare(project, asked, time.time())
        serving = serving_loop()
        reply = run_on_loop(serving.replicas.ask(prepared.addresses, prepared.request, WAIT_S), serving)
    except (AppError, EngineError) as error:
        return Refused(error.message)
    return _answered(project, prepared, reply)


def _answered(project: Project, prepared: Prepared, reply: RecommendReply) -> Answered:
    told: dict[str, Any] = orjson.loads(reply.explanation_json or b"{}")
    found_by = {one["item_id"]: _found_by(one) for one in told.get("items", ())}
    properties = item_properties(project=project, item_ids=[item.item_id for item in reply.items])
    suggestions = [
        Suggestion(
            place,
            item.item_id,
            item.score,
            item.source,
            found_by.get(item.item_id, []),
            properties.get(item.item_id, {}),
        )
        for place, item in enumerate(reply.items, start=1)
    ]
    brought = [one.name for suggestion in suggestions for one in suggestion.found_by]
    sources = [
        SourceShare(one["name"], one["num_found"], brought.count(one["name"]), one["took_ms"])
        for one in told.get("sources", ())
    ]
    chosen = prepared.chosen
    return Answered(
        suggestions,
        sources,
        chosen.deployment.name,
        chosen.experiment,
        chosen.arm,
        reply.replica,
        reply.took_ms,
        reply.degraded,
    )


def _found_by(explained: Mapping[str, Any]) -> list[FoundBy]:
    return [FoundBy(one["name"], one["rank"], one["score"]) for one in explained.get("sources", ())]
