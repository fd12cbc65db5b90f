"""`make bench-engine`: lookup and sparse Adagrad of the C++ table, as shares of a gather whose row numbers are known.

Uniform ids, batches of 65,536, dim 16, one thread (the process is held on one core). Each contestant takes turns with the
gather in the same process, and its share is the median of the turns' ratios. `bytes_over_payload` is reserved bytes by the
bytes of vectors and accumulators.
"""

from __future__ import annotations

import gc
import importlib
import os
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from engine.embedding.table import Fids, Floats
from tests.bench.contestants import Contestant, DictTable, Engine, Gather, RowNumbers, TensorFlowTable
from tests.bench.measuring import Slice, interleaved, median_share
from tests.bench.report import Report, say, say_table

DIM = 16
BATCH = 65_536
NUM_BATCHES = 8
Make = Callable[[Fids, Floats], Contestant]
CONTESTANTS: dict[str, tuple[str, Make]] = {
    "engine": ("Freshet EmbeddingTable", Engine),
    "dict": ("Python dict + NumPy", DictTable),
    "dense_hash_table": ("tf DenseHashTable", partial(TensorFlowTable, dense=True)),
    "mutable_hash_table": ("tf MutableHashTable", partial(TensorFlowTable, dense=False)),
}
NOT_MEASURED = ("TFRA CuckooHashTable", "FBGEMM table-batched embedding", "torch EmbeddingBag")


def run(*, quick: bool) -> None:
    """At 1 M rows (keys that end in `_1m`) and, unless `quick`, at 10 M. The plain keys are those of the largest measured."""
    report = Report("bench-engine")
    _hold_on_one_core()
    importlib.import_module("tensorflow")  # now, so that its own memory is counted for no table
    values: dict[str, object] = {"dim": DIM, "batch_size": BATCH, "num_threads": 1}
    num_rounds = 5 if quick else 9
    found = _measure(1_000_000, num_rounds)
    values |= {f"{name}_1m": value for name, value in found.items()} | {"num_rows": 1_000_000, **found}
    if not quick:
        values |= {"num_rows": 10_000_000, **_measure(10_000_000, num_rounds)}
    report.write(values)


def _hold_on_one_core() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[name] = "1"


def _measure(num_rows: int, num_rounds: int) -> dict[str, float]:
    random = np.random.default_rng(17)
    fids = random.integers(2**64 - 2, size=num_rows, dtype=np.uint64)
    vectors = random.uniform(-0.01, 0.01, (num_rows, DIM)).astype(np.float32)
    gather = Gather(fids, vectors)
    say(f"\n{num_rows:,} rows, dim {DIM}, uniform, batches of {BATCH:,}, one thread; million keys a second")
    values: dict[str, float] = {}
    rows, gathers = [], []
    for key, (title, make) in CONTESTANTS.items():
        before = _resident_bytes()
        contestant = make(fids, vectors)
        bytes_per_row = (_resident_bytes() - before) / num_rows
        if isinstance(contestant, Engine):
            assert len(contestant.table) == num_rows, "two ids share a FID: choose another seed"
            bytes_per_row = contestant.table.memory_bytes / num_rows
            values["bytes_over_payload"] = bytes_per_row / (2 * DIM * vectors.itemsize)
        check(contestant, fids, vectors, random)
        rates = interleaved(_slices(contestant, gather, fids, random), num_rounds)
        gathers += rates["gather"]
        found = _described(rates) | {"bytes_per_row": bytes_per_row}
        values |= {(name if key == "engine" else f"{key}_{name}"): round(value, 4) for name, value in found.items()}
        rows.append([title, *_cells(found)])
        del contestant
        gc.collect()
    values["gather_keys_per_s"] = round(statistics.median(gathers), 1)
    floor = ["np.take, rows known", f"{values['gather_keys_per_s'] / 1e6:.2f}", "1.00", "", "", f"{8 * DIM}"]
    say_table(["table", "lookup", "of gather", "Adagrad", "of gather", "bytes/row"], [floor, *rows])
    say("".join(f"  {name}: not measured, needs its own environment\n" for name in NOT_MEASURED).rstrip())
    values["bytes_over_payload"] = round(values["bytes_over_payload"], 4)
    return values


def check(contestant: Contestant, fids: Fids, vectors: Floats, random: np.random.Generator) -> None:
    """Rows come back as they went in, and after one batch with repeats as plain float64 arithmetic has them."""
    batch = random.integers(len(fids), size=BATCH)
    batch[: BATCH // 4] = batch[BATCH // 4 : BATCH // 2]
    assert np.array_equal(contestant.lookup(fids[batch], batch), vectors[batch]), "a lookup answered other rows"
    grads = random.normal(0, 0.01, (BATCH, DIM)).astype(np.float32)
    contestant.learn(fids[batch], batch, grads)
    distinct, inverse = np.unique(batch, return_inverse=True)
    summed = np.zeros((len(distinct), DIM))
    np.add.at(summed, inverse, grads)
    expected = vectors[distinct] - 0.05 * summed / np.sqrt(0.1 + summed * summed)
    learned = contestant.lookup(fids[distinct], distinct)
    assert np.allclose(learned, expected, rtol=1e-4, atol=1e-7), "a step of Adagrad gave other rows"


def _slices(contestant: Contestant, gather: Gather, fids: Fids, random: np.random.Generator) -> dict[str, Slice]:
    batches: list[tuple[Fids, RowNumbers]] = []
    grads = random.normal(0, 0.001, (BATCH, DIM)).astype(np.float32)
    for _ in range(NUM_BATCHES):
        rows = random.integers(len(fids), size=BATCH)
        batches.append((fids[rows], rows))

    def look(one: Contestant) -> int:
        for batch, rows in batches:
            one.lookup(batch, rows)
        return NUM_BATCHES * BATCH

    def learn() -> int:
        for batch, rows in batches:
            contestant.learn(batch, rows, grads)
        return NUM_BATCHES * BATCH

    slices: dict[str, Slice] = {
        "gather": partial(look, gather),
        "lookup": partial(look, contestant),
        "adagrad": learn,
    }
    interleaved(slices, 1)  # warm: pages touched, functions compiled
    return slices


def _described(rates: dict[str, list[float]]) -> dict[str, float]:
    return {
        "lookup_keys_per_s": statistics.median(rates["lookup"]),
        "lookup_share_of_gather": median_share(rates["lookup"], rates["gather"]),
        "adagrad_keys_per_s": statistics.median(rates["adagrad"]),
        "adagrad_share_of_gather": median_share(rates["adagrad"], rates["gather"]),
    }


def _cells(found: dict[str, float]) -> list[str]:
    return [
        f"{found['lookup_keys_per_s'] / 1e6:.2f}",
        f"{found['lookup_share_of_gather']:.2f}",
        f"{found['adagrad_keys_per_s'] / 1e6:.2f}",
        f"{found['adagrad_share_of_gather']:.2f}",
        f"{found['bytes_per_row']:.0f}",
    ]


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
