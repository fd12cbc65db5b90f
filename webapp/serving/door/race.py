"""One request put to a replica, and to a second one when the first fails or is slow; the first good answer counts."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from engine.errors import EngineError, InvalidDocument, ReplicaUnavailable
from engine.serving.requests import RecommendReply, RecommendRequest

if TYPE_CHECKING:
    from webapp.serving.door.replicas import Replicas

NUM_TRIES = 2
GRACE_S = 0.02
"""A call ends by its own deadline first, which tells its replica's breaker."""

Asking = asyncio.Task[RecommendReply]


class DeadlinePassed(ReplicaUnavailable):
    """Replicas were asked, and none answered within the time that the request had."""


class Race:
    """`waiting` are the addresses of those not asked yet."""

    def __init__(self, replicas: Replicas, waiting: deque[str], request: RecommendRequest, timeout_s: float) -> None:
        self._replicas, self._waiting, self._request = replicas, waiting, request
        self._ends_s = replicas.clock() + timeout_s
        self._running: set[Asking] = set()
        self._num_tries = 0
        self._may_hedge = True

    async def run(self, first: str) -> RecommendReply:
        """Raises as `Replicas.ask`."""
        self._start(first)
        failure: EngineError = ReplicaUnavailable("No replica answered.")
        try:
            while self._running:
                done = await self._some_done()
                for task in done:
                    try:
                        return task.result()
                    except (InvalidDocument, DeadlinePassed):
                        raise
                    except EngineError as error:
                        failure = error
                if self._replicas.clock() >= self._ends_s + (0.0 if done else GRACE_S):
                    raise DeadlinePassed("No replica answered in time.")
                if done:
                    self._start_next()
                elif self._may_hedge:
                    self._hedge()
        finally:
            for task in self._running:
                task.cancel()
        raise failure

    async def _some_done(self) -> set[Asking]:
        """Those that have ended; none when the time has come to ask another one, or is over."""
        left_s = max(0.0, self._ends_s + GRACE_S - self._replicas.clock())
        can_hedge = self._may_hedge and self._num_tries < NUM_TRIES and bool(self._waiting)
        wait_s = min(left_s, self._replicas.hedging.delay_s) if can_hedge else left_s
        done, self._running = await asyncio.wait(self._running, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        return done

    def _hedge(self) -> None:
        self._may_hedge = False
        if self._replicas.hedging.take() and self._start_next():
            self._replicas.num_hedged += 1

    def _start_next(self) -> bool:
        address = self._replicas.next_of(self._waiting) if self._num_tries < NUM_TRIES else None
        if address is not None:
            self._start(address)
        return address is not None

    def _start(self, address: str) -> None:
        self._num_tries += 1
        left_s = max(0.001, self._ends_s - self._replicas.clock())
        self._running.add(asyncio.ensure_future(self._replicas.ask_one(address, self._request, left_s)))
