"""The replicas that this process asks: a client and a circuit breaker for each, in turns."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from engine.errors import EngineError, InvalidDocument, ReplicaUnavailable
from engine.serving.async_client import AsyncReplicaClient
from engine.serving.requests import RecommendReply, RecommendRequest
from webapp.serving.door.breaker import Breaker, BreakerState
from webapp.serving.door.hedging import Hedging
from webapp.serving.door.race import DeadlinePassed, Race

logger = logging.getLogger(__name__)

FAIR_TIMEOUT_S = 0.2
"""Not answering within less says nothing against a replica: a client may ask for any `timeout_ms`."""
MAX_GONE = 16


class Client(Protocol):
    async def recommend(self, request: RecommendRequest, timeout_s: float) -> RecommendReply: ...

    async def close(self) -> None: ...


class Replicas:
    """Not thread-safe: all calls are made on one event loop. `connect` makes a client of an address, `clock` answers seconds."""

    def __init__(
        self,
        *,
        hedging: Hedging | None = None,
        connect: Callable[[str], Client] = AsyncReplicaClient,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.hedging = hedging or Hedging()
        self.clock = clock
        self.num_hedged = 0
        self._connect = connect
        self._turns = itertools.count()
        self._clients: dict[str, Client] = {}
        self._breakers: dict[str, Breaker] = {}

    async def ask(self, addresses: Sequence[str], request: RecommendRequest, timeout_s: float) -> RecommendReply:
        """The first good answer of one replica, or of two when the first fails or is slow.

        Raises `DeadlinePassed` after `timeout_s`, `ReplicaUnavailable` when there is none to ask or those that were asked are away,
        `InvalidDocument` when one refuses the request, `EngineError` when the last one failed at it.
        """
        if not addresses:
            raise ReplicaUnavailable("No replica is alive.")
        start = next(self._turns) % len(addresses)
        waiting = deque((*addresses[start:], *addresses[:start]))
        first = self.next_of(waiting)
        if first is None:
            raise ReplicaUnavailable("No replica answered lately; they are asked again in a moment.")
        if waiting:
            return await Race(self, waiting, request, timeout_s).run(first)
        return await self.ask_one(first, request, timeout_s)

    def next_of(self, waiting: deque[str]) -> str | None:
        """The first address whose breaker lets a call through; those before it are taken away, and it too."""
        while waiting:
            address = waiting.popleft()
            if self._breaker(address).may_ask():
                return address
        return None

    async def ask_one(self, address: str, request: RecommendRequest, timeout_s: float) -> RecommendReply:
        """An answer of this replica, which its breaker learns of. Raises as `ask`."""
        started_s = self.clock()
        try:
            reply = await self._client(address).recommend(request, timeout_s)
        except asyncio.CancelledError:
            self._breaker(address).let_go()
            raise
        except EngineError as error:
            self._judge(address, error, timeout_s)
            if error.extra.get("is_late"):
                raise DeadlinePassed(error.message, address=address) from error
            raise
        self.hedging.note(self.clock() - started_s)
        self._breaker(address).succeeded()
        return reply

    def states(self) -> dict[str, BreakerState]:
        """By address."""
        return {address: breaker.state for address, breaker in self._breakers.items()}

    async def close(self) -> None:
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.close()

    def _judge(self, address: str, error: EngineError, timeout_s: float) -> None:
        breaker = self._breaker(address)
        if isinstance(error, InvalidDocument) or error.extra.get("is_away") is False:
            breaker.succeeded()  # a refusal is an answer
        elif error.extra.get("is_late") and timeout_s < FAIR_TIMEOUT_S:
            breaker.let_go()
        else:
            was = breaker.state
            breaker.failed()
            if breaker.state is not was:
                logger.warning("replica %s is left alone for a while: %s", address, error.message)

    def _client(self, address: str) -> Client:
        if address not in self._clients:
            if len(self._clients) >= MAX_GONE:
                self._forget_oldest()
            self._clients[address] = self._connect(address)
        return self._clients[address]

    def _forget_oldest(self) -> None:
        """A replica that starts anew has another port; what was known of the old one goes, calls under way with it."""
        oldest = next(iter(self._clients))
        self._breakers.pop(oldest, None)
        self._closing = asyncio.ensure_future(self._clients.pop(oldest).close())

    def _breaker(self, address: str) -> Breaker:
        if address not in self._breakers:
            self._breakers[address] = Breaker(clock=self.clock)
        return self._breakers[address]
