"""Files into columns: every format and packing gives the same rows, and a broken row is named, not fatal."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
import zstandard

from engine.errors import InvalidDocument
from webapp.catalog.importing.mapping import FileFormat
from webapp.catalog.importing.reading import Batch, cell_reader, format_of, read_batches

CSV = b"user,item,at\nu1,i1,10\nu2,i2,20\nu3,,30\n"
ROWS = {"user": ["u1", "u2", "u3"], "item": ["i1", "i2", None]}


def columns_of(batches: list[Batch], file_format: FileFormat) -> dict[str, list[object]]:
    read = cell_reader(file_format)
    found: dict[str, list[object]] = {"user": [], "item": []}
    for batch in batches:
        for name, cells in found.items():
            cells += map(read, batch.columns.column(name).to_pylist())
    return found


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress, zstandard.compress], ids=["plain", "gzip", "zstd"])
def test_csv_in_any_packing_gives_its_columns(tmp_path: Path, pack) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "events.csv"
    path.write_bytes(pack(CSV))
    batches = list(read_batches(path, FileFormat.CSV, ["user", "item"]))
    assert columns_of(batches, FileFormat.CSV) == ROWS
    assert [number for batch in batches for number in batch.numbers] == [1, 2, 3]


def test_jsonl_keeps_types_and_takes_an_absent_key_as_null(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"user": "u1", "item": ["a", "b"]}\n\n{"user": 7}\n')
    batches = list(read_batches(path, FileFormat.JSONL, ["user", "item"]))
    assert columns_of(batches, FileFormat.JSONL) == {"user": ["u1", 7], "item": [["a", "b"], None]}
    assert [number for batch in batches for number in batch.numbers] == [1, 2]


def test_parquet_gives_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    pyarrow.parquet.write_table(pa.table({**ROWS, "other": [1, 2, 3]}), path)
    batches = list(read_batches(path, FileFormat.PARQUET, ["user", "item"]))
    assert columns_of(batches, FileFormat.PARQUET) == ROWS


def test_csv_row_with_too_few_columns_is_named_and_the_rest_keep_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(b"user,item\nu1,i1\nbroken\nu3,i3\nu4,i4,more\nu5,i5\n")
    batches = list(read_batches(path, FileFormat.CSV, ["user", "item"]))
    assert columns_of(batches, FileFormat.CSV)["user"] == ["u1", "u3", "u5"]
    assert [number for batch in batches for number in batch.numbers] == [1, 3, 5]
    assert [(row.number, row.text) for batch in batches for row in batch.broken] == [
        (2, "'broken'"),
        (4, "'u4,i4,more'"),
    ]


def test_jsonl_line_that_is_no_object_is_named(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"user": "u1"}\n{"user": \n[1]\n{"user": "u4"}\n')
    (batch,) = read_batches(path, FileFormat.JSONL, ["user", "item"])
    assert batch.numbers == [1, 4]
    assert [row.number for row in batch.broken] == [2, 3]


@pytest.mark.parametrize("file_format", [FileFormat.CSV, FileFormat.PARQUET])
def test_absent_column_is_refused_with_the_names_there_are(tmp_path: Path, file_format: FileFormat) -> None:
    path = tmp_path / "events"
    if file_format is FileFormat.CSV:
        path.write_bytes(CSV)
    else:
        pyarrow.parquet.write_table(pa.table({**ROWS, "at": [1, 2, 3]}), path)
    with pytest.raises(InvalidDocument, match="user, item, at") as caught:
        list(read_batches(path, file_format, ["user", "article"]))
    assert [problem.received for problem in caught.value.problems] == ["'article'"]


def test_csv_larger_than_a_block_keeps_every_row_in_order(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    num_rows = 120_000
    path.write_text("user,item\n" + "".join(f"user-{number},item-{number % 7}\n" for number in range(num_rows)))
    batches = list(read_batches(path, FileFormat.CSV, ["user"]))
    assert len(batches) > 1
    users = [user for batch in batches for user in batch.columns.column("user").to_pylist()]
    assert users == [f"user-{number}" for number in range(num_rows)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", FileFormat.CSV),
        ("A.CSV.ZST", FileFormat.CSV),
        ("a.jsonl.gz", FileFormat.JSONL),
        ("a.parquet", FileFormat.PARQUET),
    ],
)
def test_format_follows_the_name(name: str, expected: FileFormat) -> None:
    assert format_of(Path(name)) is expected


def test_format_of_another_name_is_refused() -> None:
    with pytest.raises(InvalidDocument, match=r"\.csv"):
        format_of(Path("events.xlsx"))
