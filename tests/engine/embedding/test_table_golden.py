"""Files of every format version that was ever written still load, value by value, and a new one has the bytes of the golden one."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.embedding.options import SlotRule, TableOptions
from engine.embedding.serving_table import ServingTable
from engine.embedding.table import EmbeddingTable
from engine.embedding.table_file import load_vectors
from engine.embedding.table_restore import restore_table, rows_file, state_file
from engine.embedding.table_saver import StoreImage
from engine.errors import CorruptRecord
from engine.spec.initializer import Uniform
from engine.spec.slot import AdmitMinCount
from engine.spec.sparse_optimizer import SparseAdagrad, SparseAdam

GOLDEN = Path(__file__).parent / "golden"
OPTIONS = TableOptions(
    3,
    17,
    SparseAdagrad(initializer=Uniform(scale=0.05), initial_accumulator=0.1),
    rules=(SlotRule(4, AdmitMinCount(min_count=3)),),
)
FIDS = np.array([1, 2, 3, 4, 2**63, 2**64 - 1], np.uint64)
SLOTS = np.array([1, 2, 3, 1, 2, 3], np.uint16)
GRADS = np.array([[1, 2, 3], [0.5, -0.5, 0.25], [-1, 0, 4]], np.float32)


def golden_table() -> EmbeddingTable:
    """What every golden file holds, as far as its version can; salts are fixed, so that the file is."""
    table = EmbeddingTable(OPTIONS, index_salt=0x0123456789ABCDEF)
    table.lookup_or_create(FIDS, SLOTS, 1_700_000_000)
    table.forget_touched()
    table.apply_gradients(FIDS[:3], GRADS, 0.25)
    table.erase(FIDS[3:4])
    table.lookup_or_create(np.array([9, 9], np.uint64), np.array([4, 4], np.uint16), 1_700_000_001)
    return table


def put(tmp_path: Path, version: int) -> Path:
    """Rows are as in version 2 since then; version 3 has another state beside them."""
    shutil.copy(GOLDEN / f"table_v{min(version, 2)}.arrow", tmp_path / rows_file("t"))
    if version > 1:
        shutil.copy(GOLDEN / f"table_v{version}.state.arrow", tmp_path / state_file("t"))
    return tmp_path


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_file_of_every_version_loads(tmp_path: Path, version: int) -> None:
    table, wanted = restore_table(OPTIONS, [put(tmp_path, version)], "t", unstamped_s=1_700_000_000), golden_table()
    assert table.digest() == wanted.digest()
    assert table.num_touched == 4
    assert table.pending_deletes().tolist() == [4]
    rows, wanted_rows = next(table.rows()), next(wanted.rows())
    order, wanted_order = np.argsort(rows.fids), np.argsort(wanted_rows.fids)
    for name in ("fids", "slots", "vectors", "states", "touched", "seen_at_s"):
        np.testing.assert_array_equal(getattr(rows, name)[order], getattr(wanted_rows, name)[wanted_order])


def test_the_second_version_brings_counts_candidates_and_salt(tmp_path: Path) -> None:
    table = restore_table(OPTIONS, [put(tmp_path, 2)], "t")
    assert table.index_salt == 0x0123456789ABCDEF
    assert table.counters == golden_table().counters
    waiting = table.candidates()
    assert (waiting.fids.tolist(), waiting.slots.tolist(), waiting.counts.tolist()) == ([9], [4], [2])
    assert waiting.since_s.tolist() == [1_700_000_001]
    rows = next(table.rows())
    assert rows.counts is not None
    assert rows.counts.tolist() == [1] * 5


def test_the_third_version_brings_counts_by_slot(tmp_path: Path) -> None:
    (tmp_path / "older").mkdir()
    assert restore_table(OPTIONS, [put(tmp_path / "older", 2)], "t").slot_counts() == {}
    counts = restore_table(OPTIONS, [put(tmp_path, 3)], "t").slot_counts()
    assert counts == golden_table().slot_counts()
    assert (counts[1].num_admitted, counts[4].num_admitted, counts[4].num_turned_away) == (2, 0, 2)


def test_what_is_written_now_is_the_golden_file(tmp_path: Path) -> None:
    with StoreImage({"t": golden_table()}, incremental=False) as image:
        image.write(tmp_path)
    for written, golden in ((rows_file("t"), "table_v2.arrow"), (state_file("t"), "table_v3.state.arrow")):
        assert (tmp_path / written).read_bytes() == (GOLDEN / golden).read_bytes()


@pytest.mark.parametrize("name", ["snapshot_v1.arrow", "table_v1.arrow", "table_v2.arrow"])
def test_vectors_of_every_version_load(name: str) -> None:
    replica = ServingTable(3)
    assert load_vectors(replica, GOLDEN / name) == 5
    assert replica.digest() == golden_table().digest()


def test_the_first_version_was_adagrad_s(tmp_path: Path) -> None:
    with pytest.raises(CorruptRecord, match=r"with the optimizer adagrad; this one's is adam"):
        restore_table(TableOptions(3, optimizer=SparseAdam()), [put(tmp_path, 1)], "t")
