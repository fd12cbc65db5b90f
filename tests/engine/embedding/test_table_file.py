"""A file of vectors opens without Freshet, fills a trainer's or a replica's table, and a damaged one harms nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine.embedding.options import TableOptions
from engine.embedding.serving_table import ServingTable
from engine.embedding.table import EmbeddingTable
from engine.embedding.table_file import load_vectors, save_vectors
from engine.embedding.table_writer import BATCH_ROWS
from engine.errors import CorruptRecord

NUM_ROWS = BATCH_ROWS + 9000


def new_table(dim: int = 4) -> EmbeddingTable:
    return EmbeddingTable(TableOptions(dim, 3))


def trained_table() -> EmbeddingTable:
    """More rows than a piece holds; some learned, some deleted."""
    table = new_table()
    fids = np.arange(NUM_ROWS, dtype=np.uint64) * np.uint64(2**40 + 1)
    table.lookup_or_create(fids, (fids % np.uint64(5)).astype(np.uint16), 50)
    table.apply_gradients(fids[:100], np.full((100, 4), 0.25, np.float32), 0.1)
    table.erase(fids[-7:])
    return table


def test_a_trainer_s_table_comes_back_as_new_rows(tmp_path: Path) -> None:
    table, loaded = trained_table(), new_table()
    save_vectors(table, tmp_path / "table.arrow")
    assert load_vectors(loaded, tmp_path / "table.arrow") == NUM_ROWS - 7
    assert loaded.digest() == table.digest()
    assert loaded.num_touched == 0
    rows = next(loaded.rows(5))
    np.testing.assert_array_equal(rows.states, np.full((len(rows), 4), 0.1, np.float32))


def test_a_replica_s_table_is_equal_to_the_trainer_s(tmp_path: Path) -> None:
    table, replica = trained_table(), ServingTable(4)
    save_vectors(table, tmp_path / "table.arrow")
    assert load_vectors(replica, tmp_path / "table.arrow") == NUM_ROWS - 7
    assert replica.digest() == table.digest()


def test_pyarrow_reads_the_columns_as_documented(tmp_path: Path) -> None:
    table = new_table(2)
    table.assign(np.array([7], np.uint64), np.array([1], np.uint16), np.array([[1, 2]], np.float32))
    save_vectors(table, tmp_path / "table.arrow")
    with pa.ipc.open_file(str(tmp_path / "table.arrow")) as reader:
        assert reader.read_all().to_pydict() == {"fid": [7], "slot": [1], "vector": [[1.0, 2.0]]}


def test_an_empty_table_goes_and_comes_back(tmp_path: Path) -> None:
    save_vectors(new_table(), tmp_path / "table.arrow")
    assert load_vectors(new_table(), tmp_path / "table.arrow") == 0


def test_loading_into_a_table_with_rows_is_refused(tmp_path: Path) -> None:
    save_vectors(new_table(), tmp_path / "table.arrow")
    with pytest.raises(ValueError, match="received one of"):
        load_vectors(trained_table(), tmp_path / "table.arrow")


def test_a_missing_file_is_not_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_vectors(new_table(), tmp_path / "absent.arrow")


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
    save_vectors(trained_table(), path)
    path.write_bytes(damage(path.read_bytes()))
    for table in (new_table(), ServingTable(4)):
        with pytest.raises(CorruptRecord, match=r"table\.arrow is damaged"):
            load_vectors(table, path)
        assert len(table) == 0


def test_a_file_of_another_dim_raises(tmp_path: Path) -> None:
    save_vectors(trained_table(), tmp_path / "table.arrow")
    with pytest.raises(CorruptRecord, match=r"table\.arrow is of a table of dim 4; this one's is 8"):
        load_vectors(ServingTable(8), tmp_path / "table.arrow")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"vector": [[1, 2, 3, 4], [1, 2, 3, float("nan")]]}, "vector that are not finite"),
        ({"vector": [[1, 2, 3, 4], None]}, "rows without vectors"),
        ({"fid": [1, None]}, "null values in fid"),
    ],
)
def test_impossible_values_raise_and_leave_the_table_empty(
    tmp_path: Path, columns: dict[str, Any], message: str
) -> None:
    path = tmp_path / "table.arrow"
    values = {"fid": [1, 2], "slot": [1, 1], "vector": [[1, 2, 3, 4]] * 2, **columns}
    vector: Any = pa.list_(pa.field("item", pa.float32(), nullable=False), 4)
    fields: list[Any] = [("fid", pa.uint64()), ("slot", pa.uint16()), ("vector", vector)]
    schema = pa.schema(fields, metadata={b"format": b"freshet.table/2"})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(pa.table(values, schema=schema))
    table = new_table()
    with pytest.raises(CorruptRecord, match=message):
        load_vectors(table, path)
    assert len(table) == 0


def test_any_other_arrow_file_is_refused(tmp_path: Path) -> None:
    other = pa.table({"fid": [1]})
    with pa.OSFile(str(tmp_path / "x.arrow"), "wb") as sink, pa.ipc.new_file(sink, other.schema) as writer:
        writer.write_table(other)
    with pytest.raises(CorruptRecord, match="is not a file of a table"):
        load_vectors(new_table(), tmp_path / "x.arrow")
