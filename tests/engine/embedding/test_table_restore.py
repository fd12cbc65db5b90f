"""A table restored from a full checkpoint and its increments decides and learns on as the saved one would have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from engine.embedding.options import SlotRule, TableOptions
from engine.embedding.rows import Floats
from engine.embedding.table import EmbeddingTable
from engine.embedding.table_restore import restore_table, rows_file, state_file
from engine.embedding.table_saver import StoreImage
from engine.errors import CorruptRecord
from engine.spec.slot import AdmitMinCount, Expiry
from engine.spec.sparse_optimizer import SparseAdagrad, SparseAdam, SparseOptimizer, SparseRMSProp, SparseSGD

OPTIONS = TableOptions(
    4, 3, rules=(SlotRule(1), SlotRule(2, AdmitMinCount(min_count=3)), SlotRule(3, expiry=Expiry(ttl_s=100)))
)
BUDGETED = TableOptions(4, 3, rules=(SlotRule(1, AdmitMinCount(min_count=2)),), max_rows=3000, max_candidates=512)


def work(table: EmbeddingTable, seed: int, num_ids: int = 8000) -> None:
    """A few steps of training, a delta on its way, and rows that go."""
    rng = np.random.default_rng(seed)
    for step in range(4):
        fids = rng.zipf(1.3, 600).astype(np.uint64) % np.uint64(num_ids)
        slots = (fids % np.uint64(3) + np.uint64(1)).astype(np.uint16)
        batch = table.sight(fids, slots, 1000 * seed + 40 * step)
        grads: Floats = rng.normal(size=(batch.num_unique, 4)).astype(np.float32)
        table.apply(batch, grads, 0.05)
    table.export_delta(50)
    if seed % 2:
        table.acknowledge_delta()
    table.erase(rng.integers(0, num_ids, 30, np.uint64))
    table.expire(1000 * seed + 130, 500)


def save(table: EmbeddingTable, folder: Path, *, incremental: bool) -> Path:
    folder.mkdir()
    with StoreImage({"t": table}, incremental=incremental) as image:
        assert image.is_incremental == incremental
        image.write(folder)
        image.confirm()
    return folder


def everything(table: EmbeddingTable) -> dict[int, tuple[object, ...]]:
    """Every row but for whether it is touched."""
    found: dict[int, tuple[object, ...]] = {}
    for rows in table.rows():
        assert rows.states is not None and rows.seen_at_s is not None
        assert rows.counts is not None
        for i, fid in enumerate(rows.fids.tolist()):
            stamps = (int(rows.slots[i]), int(rows.seen_at_s[i]), int(rows.counts[i]))
            found[fid] = (*stamps, rows.vectors[i].tobytes(), rows.states[i].tobytes())
    return found


def touched(table: EmbeddingTable) -> set[int]:
    return {fid for rows in table.rows() if rows.touched is not None for fid in rows.fids[rows.touched].tolist()}


def checkpoints(tmp_path: Path, table: EmbeddingTable) -> list[Path]:
    folders = []
    for number in range(4):
        work(table, number + 1)
        folders.append(save(table, tmp_path / str(number), incremental=number > 0))
    return folders


@pytest.mark.parametrize("options", [OPTIONS, BUDGETED], ids=["rules", "budget"])
def test_increments_bring_everything_back_and_the_future_is_the_same(tmp_path: Path, options: TableOptions) -> None:
    table = EmbeddingTable(options)
    restored = restore_table(options, checkpoints(tmp_path, table), "t")
    assert everything(restored) == everything(table)
    # What was published and has not changed since a checkpoint travels once more: its mark alone makes no increment.
    assert touched(restored) >= touched(table)
    assert restored.num_touched == len(touched(restored)) + len(restored.pending_deletes())
    assert restored.pending_deletes().tolist() == table.pending_deletes().tolist()
    for each in (restored, table):
        work(each, 9)
        work(each, 10)
    assert everything(restored).keys() == everything(table).keys()
    assert restored.digest() == table.digest()
    # What a ledger takes of memory depends on how it grew.
    for name in ("num_created", "num_expired", "num_over_budget", "num_turned_away", "num_candidates_dropped"):
        assert getattr(restored.counters, name) == getattr(table.counters, name)
    assert restored.slot_counts() == table.slot_counts()


def test_a_budget_and_a_full_ledger_were_at_work_in_these_tests(tmp_path: Path) -> None:
    table = EmbeddingTable(TableOptions(4, 3, rules=BUDGETED.rules, max_rows=200, max_candidates=64))
    checkpoints(tmp_path, table)
    assert table.counters.num_over_budget > 0
    assert table.counters.num_candidates_dropped > 0
    restored = restore_table(table.options, [tmp_path / str(number) for number in range(4)], "t")
    for each in (restored, table):
        work(each, 11)
    assert everything(restored).keys() == everything(table).keys()


def test_an_increment_holds_only_what_changed(tmp_path: Path) -> None:
    table = EmbeddingTable(OPTIONS)
    fids = np.arange(50_000, dtype=np.uint64)
    table.lookup_or_create(fids, np.ones(50_000, np.uint16), 1)
    save(table, tmp_path / "full", incremental=False)
    table.apply_gradients(fids[:10], np.ones((10, 4), np.float32), 0.1)
    table.erase(fids[20:25])
    save(table, tmp_path / "more", incremental=True)
    with pa.ipc.open_file(str(tmp_path / "more" / rows_file("t"))) as reader:
        read = reader.read_all()
    assert set(read.column("fid").to_pylist()) == {*range(10), *range(20, 25)}


def test_an_id_keeps_its_count_across_a_restart(tmp_path: Path) -> None:
    table = EmbeddingTable(OPTIONS)
    fid, slot = np.array([77], np.uint64), np.array([2], np.uint16)
    for _ in range(2):
        table.lookup_or_create(fid, slot, 5)
    restored = restore_table(OPTIONS, [save(table, tmp_path / "c", incremental=False)], "t")
    assert not restored.contains(fid).any()
    restored.lookup_or_create(fid, slot, 6)
    assert restored.contains(fid).all()


def test_only_the_last_full_checkpoint_and_what_follows_are_read(tmp_path: Path) -> None:
    table = EmbeddingTable(OPTIONS)
    folders = checkpoints(tmp_path, table)
    full = save(table, tmp_path / "again", incremental=False)
    (folders[0] / rows_file("t")).write_bytes(b"gone")
    assert restore_table(OPTIONS, [*folders, full], "t").digest() == table.digest()


@pytest.mark.parametrize("chosen", [[1], [0, 2], [0, 1, 3], [0, 2, 1]], ids=str)
def test_increments_on_something_else_are_refused(tmp_path: Path, chosen: list[int]) -> None:
    folders = checkpoints(tmp_path, EmbeddingTable(OPTIONS))
    with pytest.raises(CorruptRecord, match=r"t\.state\.arrow is (an increment on|of other rows)"):
        restore_table(OPTIONS, [folders[number] for number in chosen], "t")


@pytest.mark.parametrize("name", [rows_file("t"), state_file("t")])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-20],
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: b"ARROW1\0\0" + b"\0" * 64,
        lambda content: content[:-200] + b"\xff" * 100 + content[-100:],
    ],
    ids=["end cut", "half", "empty", "zeros", "footer overwritten"],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, damage: Callable[[bytes], bytes]) -> None:
    table = EmbeddingTable(OPTIONS)
    work(table, 1)
    path = save(table, tmp_path / "c", incremental=False) / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CorruptRecord, match=f"{name} is damaged"):
        restore_table(OPTIONS, [tmp_path / "c"], "t")


def test_an_altered_vector_is_told_by_the_digest(tmp_path: Path) -> None:
    table = EmbeddingTable(OPTIONS)
    vectors = np.full((1, 4), 0.123456, np.float32)
    table.assign(np.array([5], np.uint64), np.ones(1, np.uint16), vectors)
    path = save(table, tmp_path / "c", incremental=False) / rows_file("t")
    content = path.read_bytes()
    assert content.count(vectors.tobytes()) == 1
    path.write_bytes(content.replace(vectors.tobytes(), (vectors * np.float32(2)).tobytes()))
    with pytest.raises(CorruptRecord, match=r"t\.state\.arrow is of other rows: 1 with digest"):
        restore_table(OPTIONS, [tmp_path / "c"], "t")


def test_a_missing_state_is_missed(tmp_path: Path) -> None:
    table = EmbeddingTable(OPTIONS)
    (save(table, tmp_path / "c", incremental=False) / state_file("t")).unlink()
    with pytest.raises(FileNotFoundError, match=r"t\.state\.arrow"):
        restore_table(OPTIONS, [tmp_path / "c"], "t")


@pytest.mark.parametrize(
    ("dim", "optimizer", "message"),
    [
        (8, SparseAdagrad(), "is of a table of dim 4; this one's is 8"),
        (4, SparseAdam(), "is of a table with the optimizer rmsprop; this one's is adam"),
        (4, SparseRMSProp(momentum=0.9), "has 4 floats of state a row; this table has 8"),
    ],
)
def test_a_file_of_another_table_is_refused(tmp_path: Path, dim: int, optimizer: SparseOptimizer, message: str) -> None:
    table = EmbeddingTable(TableOptions(4, optimizer=SparseRMSProp()))
    folder = save(table, tmp_path / "c", incremental=False)
    with pytest.raises(CorruptRecord, match=message):
        restore_table(TableOptions(dim, optimizer=optimizer), [folder], "t")


def test_an_optimizer_without_state_has_no_column_for_it(tmp_path: Path) -> None:
    options = TableOptions(4, optimizer=SparseSGD())
    table = EmbeddingTable(options)
    table.lookup_or_create(np.arange(9, dtype=np.uint64), np.ones(9, np.uint16), 1)
    folder = save(table, tmp_path / "c", incremental=False)
    with pa.ipc.open_file(str(folder / rows_file("t"))) as reader:
        assert reader.schema.names == ["fid", "slot", "seen_at_s", "count", "vector", "touched"]
    assert restore_table(options, [folder], "t").digest() == table.digest()
