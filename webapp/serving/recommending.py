"""One call for items from asking to answer: pick the deployment, ask a replica or fall back, log the impression.

`answer` is for threads that may wait, `answer_async` for the web server's event loop; both do the same.
"""

from __future__ import annotations

import asyncio
import functools
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.errors import ReplicaUnavailable
from engine.serving.degraded import Degraded, joined
from engine.serving.requests import RecommendReply
from engine.spec.deployment import ImpressionLogging
from engine.streams.log import Record
from webapp.accounts.models import Project
from webapp.catalog.impressions import GroupAppender, impression_appender
from webapp.core.clock import wall_ms
from webapp.core.remembered import NotRemembered, made_anew, only_remembered
from webapp.serving.asked import Asked
from webapp.serving.door.answer import answer_of, validation_of
from webapp.serving.door.falling_back import lately, note, recall
from webapp.serving.door.filling import Filling
from webapp.serving.door.judging import judge
from webapp.serving.door.preparing import Prepared, prepare
from webapp.serving.door.serving_loop import ServingLoop, run_on_loop, serving_loop
from webapp.serving.door.shadowing import ask_shadows
from webapp.serving.impression import impression_record, served_by

__all__ = ["answer", "answer_async", "lately", "recommend"]

LEAST_LOG_WAIT_S = 0.25
"""An answer that is nearly too late still waits so long for the log, rather than say that its impression is lost."""


def recommend(
    *,
    project: Project,
    user_id: str,
    k: int,
    context: Mapping[str, Any],
    exclude: Sequence[str],
    candidates: Sequence[str] = (),
    deployment_name: str | None = None,
    clock_ms: Callable[[], int] = wall_ms,
) -> dict[str, Any]:
    """The `k` best items for a user; see `answer`."""
    asked = Asked(
        user_id=user_id,
        k=k,
        context=context,
        exclude=tuple(exclude),
        candidates=tuple(candidates),
        deployment=deployment_name,
    )
    return answer(project=project, asked=asked, clock_ms=clock_ms)


def answer(*, project: Project, asked: Asked, clock_ms: Callable[[], int] = wall_ms) -> dict[str, Any]:
    """What the API answers to `asked`, written for `orjson` (a part may be an `orjson.Fragment`); the impression is logged.

    Raises `Invalid` and `InvalidDocument` for what the schema, the token or the replica refuses, `NotFound` when nothing is deployed,
    `ReplicaUnavailable` when no replica answered and nothing was answered lately that could be answered again, `EngineError` when
    replicas failed at the request.
    """
    started_s = time.monotonic()
    prepared = prepare(project, asked, clock_ms() / 1000)
    if asked.validate_only:
        judge(prepared)
        return validation_of(prepared)
    serving = serving_loop()
    try:
        asking = serving.replicas.ask(prepared.addresses, prepared.request, prepared.timeout_s)
        reply = run_on_loop(asking, serving)
        note(prepared, reply)
    except ReplicaUnavailable as error:
        reply = recall(prepared, error, time.monotonic() - started_s)
    recommendation_id, now_ms = uuid.uuid4().hex, clock_ms()
    is_logged = True
    record, is_awaited = _to_log(prepared, reply, recommendation_id, now_ms)
    if record is not None:
        appender, slug = impression_appender(), project.slug
        is_logged = not is_awaited and appender.put(slug, record)
        is_logged = is_logged or appender.appended_now(slug, record, _log_wait_s(prepared, started_s))
    if prepared.chosen.shadows:
        serving.loop.call_soon_threadsafe(ask_shadows, serving, prepared, recommendation_id)
    return _told(prepared, reply, recommendation_id, now_ms, is_logged)


async def answer_async(
    project: Project, asked: Asked, serving: ServingLoop, filling: Filling, clock_ms: Callable[[], int] = wall_ms
) -> dict[str, Any]:
    """As `answer`, on `serving`'s loop; what would wait for PostgreSQL is done on a thread of `filling`."""
    started_s = time.monotonic()
    prepared = await _prepared(project, asked, clock_ms() / 1000, filling)
    if asked.validate_only:
        await filling.on_thread(lambda: judge(prepared))
        return validation_of(prepared)
    try:
        reply = await serving.replicas.ask(prepared.addresses, prepared.request, prepared.timeout_s)
        note(prepared, reply)
    except ReplicaUnavailable as error:
        took_s = time.monotonic() - started_s
        reply = await filling.on_thread(functools.partial(recall, prepared, error, took_s))
    recommendation_id, now_ms = uuid.uuid4().hex, clock_ms()
    is_logged = True
    record, is_awaited = _to_log(prepared, reply, recommendation_id, now_ms)
    if record is not None:
        appender: GroupAppender = impression_appender()
        is_logged = not is_awaited and appender.put(project.slug, record)
        if not is_logged:
            is_logged = await appender.appended(project.slug, record, _log_wait_s(prepared, started_s))
    if prepared.chosen.shadows:
        asyncio.get_running_loop().call_soon(ask_shadows, serving, prepared, recommendation_id)
    return _told(prepared, reply, recommendation_id, now_ms, is_logged)


async def _prepared(project: Project, asked: Asked, now_s: float, filling: Filling) -> Prepared:
    """From what is remembered; PostgreSQL is asked by one request at a time, and ahead of time by none that is waited for."""
    try:
        with only_remembered() as reading:
            prepared = prepare(project, asked, now_s)
    except NotRemembered:
        return await filling.fill(project.pk, lambda: prepare(project, asked, now_s))
    if reading.found_old:
        filling.fill_ahead(project.pk, lambda: _anew(project, asked, now_s))
    return prepared


def _anew(project: Project, asked: Asked, now_s: float) -> None:
    with made_anew():
        prepare(project, asked, now_s)


def _to_log(
    prepared: Prepared, reply: RecommendReply, recommendation_id: str, now_ms: int
) -> tuple[Record | None, bool]:
    """The impression's record, if it is to be logged, and whether the answer waits for that."""
    if prepared.impression is None or not reply.items:
        return None, False
    served = served_by(prepared.chosen, reply)
    record = impression_record(
        prepared.impression,
        prepared.request,
        reply,
        served=served,
        recommendation_id=recommendation_id,
        now_ms=now_ms,
    )
    return record, prepared.document.impressions.logging is not ImpressionLogging.BEHIND


def _log_wait_s(prepared: Prepared, started_s: float) -> float:
    return max(LEAST_LOG_WAIT_S, prepared.timeout_s - (time.monotonic() - started_s))


def _told(
    prepared: Prepared, reply: RecommendReply, recommendation_id: str, now_ms: int, is_logged: bool
) -> dict[str, Any]:
    degraded = reply.degraded if is_logged else joined(reply.degraded, Degraded.IMPRESSION_NOT_LOGGED)
    return answer_of(prepared, reply, recommendation_id, degraded, now_ms / 1000)
