"""The arithmetic of `engine.spec.table_size` against real tables and files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.embedding.options import SlotRule, TableOptions, bytes_per_row
from engine.embedding.serving_table import ServingTable
from engine.embedding.table import EmbeddingTable
from engine.embedding.table_restore import rows_file
from engine.embedding.table_saver import StoreImage
from engine.spec import table_size
from engine.spec.serving_copy import Precision
from engine.spec.slot import AdmitMinCount
from engine.spec.sparse_optimizer import (
    RowOptimizer,
    SparseAdaDelta,
    SparseAdagrad,
    SparseAdam,
    SparseAMSGrad,
    SparseFTRL,
    SparseGroupFTRL,
    SparseMomentum,
    SparseRMSProp,
    SparseSGD,
)

OPTIMIZERS: list[RowOptimizer] = [
    SparseSGD(),
    SparseMomentum(),
    SparseAdagrad(),
    SparseAdam(),
    SparseAMSGrad(),
    SparseAdaDelta(),
    SparseRMSProp(),
    SparseRMSProp(momentum=0.5),
    SparseFTRL(),
    SparseGroupFTRL(),
]


def fids(num: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.random.default_rng(num).integers(0, 2**63, num).astype(np.uint64)


def filled(dim: int, num_rows: int, optimizer: RowOptimizer, *rules: SlotRule) -> EmbeddingTable:
    table = EmbeddingTable(TableOptions(dim, optimizer=optimizer, rules=rules), index_salt=1)  # type: ignore[arg-type]
    table.lookup_or_create(fids(num_rows), np.zeros(num_rows, np.uint16), 1)
    return table


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda one: one.kind)
@pytest.mark.parametrize("dim", [1, 16, 100])
def test_state_and_budgeted_bytes_of_every_optimizer_are_the_tables_own(optimizer: RowOptimizer, dim: int) -> None:
    table = EmbeddingTable(TableOptions(dim, optimizer=optimizer), index_salt=1)  # type: ignore[arg-type]
    assert table_size.num_state_floats(dim, optimizer) == table.num_state_floats
    assert table_size.budgeted_row_bytes(dim, optimizer) == bytes_per_row(dim, optimizer)  # type: ignore[arg-type]


@pytest.mark.parametrize("optimizer", [SparseAdagrad(), SparseAdam(), SparseSGD()], ids=lambda one: one.kind)
@pytest.mark.parametrize(
    ("dim", "num_rows", "within"), [(1, 300_000, 0.25), (16, 30_000, 0.35), (16, 300_000, 0.06), (64, 100_000, 0.08)]
)
def test_memory_of_a_table_is_as_estimated(optimizer: RowOptimizer, dim: int, num_rows: int, within: float) -> None:
    estimate = table_size.FIXED_TABLE_BYTES + num_rows * table_size.table_row_bytes(dim, optimizer)
    assert filled(dim, num_rows, optimizer).memory_bytes == pytest.approx(estimate, rel=within)


@pytest.mark.parametrize("precision", Precision)
def test_memory_of_a_replica_is_as_estimated(precision: Precision) -> None:
    table = ServingTable(16, precision)
    table.upsert(fids(300_000), np.ones((300_000, 16), np.float32))
    estimate = table_size.FIXED_SERVING_BYTES + 300_000 * table_size.serving_row_bytes(16, precision)
    assert table.memory_bytes == pytest.approx(estimate, rel=0.06)


def test_memory_of_candidates_is_as_estimated() -> None:
    table = filled(8, 200_000, SparseSGD(), SlotRule(0, AdmitMinCount(min_count=3)))
    assert table.counters.num_candidates == 200_000
    assert table.counters.candidate_bytes == pytest.approx(200_000 * table_size.CANDIDATE_BYTES, rel=0.35)


def test_files_are_as_estimated(tmp_path: Path) -> None:
    for folder in ("all", "vectors"):
        (tmp_path / folder).mkdir()
    with StoreImage({"dim16": filled(16, 100_000, SparseAdam())}, incremental=False) as image:
        image.write(tmp_path / "all", tmp_path / "vectors")
    whole, vectors = ((tmp_path / folder / rows_file("dim16")).stat().st_size for folder in ("all", "vectors"))
    assert whole == pytest.approx(100_000 * table_size.checkpoint_row_bytes(16, SparseAdam()), rel=0.01)
    assert vectors == pytest.approx(100_000 * table_size.delta_row_bytes(16), rel=0.01)
