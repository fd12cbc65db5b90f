"""The one event loop of a process on which replicas are asked: the web server's own, or else one in a thread of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings

from webapp.catalog.impressions import impression_appender
from webapp.catalog.impressions_on_loop import LoopAppender
from webapp.serving.door.hedging import Hedging
from webapp.serving.door.replicas import Replicas

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class ServingLoop:
    """`replicas` are asked, and `impressions` put, on `loop` alone."""

    loop: asyncio.AbstractEventLoop
    replicas: Replicas
    impressions: LoopAppender
    pid: int


_lock = threading.Lock()
_serving: ServingLoop | None = None
_is_stopping = False


def adopt_loop() -> ServingLoop:
    """Make the running loop the one of this process; the web server's loop says so when it starts, or with its first request."""
    global _serving
    loop = asyncio.get_running_loop()
    with _lock:
        if not _is_good(_serving) or (_serving is not None and _serving.loop is not loop):
            _serving = _on(loop)
        assert _serving is not None
        return _serving


def serving_loop() -> ServingLoop:
    """The process's; a thread is started for it when there is none. A forked child has its own."""
    global _serving
    with _lock:
        if _serving is None or not _is_good(_serving):
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="serving-loop", daemon=True).start()
            _serving = _on(loop)
        return _serving


def run_on_loop(work: Coroutine[Any, Any, Answer], serving: ServingLoop) -> Answer:
    """What `work` answers, for a thread that may wait. Raises what it raises, and RuntimeError on the loop's own thread."""
    try:
        is_own = asyncio.get_running_loop() is serving.loop
    except RuntimeError:
        is_own = False
    if is_own:
        work.close()
        raise RuntimeError("this would wait for the event loop that it runs on; await it instead")
    return asyncio.run_coroutine_threadsafe(work, serving.loop).result()


def loop_states() -> ServingLoop | None:
    """The process's, if it has one by now."""
    return _serving if _is_good(_serving) else None


def is_stopping() -> bool:
    """Whether the web server has said that it stops."""
    return _is_stopping


async def close_replicas() -> None:
    """The server stops: let go of the channels, on the loop that has them."""
    global _serving, _is_stopping
    _is_stopping = True
    with _lock:
        serving, _serving = _serving, None
    if serving is not None and serving.loop is asyncio.get_running_loop():
        await serving.replicas.close()
        await serving.impressions.close()


def _is_good(serving: ServingLoop | None) -> bool:
    return serving is not None and serving.pid == os.getpid() and serving.loop.is_running()


def _on(loop: asyncio.AbstractEventLoop) -> ServingLoop:
    fixed_ms: int = settings.HEDGE_AFTER_MS
    replicas = Replicas(hedging=Hedging(fixed_ms / 1000 if fixed_ms else None))
    return ServingLoop(loop, replicas, LoopAppender(impression_appender(), loop), os.getpid())
