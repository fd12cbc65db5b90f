"""A replay: logged answers are read with what they earned, another deployment is asked the same, and its worth is estimated.

The deployment is asked as of then as far as a replica can: for nobody in particular, with the history, user properties and context that
were logged with the answer. So what the user did afterwards is neither in their history nor seen, and an input that reads the user's id
alone says nothing. Parameters, catalogue, counters and trends are those of now.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from engine.errors import Interrupted, OffsetOutOfRange, ReplicaUnavailable
from engine.serving.requests import RecommendReply, RecommendRequest, SessionEvent
from engine.spec.event import Event
from engine.spec.intake import Intake, RefusedEvent
from engine.spec.schema import EventRole, Schema
from engine.streams.log import EventLog, StoredRecord
from webapp.experiments.models import Replay

READ_AT_ONCE: Final = 2_000
MAX_SESSION: Final = 200
NUM_TRIES: Final = 5
FEW: Final = 200.0
SEED: Final = 20_240_601

Ask = Callable[[RecommendRequest], RecommendReply]
Look = Callable[[int, int], None]


@dataclass(slots=True)
class Logged:
    """One answer, and the items of it that were acted on."""

    shown: Event
    acted: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Where a replay reads: `topic` from `since_ms` on. `look` is told (answers found, answers done), and raises `Interrupted`."""

    log: EventLog
    topic: str
    intake: Intake
    since_ms: int
    look: Look


