"""One index measured in a process of its own: `python -m tests.bench.index_peer <setting as JSON>` prints what it found as JSON.

Whatever one library keeps in memory, or starts threads for, is so not met by the next.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from engine.retrieval.index.exact import search_all
from engine.retrieval.index.vector_rows import RowsView
from engine.retrieval.source import Mask
from tests.bench.index_contestants import CONTESTANTS, Contestant, Only, Rows
from tests.bench.index_vectors import WORLDS, Vectors, World, moved
from tests.bench.measuring import percentile_ms
from tests.bench.peer_path import add_peers

NUM: Final = 200
GOAL: Final = 0.95
WRITES_A_SECOND: Final = 2_000
_WRITE_ROWS: Final = 500
_NUM_USERS: Final = 100
_ALLOWED_SHARES: Final = (0.5, 0.05)


@dataclass(frozen=True, slots=True)
class Setting:
    """`seconds` is how long each thing that takes time is done for."""

    contestant: str
    world: str
    num_items: int
    dim: int
    seconds: float


def measure(setting: Setting) -> dict[str, float | None]:
    """Flat figures by name; None for what the library cannot do. Raises ImportError without the library.

    What one thread does alone is in processor time, which other work on the machine changes least; what two do together is in wall time.
    """
    generator = np.random.default_rng(1)
    world = WORLDS[setting.world](setting.num_items, setting.dim, 2 * _NUM_USERS, generator)
    truth = [_exact(world.items, user, None) for user in world.users[:_NUM_USERS]]
    contestant = CONTESTANTS[setting.contestant]()
    resident, started = _resident_bytes(), time.perf_counter()
    contestant.build(world.items)
    found: dict[str, float | None] = {"build_s": time.perf_counter() - started}
    found["memory_mib"] = max(0.0, _resident_bytes() - resident) / 2**20
    found |= _least_effort(contestant, world.users, truth)
    alone = _latencies(contestant, world.users, setting.seconds, time.thread_time)
    found |= {f"alone_{name}": value for name, value in alone.items()}
    found["threads_share"] = _two_threads(contestant, world.users, setting.seconds)
    for share in _ALLOWED_SHARES:
        found |= _filtered(
            contestant, world, generator.random(setting.num_items) < share, f"allowed_{round(100 * share)}"
        )
    found |= _changes(contestant, world, setting.seconds, generator)
    return found


def _exact(items: Vectors, user: Vectors, allowed: Only | None) -> Rows:
    return search_all(RowsView(items, np.ones(len(items), np.bool_)), user, NUM, allowed).rows


def _least_effort(contestant: Contestant, users: Vectors, truth: list[Rows]) -> dict[str, float | None]:
    """The least that reaches the goal, and the most where none does."""
    # An index that measures itself does so by those who ask.
    for user in users[_NUM_USERS:]:
        contestant.spend(contestant.efforts[-1])
        contestant.search(user, NUM)
    for effort in contestant.efforts:
        contestant.spend(effort)
        recall = float(
            np.mean([_recall(contestant.search(user, NUM), each) for user, each in zip(users, truth, strict=False)])
        )
        if recall >= GOAL:
            break
    return {"recall": recall, "effort": effort}


def _recall(found: Rows, truth: Rows) -> float:
    return float(np.isin(truth, found).mean())


def _latencies(
    contestant: Contestant, users: Vectors, seconds: float, clock: Callable[[], float]
) -> dict[str, float | None]:
    took = _timed(lambda place: contestant.search(users[place % len(users)], NUM), seconds, clock)
    return {"p50_ms": percentile_ms(took, 0.5), "p99_ms": percentile_ms(took, 0.99)}


def _timed(work: Callable[[int], object], seconds: float, clock: Callable[[], float]) -> list[float]:
    """How long each call took by `clock`."""
    took: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(took) < 20:
        before = clock()
        work(len(took))
        took.append(clock() - before)
    return took


def _two_threads(contestant: Contestant, users: Vectors, seconds: float) -> float:
    """Searches a second by two threads over those by one: 2 where the library lets go of Python, 1 where it does not."""
    counts = [0, 0, 0]

    def search(slot: int, until: float) -> None:
        while time.perf_counter() < until:
            contestant.search(users[counts[slot] % len(users)], NUM)
            counts[slot] += 1

    search(0, time.perf_counter() + seconds)
    until = time.perf_counter() + seconds
    threads = [threading.Thread(target=search, args=(slot, until)) for slot in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (counts[1] + counts[2]) / max(1, counts[0])


def _filtered(contestant: Contestant, world: World, mask: Mask, name: str) -> dict[str, float | None]:
    users = world.users[:20]
    first = contestant.search_allowed(users[0], NUM, mask)
    if first is None:
        return {f"{name}_recall": None, f"{name}_p50_ms": None}
    found: list[Rows] = []
    took = []
    for user in users:
        before = time.thread_time()
        rows = contestant.search_allowed(user, NUM, mask)
        took.append(time.thread_time() - before)
        assert rows is not None and mask[rows].all()
        found.append(rows)
    recall = [_recall(rows, _exact(world.items, user, Only(mask))) for user, rows in zip(users, found, strict=True)]
    return {f"{name}_recall": float(np.mean(recall)), f"{name}_p50_ms": percentile_ms(took, 0.5)}


def _changes(
    contestant: Contestant, world: World, seconds: float, generator: np.random.Generator
) -> dict[str, float | None]:
    """Microseconds of a write and of a delete, and what searches take beside `WRITES_A_SECOND`, or as many as there can be."""
    changes = [_change(world.items, generator) for _ in range(20)]
    found: dict[str, float | None] = {"write_us": None, "remove_us": None, "beside_p50_ms": None, "beside_p99_ms": None}
    took = 0.0
    num_written = 0
    for rows, vectors in changes:
        before = time.thread_time()
        if not contestant.write(rows, vectors):
            break
        took += time.thread_time() - before
        num_written += len(rows)
        if took > seconds:
            break
    if num_written:
        found["write_us"] = took / num_written * 1e6
        found |= _beside_a_writer(contestant, world.users, changes, seconds)
    before = time.thread_time()
    if contestant.remove(changes[0][0]):
        found["remove_us"] = (time.thread_time() - before) / len(changes[0][0]) * 1e6
    return found


def _beside_a_writer(
    contestant: Contestant, users: Vectors, changes: list[tuple[Rows, Vectors]], seconds: float
) -> dict[str, float | None]:
    is_over = threading.Event()
    num_written = 0
    started = time.perf_counter()

    def write() -> None:
        nonlocal num_written
        while not is_over.is_set():
            contestant.write(*changes[num_written // _WRITE_ROWS % len(changes)])
            num_written += _WRITE_ROWS
            is_over.wait(max(0.0, started + num_written / WRITES_A_SECOND - time.perf_counter()))

    writer = threading.Thread(target=write)
    writer.start()
    latencies = _latencies(contestant, users, 2 * seconds, time.perf_counter)
    is_over.set()
    writer.join()
    rate = num_written / (time.perf_counter() - started)
    return {f"beside_{name}": value for name, value in latencies.items()} | {"beside_writes_per_s": rate}


def _change(items: Vectors, generator: np.random.Generator) -> tuple[Rows, Vectors]:
    rows = generator.choice(len(items), _WRITE_ROWS, replace=False).astype(np.int32)
    return rows, moved(items[rows], generator)


def _resident_bytes() -> float:
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - no file system's file
        return int(statm.read().split()[1]) * float(os.sysconf("SC_PAGE_SIZE"))


def main() -> None:
    """Read a setting, print the figures, or `missing` with why."""
    setting: dict[str, Any] = json.loads(sys.argv[1])
    add_peers(says=False)
    try:
        found: dict[str, object] = dict(measure(Setting(**setting)))
    except ImportError as error:
        found = {"missing": str(error)}
    sys.stdout.write(json.dumps(found) + "\n")


def asked(setting: Setting) -> str:
    """The argument of this program."""
    return json.dumps(asdict(setting))


if __name__ == "__main__":
    main()
