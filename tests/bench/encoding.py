"""`python -m tests.bench encoding`: milliseconds to encode 2,048 rows of 26 ids and 13 numbers, from Parquet, memory and the log."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.features.columns import columns_from_examples
from engine.features.encoder import FeatureEncoder
from engine.features.parquet import read_columns
from engine.spec.definition import ModelDefinition
from engine.spec.example import Cause, Example, Origin
from tests.bench.report import Report, say, say_table

NUM_IDS, NUM_NUMBERS, NUM_ROWS = 26, 13, 2048
GOAL_MS = 12.0
"""What the bare training step on such a batch takes (issue 4)."""


def run(*, quick: bool) -> None:
    """Print the table and write `reports/bench-encoding.json`: `<way>_ms`, means of a batch; `<way>_cpu_ms`, processor time, which a
    busy machine changes less; and `goal_ms`.
    """
    report = Report("bench-encoding")
    num_batches = 20 if quick else 100
    encoder = FeatureEncoder(_definition())
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("integers", "strings"):
            table = _table(kind, num_batches)
            path = Path(folder) / f"{kind}.parquet"
            pq.write_table(table, path, row_group_size=64 * NUM_ROWS)
            found[f"parquet_{kind}"] = _from_parquet(encoder, path)
            found[f"memory_{kind}"] = _from_memory(encoder, table, num_batches)
        found["log"] = _from_log(encoder, table, 5)
    say(
        f"milliseconds for {NUM_ROWS} rows of {NUM_IDS} ids and {NUM_NUMBERS} numbers on average; the goal is {GOAL_MS:g}"
    )
    say_table(
        ["from", "ms", "ms of processor"],
        [[name.replace("_", ", "), f"{wall:.2f}", f"{cpu:.2f}"] for name, (wall, cpu) in found.items()],
    )
    report.write(
        {f"{name}_ms": round(wall, 3) for name, (wall, _) in found.items()}
        | {f"{name}_cpu_ms": round(cpu, 3) for name, (_, cpu) in found.items()}
        | {"goal_ms": GOAL_MS}
    )


def _definition() -> ModelDefinition:
    slots = [{"name": name, "number": number, "source": f"user.{name}"} for number, name in enumerate(_ids(), 1)]
    dense = [{"name": name, "source": f"user.{name}", "transform": "log1p"} for name in _numbers()]
    return ModelDefinition.parse({"slots": slots, "dense": dense, "architecture": {"kind": "dcn_v2"}})


def _ids() -> list[str]:
    return [f"c{number}" for number in range(NUM_IDS)]


def _numbers() -> list[str]:
    return [f"i{number}" for number in range(NUM_NUMBERS)]


def _table(kind: str, num_batches: int) -> pa.Table:
    rng = np.random.default_rng(1)
    num = num_batches * NUM_ROWS
    columns: dict[str, Any] = {}
    for name in _ids():
        ids = rng.zipf(1.2, num) % 10_000_000
        columns[name] = pa.array(ids) if kind == "integers" else pa.array(ids.astype(str).tolist())
    for name in _numbers():
        columns[name] = pa.array(rng.integers(0, 1000, num).astype(np.float64), mask=rng.random(num) < 0.1)
    return pa.table(columns)


def _from_parquet(encoder: FeatureEncoder, path: Path) -> tuple[float, float]:
    batches = read_columns(path, {source: source.partition(".")[2] for source in encoder.sources()}, NUM_ROWS)

    def one() -> None:
        columns, num_rows = next(batches)
        encoder.encode(columns, num_rows)

    return _mean_ms(one, pq.ParquetFile(path).metadata.num_rows // NUM_ROWS)


def _from_memory(encoder: FeatureEncoder, table: pa.Table, num_batches: int) -> tuple[float, float]:
    batches = iter(table.to_batches(max_chunksize=NUM_ROWS))

    def one() -> None:
        batch = next(batches)
        encoder.encode({f"user.{name}": batch.column(name) for name in batch.schema.names}, batch.num_rows)

    return _mean_ms(one, num_batches)


def _from_log(encoder: FeatureEncoder, table: pa.Table, num_batches: int) -> tuple[float, float]:
    rows = table.slice(0, num_batches * NUM_ROWS).to_pylist()
    records = [
        Example(str(at), "u", "i", 0, Origin.IMPRESSION, {"click": 1.0}, Cause(0, at, 0), user=row).to_bytes()
        for at, row in enumerate(rows)
    ]
    starts = iter(range(0, len(records), NUM_ROWS))

    def one() -> None:
        start = next(starts)
        examples = [Example.from_bytes(record) for record in records[start : start + NUM_ROWS]]
        encoder.encode(columns_from_examples(examples, encoder.sources()), len(examples))

    return _mean_ms(one, num_batches)


def _mean_ms(work: Callable[[], None], times: int) -> tuple[float, float]:
    """Wall time and processor time of one call: means, because reading decodes many batches in one call out of some."""
    started, started_cpu = time.perf_counter(), time.process_time()
    for _ in range(times):
        work()
    took, took_cpu = time.perf_counter() - started, time.process_time() - started_cpu
    return took / times * 1000, took_cpu / times * 1000
