from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import InvalidDocument
from engine.features.parquet import read_columns


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"who": ["a", "b", "c"], "n": [1, None, 3], "more": [0, 0, 0]}), path, row_group_size=2)
    return path


def test_rows_come_in_order_under_the_names_of_their_sources(file: Path) -> None:
    batches = list(read_columns(file, {"user.id": "who", "event.n": "n"}, batch_rows=2))
    assert [num_rows for _, num_rows in batches] == [2, 1]
    assert [columns["user.id"].to_pylist() for columns, _ in batches] == [["a", "b"], ["c"]]
    assert [columns["event.n"].to_pylist() for columns, _ in batches] == [[1, None], [3]]
    assert all(columns.keys() == {"user.id", "event.n"} for columns, _ in batches)


def test_one_column_may_serve_two_sources(file: Path) -> None:
    (columns, _), *_ = read_columns(file, {"user.id": "who", "user.name": "who"})
    assert columns["user.name"].equals(columns["user.id"])


def test_a_column_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(InvalidDocument, match=r"user\.id: must name a column of rows\.parquet \(received 'whom'\)"):
        list(read_columns(file, {"user.id": "whom"}))
