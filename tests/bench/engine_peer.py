"""One contestant that is called from Python, in a process of its own: what it did, as one JSON object on standard output.

Runs in the contestant's environment, so that it imports NumPy and nothing else that an environment may lack.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.bench.contestants import CONTESTANTS, INITIAL_ACCUMULATOR, LEARNING_RATE, Contestant
from tests.bench.engine_reference import DIM, Fids, KeySource, Reference, Rows
from tests.bench.measuring import median_share

LARGE_BATCH, SMALL_BATCH = 65_536, 512
ALL_CORES = os.sched_getaffinity(0)
Batch = tuple[Fids, Rows]
Setting = tuple[bool, int, int]
"""Zipf or uniform, batch size, threads."""
SETTINGS: list[Setting] = [
    (False, LARGE_BATCH, 1),
    (False, LARGE_BATCH, 2),
    (True, LARGE_BATCH, 1),
    (False, SMALL_BATCH, 1),
]


@dataclass(frozen=True, slots=True)
class Pace:
    num_rounds: int
    slice_keys: int


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.engine_peer", description=__doc__)
    parser.add_argument("--contestant", choices=CONTESTANTS, required=True)
    parser.add_argument("--reference", type=Path, required=True, help="the built libbench_reference.so")
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--slice-batches", type=int, default=4, help="of 65,536 keys, between two looks at the limit")
    options = parser.parse_args()
    pace = Pace(options.rounds, options.slice_batches * LARGE_BATCH)
    with Reference(options.reference, options.rows) as reference:
        sys.stdout.write(json.dumps(measured(options.contestant, reference, pace)) + "\n")
    return 0


def measured(name: str, reference: Reference, pace: Pace) -> dict[str, float]:
    """Flat figures of one contestant. Raises AssertionError if it answers a wrong row."""
    listed = CONTESTANTS[name]
    _use_once(listed.make(SMALL_BATCH), reference)  # what a framework takes for itself is counted for no table
    before = resident_bytes()
    contestant = listed.make(reference.num_rows)
    figures = grow(contestant, reference) if listed.can_grow else _filled(contestant, reference)
    figures["resident_bytes_per_row"] = (resident_bytes() - before) / reference.num_rows
    check_lookup(contestant, reference)
    for setting in SETTINGS:
        figures |= _lookups(contestant, reference, pace, setting)
    contestant.start_learning()
    figures["resident_bytes_per_row_learning"] = (resident_bytes() - before) / reference.num_rows
    check_step(contestant, reference)
    for setting in SETTINGS[:3]:
        figures |= _updates(contestant, reference, pace, setting)
    return figures


def _use_once(contestant: Contestant, reference: KeySource) -> None:
    rows = np.arange(SMALL_BATCH, dtype=np.uint32)
    fids = reference.fids(rows)
    contestant.insert(fids, reference.vectors(fids))
    contestant.start_learning()
    contestant.lookup(fids, rows)
    contestant.learn(fids, rows, reference.vectors(fids))


def grow(contestant: Contestant, reference: KeySource) -> dict[str, float]:
    """From empty, on memory never touched, in batches of 65,536. Making keys and vectors is not counted."""
    took_s = []
    for start in range(0, reference.num_rows, LARGE_BATCH):
        rows = np.arange(start, min(start + LARGE_BATCH, reference.num_rows), dtype=np.uint32)
        fids = reference.fids(rows)
        vectors = reference.vectors(fids)
        started = time.perf_counter()
        contestant.insert(fids, vectors)
        took_s.append(time.perf_counter() - started)
    return {
        "cold_growth_keys_per_s": reference.num_rows / sum(took_s),
        "cold_growth_batch_p50_ms": 1000 * statistics.median(took_s),
        "cold_growth_batch_max_ms": 1000 * max(took_s),
    }


def _filled(contestant: Contestant, reference: KeySource) -> dict[str, float]:
    grow(contestant, reference)
    return {}


def check_lookup(contestant: Contestant, reference: KeySource) -> None:
    rows = reference.draw(LARGE_BATCH, is_zipf=False)
    fids = reference.fids(rows)
    assert np.array_equal(np.asarray(contestant.lookup(fids, rows)), reference.vectors(fids)), (
        "a lookup answered other rows"
    )


def check_step(contestant: Contestant, reference: KeySource) -> None:
    """After one batch with repeats, rows are as plain float64 arithmetic has them."""
    rows = reference.draw(LARGE_BATCH, is_zipf=False)
    rows[: LARGE_BATCH // 4] = rows[LARGE_BATCH // 4 : LARGE_BATCH // 2]
    grads = np.random.default_rng(5).normal(0, 0.01, (LARGE_BATCH, DIM)).astype(np.float32)
    contestant.learn(reference.fids(rows), rows, grads)
    distinct, inverse = np.unique(rows, return_inverse=True)
    summed = np.zeros((len(distinct), DIM))
    np.add.at(summed, inverse, grads)
    fids = reference.fids(distinct)
    expected = reference.vectors(fids) - LEARNING_RATE * summed / np.sqrt(INITIAL_ACCUMULATOR + summed * summed)
    learned = np.asarray(contestant.lookup(fids, distinct))
    assert np.allclose(learned, expected, rtol=1e-4, atol=1e-7), "a step of Adagrad gave other rows"


def _lookups(contestant: Contestant, reference: Reference, pace: Pace, setting: Setting) -> dict[str, float]:
    _, batch_size, num_threads = setting
    outputs = [np.empty((batch_size, DIM), np.float32) for _ in range(num_threads)]

    def gathered(thread: int, batch: Batch) -> None:
        reference.gather(batch[1], outputs[thread])

    def looked_up(thread: int, batch: Batch) -> None:
        contestant.lookup(*batch)

    rates, of = _paired(contestant, reference, pace, setting, gathered, looked_up)
    name = setting_name(setting)
    return {
        f"lookup_{name}_keys_per_s": statistics.median(rates),
        f"lookup_{name}_share_of_gather": median_share(rates, of),
    }


def _updates(contestant: Contestant, reference: Reference, pace: Pace, setting: Setting) -> dict[str, float]:
    grads = np.random.default_rng(6).normal(0, 0.001, (setting[1], DIM)).astype(np.float32)

    def written(thread: int, batch: Batch) -> None:
        reference.gather_and_write(batch[1], grads)

    def learned(thread: int, batch: Batch) -> None:
        contestant.learn(*batch, grads)

    rates, of = _paired(contestant, reference, pace, setting, written, learned)
    name = setting_name(setting)
    return {
        f"adagrad_{name}_keys_per_s": statistics.median(rates),
        f"adagrad_{name}_share_of_gather_and_write": median_share(rates, of),
    }


def setting_name(setting: Setting) -> str:
    """As `tests/bench/engine_cc` names it."""
    is_zipf, batch_size, num_threads = setting
    return f"{'zipf' if is_zipf else 'uniform'}_{'64k' if batch_size == LARGE_BATCH else batch_size}_{num_threads}t"


Work = Callable[[int, Batch], None]


def _paired(
    contestant: Contestant,
    reference: Reference,
    pace: Pace,
    setting: Setting,
    limit: Work,
    subject: Work,
) -> tuple[list[float], list[float]]:
    """Rates of the subject and of the limit, in turns on fresh keys. A first round warms both up and is not counted."""
    num_threads = setting[2]
    rates, of = [], []
    hold_on_cores(num_threads)
    with ThreadPoolExecutor(num_threads) as pool:
        for number in range(pace.num_rounds + 1):
            shares = [_batches(reference, setting, pace.slice_keys, thread) for thread in range(num_threads)]
            limit_rate = _rate(pool, shares, limit)
            if not contestant.is_called_from_threads:
                shares = [[batch for share in shares for batch in share]]
            rate = _rate(pool, shares, subject)
            if number:
                of.append(limit_rate)
                rates.append(rate)
    return rates, of


def _batches(reference: Reference, setting: Setting, slice_keys: int, thread: int) -> list[Batch]:
    """Threads get rows of different remainders, since the limit may not be written to by two at once."""
    is_zipf, batch_size, num_threads = setting
    rows = reference.draw(slice_keys, is_zipf=is_zipf)
    rows = np.minimum(rows // num_threads * num_threads + thread, reference.num_rows - num_threads + thread)
    rows = rows.astype(np.uint32)
    pieces = [rows[start : start + batch_size] for start in range(0, slice_keys, batch_size)]
    return [(reference.fids(piece), piece) for piece in pieces]


def _rate(pool: ThreadPoolExecutor, shares: list[list[Batch]], work: Work) -> float:
    def run(thread: int) -> None:
        for batch in shares[thread]:
            work(thread, batch)

    started = time.perf_counter()
    list(pool.map(run, range(len(shares))))
    return sum(len(fids) for share in shares for fids, _ in share) / (time.perf_counter() - started)


def hold_on_cores(num: int) -> None:
    """Every thread of this process, a framework's pool included."""
    cores = set(sorted(ALL_CORES)[:num])
    for task in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):  # it has ended since
            os.sched_setaffinity(int(task.name), cores)


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.exit(main())
