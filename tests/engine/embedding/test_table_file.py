"""A table file opens without Freshet, brings everything back, and a damaged one harms nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine.embedding.table import EmbeddingTable
from engine.embedding.table_file import BATCH_ROWS, load_table, save_table
from engine.errors import CorruptRecord

NUM_ROWS = BATCH_ROWS + 1000


def new_table(dim: int = 4) -> EmbeddingTable:
    return EmbeddingTable(dim, seed=3, init_scale=0.1, initial_accumulator=0.1)


def trained_table() -> EmbeddingTable:
    """More rows than a record batch holds; some learned, some touched, some in flight, some deleted."""
    table = new_table()
    fids = np.arange(NUM_ROWS, dtype=np.uint64) * np.uint64(2**40 + 1)
    table.lookup_or_create(fids, (fids % np.uint64(5)).astype(np.uint16))
    table.forget_touched()
    table.apply_gradients(fids[:100], np.full((100, 4), 0.25, np.float32), 0.1)
    table.export_delta(40)
    table.erase(fids[-7:])
    return table


def all_rows(table: EmbeddingTable) -> dict[int, tuple[Any, ...]]:
    found = {}
    for rows in table.rows():
        assert rows.accumulators is not None
        assert rows.touched is not None
        for i, fid in enumerate(rows.fids.tolist()):
            state = (rows.accumulators[i].tobytes(), bool(rows.touched[i]))
            found[fid] = (int(rows.slots[i]), rows.vectors[i].tobytes(), *state)
    return found


def test_a_checkpoint_brings_everything_back(tmp_path: Path) -> None:
    table = trained_table()
    save_table(table, tmp_path / "table.arrow")
    loaded = new_table()
    assert load_table(loaded, tmp_path / "table.arrow") == NUM_ROWS - 7
    assert all_rows(loaded) == all_rows(table)
    assert loaded.digest() == table.digest()
    assert loaded.num_touched == 107
    assert loaded.pending_deletes().tolist() == table.pending_deletes().tolist()


def test_a_snapshot_holds_vectors_only(tmp_path: Path) -> None:
    table = trained_table()
    path = tmp_path / "table.arrow"
    save_table(table, path, with_state=False)
    with pa.ipc.open_file(str(path)) as reader:
        assert reader.schema.names == ["fid", "slot", "vector"]
        assert reader.read_all().num_rows == NUM_ROWS - 7
    loaded = new_table()
    load_table(loaded, path)
    assert loaded.digest() == table.digest()
    assert loaded.num_touched == 0
    rows = next(loaded.rows(5))
    np.testing.assert_array_equal(rows.accumulators, np.full((5, 4), 0.1, np.float32))


def test_pyarrow_reads_the_columns_as_documented(tmp_path: Path) -> None:
    table = new_table(2)
    fids = np.array([7, 8], np.uint64)
    table.assign(fids, np.array([1, 2], np.uint16), np.array([[1, 2], [3, 4]], np.float32))
    table.erase(fids[1:])
    save_table(table, tmp_path / "table.arrow")
    with pa.ipc.open_file(str(tmp_path / "table.arrow")) as reader:
        read = reader.read_all().to_pydict()
    tenth = float(np.float32(0.1))
    assert read == {
        "fid": [7, 8],
        "slot": [1, 0],
        "vector": [[1.0, 2.0], None],
        "accumulator": [[tenth, tenth], None],
        "touched": [True, True],
    }


def test_an_empty_table_goes_and_comes_back(tmp_path: Path) -> None:
    save_table(new_table(), tmp_path / "table.arrow")
    loaded = new_table()
    assert load_table(loaded, tmp_path / "table.arrow") == 0


def test_loading_into_a_table_with_rows_is_refused(tmp_path: Path) -> None:
    save_table(new_table(), tmp_path / "table.arrow")
    table = trained_table()
    with pytest.raises(ValueError, match="received one of"):
        load_table(table, tmp_path / "table.arrow")


def test_a_missing_file_is_not_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_table(new_table(), tmp_path / "absent.arrow")


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
def test_a_damaged_file_raises_and_leaves_the_table_empty(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "table.arrow"
    save_table(trained_table(), path)
    path.write_bytes(damage(path.read_bytes()))
    table = new_table()
    with pytest.raises(CorruptRecord):
        load_table(table, path)
    assert len(table) == 0


def test_a_file_of_another_dim_raises(tmp_path: Path) -> None:
    save_table(trained_table(), tmp_path / "table.arrow")
    with pytest.raises(CorruptRecord, match="not a file of a table of dim 8"):
        load_table(new_table(8), tmp_path / "table.arrow")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("vector", [float("nan")] * 4, "vectors that are not finite"),
        ("accumulator", [0.0] * 4, "accumulators that are not finite and positive"),
        ("accumulator", None, "rows without their state"),
    ],
)
def test_impossible_values_raise_and_leave_the_table_empty(
    tmp_path: Path, column: str, value: list[float] | None, message: str
) -> None:
    path = tmp_path / "table.arrow"
    save_table(trained_table(), path)
    with pa.ipc.open_file(str(path)) as reader:
        schema, read = reader.schema, reader.read_all().slice(0, 3)
    values = read.column(column).to_pylist()
    values[2] = value
    place = schema.get_field_index(column)
    changed: pa.Array[Any] = pa.array(values, schema.field(column).type)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(read.set_column(place, schema.field(column), changed))
    table = new_table()
    with pytest.raises(CorruptRecord, match=message):
        load_table(table, path)
    assert len(table) == 0
