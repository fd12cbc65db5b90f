"""Closed loops (each client asks again as soon as it is answered) and an open loop (requests come at a fixed rate)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

Ask = Callable[[], None]
"""One request, answered and checked; for one thread at a time."""


@dataclass(frozen=True, slots=True)
class Loop:
    """`latencies_s` of every request, in no order, and the time that all of them took together."""

    latencies_s: list[float]
    took_s: float

    @property
    def requests_per_s(self) -> float:
        return len(self.latencies_s) / self.took_s


def closed_loop(clients: Sequence[Ask], duration_s: float, *, clock: Callable[[], float] = time.perf_counter) -> Loop:
    """Every client on a thread of its own, until the time is over."""
    started = clock()

    def loop(ask: Ask) -> list[float]:
        latencies = []
        before = clock()
        while before - started < duration_s:
            ask()
            after = clock()
            latencies.append(after - before)
            before = after
        return latencies

    with ThreadPoolExecutor(len(clients)) as pool:
        latencies = [latency for each in pool.map(loop, clients) for latency in each]
    return Loop(latencies, clock() - started)


def open_loop(
    clients: Sequence[Ask],
    rate_per_s: float,
    duration_s: float,
    *,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> Loop:
    """Request i is due at i / rate whatever happened before; its latency counts from then, so that waiting for a client,
    or behind a request that took long, is part of it. `clients` bounds how many are under way."""
    num = int(rate_per_s * duration_s)
    started = clock()

    def loop(number: int) -> list[float]:
        latencies = []
        for request in range(number, num, len(clients)):
            due = started + request / rate_per_s
            sleep(max(0.0, due - clock()))
            clients[number]()
            latencies.append(clock() - due)
        return latencies

    with ThreadPoolExecutor(len(clients)) as pool:
        latencies = [latency for each in pool.map(loop, range(len(clients))) for latency in each]
    return Loop(latencies, clock() - started)
