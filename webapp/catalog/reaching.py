"""What makes an item vanish from answers is acknowledged when the replicas have it, not only the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from engine.errors import EngineError
from engine.streams.log import Position
from webapp.accounts.models import Project
from webapp.serving.clients import replica_client
from webapp.serving.models import Replica
from webapp.serving.selectors import replicas_alive

logger = logging.getLogger(__name__)

WAIT_S: Final = 1.0
"""For all replicas together."""

_ASKED_S: Final = 0.75
"""What a replica is given; the rest is for its answer to come back."""

_MAX_AT_ONCE: Final = 16

_pool: Final = ThreadPoolExecutor(_MAX_AT_ONCE, thread_name_prefix="reaching")


def replicas_behind(
    project: Project, positions: Sequence[Position], clock: Callable[[], float] = time.monotonic
) -> tuple[str, ...]:
    """Names of the living replicas that did not confirm within `WAIT_S` that they have applied the records of `catalog` at `positions`.

    Outside a transaction, please: whoever waits here holds no locks.
    """
    if not positions:
        return ()
    offsets = _last_offsets(positions)
    deadline = clock() + WAIT_S
    asked: dict[str, Future[bool]] = {
        replica.name: _pool.submit(_confirms, replica, project.slug, offsets)
        for replica in replicas_alive().filter(drained_at=None)
    }
    return tuple(name for name, future in asked.items() if not _in_time(future, deadline - clock()))


def _last_offsets(positions: Sequence[Position]) -> dict[int, int]:
    last: dict[int, int] = {}
    for position in positions:
        last[position.partition] = max(position.offset, last.get(position.partition, 0))
    return last


def _confirms(replica: Replica, project_slug: str, offsets: Mapping[int, int]) -> bool:
    try:
        return replica_client(replica.address).catch_up(project_slug, offsets, timeout_s=_ASKED_S).reached
    except EngineError as error:
        logger.warning("replica %s did not confirm a change of the catalogue: %s", replica.name, error.message)
        return False


def _in_time(future: Future[bool], left_s: float) -> bool:
    try:
        return future.result(timeout=max(0.0, left_s))
    except TimeoutError:
        future.cancel()
        return False