def logged_answers(replay: Replay, traffic: Traffic) -> list[Logged]:
    """The newest answers of each partition that say what served them, oldest first, with what they earned."""
    ends = traffic.log.end_offsets(traffic.topic)
    most = max(1, replay.max_answers // max(1, len(ends)))
    found: list[Logged] = []
    for partition, end in ends.items():
        so_far = len(found)
        of_partition: OrderedDict[str, Logged] = OrderedDict()
        for event in _events(traffic, partition, end):
            traffic.look(so_far + len(of_partition), 0)
            _note(replay, event, of_partition)
            if len(of_partition) > most:
                of_partition.popitem(last=False)
        found += of_partition.values()
    return found


def _note(replay: Replay, event: Event, found: OrderedDict[str, Logged]) -> None:
    key = event.recommendation_id
    if key is None:
        return
    if event.role is EventRole.IMPRESSION and event.served is not None and event.items:
        if replay.logged in ("", event.served.deployment) and key not in found:
            found[key] = Logged(event)
    elif event.type == replay.event_type and event.item_id is not None and key in found:
        found[key].acted.add(event.item_id)


def _events(traffic: Traffic, partition: int, end: int) -> Iterator[Event]:
    offset = traffic.log.offset_at(traffic.topic, partition, traffic.since_ms)
    while offset < end:
        try:
            records = traffic.log.read(traffic.topic, partition, offset, READ_AT_ONCE)
        except OffsetOutOfRange as error:
            offset = int(error.extra["earliest"])
            continue
        if not records:
            break
        offset = records[-1].offset + 1
        yield from _read(traffic.intake, records)


def _read(intake: Intake, records: list[StoredRecord]) -> Iterator[Event]:
    for record in records:
        try:
            yield intake.read(record.value, record.timestamp_ms)
        except RefusedEvent:
            continue


def replayed(replay: Replay, answers: list[Logged], schema: Schema, ask: Ask, look: Look) -> dict[str, Any]:
    """Ask for each answer's request anew, and estimate. Raises `ReplicaUnavailable`, `Interrupted`."""
    from engine.evaluation.off_policy.ranked import ranked_estimates

    asked: list[tuple[Logged, RecommendReply]] = []
    for number, logged in enumerate(answers):
        look(len(answers), number)
        asked.append((logged, _patiently(ask, request_of(replay, logged.shown, schema))))
    look(len(answers), len(answers))
    found = ranked_estimates(_ranked_log(asked), seed=SEED)
    num_degraded = sum(reply.degraded is not None for _, reply in asked)
    estimates = {"logged": found.logged, **found.by_estimator}
    return {
        **{name: {"value": each.value, "low": each.low, "high": each.high} for name, each in estimates.items()},
        "effective_size": found.effective_size,
        "match_share": found.match_share,
        "explored_share": found.explored_share,
        "num_degraded": num_degraded,
        "warnings": _warnings(found.explored_share, found.effective_size, num_degraded, len(asked)),
        "revision": max(reply.revision for _, reply in asked),
    }


def request_of(replay: Replay, shown: Event, schema: Schema) -> RecommendRequest:
    """What was asked then, for nobody in particular."""
    features = shown.features or {}
    items = features.get("history") or []
    actions = [name for name, declared in schema.events.items() if declared.role is EventRole.ACTION]
    types = features.get("history_types") or [actions[0] if actions else ""] * len(items)
    times = features.get("history_times_ms") or [shown.timestamp_ms] * len(items)
    session = [SessionEvent(*each) for each in zip(types, items, times, strict=False)]
    return RecommendRequest(
        project=replay.project.slug,
        deployment=replay.deployment.name,
        user_id="",
        k=len(shown.items),
        context=shown.properties,
        user_properties=features.get("user") or {},
        session=tuple(session[-MAX_SESSION:]),
        seed=int.from_bytes(hashlib.blake2b(shown.event_id.encode(), digest_size=4).digest(), "big"),
    )


def _patiently(ask: Ask, request: RecommendRequest) -> RecommendReply:
    """A replica that restarts, or has yet to load the deployment, is waited for."""
    for attempt in range(NUM_TRIES):
        try:
            return ask(request)
        except ReplicaUnavailable:
            if attempt + 1 == NUM_TRIES:
                raise
            time.sleep(0.2 * 2**attempt)
    raise AssertionError("the loop above answers or raises")


def _ranked_log(asked: list[tuple[Logged, RecommendReply]]) -> Any:
    import numpy as np

    from engine.evaluation.off_policy.ranked import RankedLog

    codes: dict[str, int] = {}
    users: dict[str, int] = {}
    rows: list[tuple[int, int, int, int, int, float, float]] = []
    for number, (logged, reply) in enumerate(asked):
        shown = logged.shown
        chances = shown.served.propensities if shown.served is not None else ()
        user = users.setdefault(shown.user_id, len(users))
        for place, item in enumerate(shown.items):
            target = reply.items[place].item_id if place < len(reply.items) else None
            rows.append(
                (
                    number,
                    user,
                    place,
                    codes.setdefault(item.item_id, len(codes)),
                    -1 if target is None else codes.setdefault(target, len(codes)),
                    float(item.item_id in logged.acted),
                    chances[place] if place < len(chances) and 0 < chances[place] <= 1 else 1.0,
                )
            )
    answers, user_codes, places, items, targets, rewards, propensities = zip(*rows, strict=True)
    return RankedLog(
        answers=np.array(answers, np.int64),
        users=np.array(user_codes, np.int64),
        places=np.array(places, np.int64),
        items=np.array(items, np.int64),
        targets=np.array(targets, np.int64),
        rewards=np.array(rewards, np.float64),
        propensities=np.array(propensities, np.float64),
    )


def _warnings(explored_share: float, effective_size: float, num_degraded: int, num_answers: int) -> list[str]:
    found = []
    if explored_share == 0.0:
        found.append(
            "Nothing was explored: every item was certain to be shown where it was, so the log says nothing of what it did not show. "
            "Only places where both answers agree count; give the deployment that logs an exploration, then replay again."
        )
    if effective_size < FEW:
        found.append(
            f"The agreeing places are worth {effective_size:.0f} answers: too few to decide by. Replay more traffic, or explore more."
        )
    if num_degraded:
        found.append(f"{num_degraded} of {num_answers} answers were less than they should be (degraded).")
    return found


def raise_unless(wanted: bool) -> None:
    """Raises `Interrupted`."""
    if not wanted:
        raise Interrupted("the replay is to stop")
