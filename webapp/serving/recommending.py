"""One call for items from asking to answer: pick the deployment, ask a replica or fall back, log the impression.

`answer` is for threads that may wait, `answer_async` for the web server's event loop; both do the same.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from engine.errors import ReplicaUnavailable
from webapp.accounts.models import Project
from webapp.catalog.impressions import impression_appender
from webapp.core.clock import wall_ms
from webapp.core.remembered import NotRemembered, made_anew, only_remembered
from webapp.serving.asked import Asked
from webapp.serving.door.answer import validation_of
from webapp.serving.door.falling_back import lately, note, recall
from webapp.serving.door.filling import Filling
from webapp.serving.door.judging import judge
from webapp.serving.door.logging_answers import Answering
from webapp.serving.door.preparing import Prepared, prepare
from webapp.serving.door.serving_loop import ServingLoop, run_on_loop, serving_loop
from webapp.serving.door.shadowing import ask_shadows

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
        with impression_appender().expected() if prepared.impression else nullcontext():
            reply = run_on_loop(asking, serving)
        note(prepared, reply)
    except ReplicaUnavailable as error:
        reply = recall(prepared, error, time.monotonic() - started_s)
    answering = Answering(prepared, reply, clock_ms())
    if answering.waits() and answering.record is not None:
        wait_s = _log_wait_s(prepared, started_s)
        answering.logged(impression_appender().appended_now(project.slug, answering.record, wait_s))
    if prepared.chosen.shadows:
        serving.loop.call_soon_threadsafe(ask_shadows, serving, prepared, answering.recommendation_id)
    return answering.told()


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
        with serving.impressions.expected() if prepared.impression else nullcontext():
            reply = await serving.replicas.ask(prepared.addresses, prepared.request, prepared.timeout_s)
        note(prepared, reply)
    except ReplicaUnavailable as error:
        took_s = time.monotonic() - started_s
        reply = await filling.on_thread(functools.partial(recall, prepared, error, took_s))
    answering = Answering(prepared, reply, clock_ms())
    if answering.waits() and answering.record is not None:
        wait_s = _log_wait_s(prepared, started_s)
        answering.logged(await serving.impressions.appended(project.slug, answering.record, wait_s))
    if prepared.chosen.shadows:
        serving.loop.call_soon(ask_shadows, serving, prepared, answering.recommendation_id)
    return answering.told()


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


def _log_wait_s(prepared: Prepared, started_s: float) -> float:
    return max(LEAST_LOG_WAIT_S, prepared.timeout_s - (time.monotonic() - started_s))
