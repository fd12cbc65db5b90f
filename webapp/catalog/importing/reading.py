"""Files as batches of columns, whatever their format and compression, with memory bounded by the batch."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, cast

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import zstandard

from engine.errors import InvalidDocument, Problem
from engine.spec.document import shorten
from webapp.catalog.importing.mapping import FileFormat

CSV_BLOCK_BYTES = 1 << 20
ROWS_PER_BATCH = 4096
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_PACKED_SUFFIXES = (".gz", ".zst", ".zstd")
_FORMATS = {
    ".csv": FileFormat.CSV,
    ".jsonl": FileFormat.JSONL,
    ".ndjson": FileFormat.JSONL,
    ".parquet": FileFormat.PARQUET,
}


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A row that could not even be read: its number (the first row of data is 1), the rule, and its text, shortened."""

    number: int
    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive rows. CSV cells are texts, JSONL cells their JSON text, Parquet cells what they are; an absent one is null."""

    numbers: list[int]
    columns: pa.RecordBatch
    broken: list[BrokenRow] = field(default_factory=list)


def format_of(path: Path) -> FileFormat:
    """By the name's ending, before `.gz` or `.zst`. Raises `InvalidDocument`."""
    name = path.name.lower()
    for suffix in _PACKED_SUFFIXES:
        name = name.removesuffix(suffix)
    found = _FORMATS.get(Path(name).suffix)
    if found is None:
        rule = f"must end in one of {', '.join(_FORMATS)}, unless the mapping says the format"
        raise InvalidDocument("file", [Problem("file", rule, repr(path.name))])
    return found


def read_batches(path: Path, file_format: FileFormat, columns: Sequence[str]) -> Iterator[Batch]:
    """The file's rows in order, only these columns. Raises `InvalidDocument` when a column is absent, OSError, `pa.ArrowInvalid`."""
    readers = {FileFormat.CSV: _csv, FileFormat.JSONL: _jsonl, FileFormat.PARQUET: _parquet}
    return readers[file_format](path, columns)


def cell_reader(file_format: FileFormat) -> Callable[[Any], Any]:
    """Turns a cell of a batch into the value that the file meant."""
    if file_format is FileFormat.JSONL:
        return lambda cell: None if cell is None else orjson.loads(cell)
    return lambda cell: cell


def open_binary(path: Path) -> IO[bytes]:
    """The file's content, unpacked when its first bytes are gzip's or Zstandard's."""
    with path.open("rb") as file:
        magic = file.read(4)
    if magic.startswith(_GZIP_MAGIC):
        return cast(IO[bytes], gzip.open(path, "rb"))
    if magic == _ZSTD_MAGIC:
        return cast(IO[bytes], zstandard.open(path, "rb"))
    return path.open("rb")


def _csv(path: Path, columns: Sequence[str]) -> Iterator[Batch]:
    unreported: list[BrokenRow] = []

    def on_broken(row: Any) -> Literal["skip"]:
        # pyarrow counts the header as row 1
        rule = f"has {row.actual_columns} columns, and the header {row.expected_columns}"
        unreported.append(BrokenRow((row.number or 1) - 1, rule, shorten(row.text)))
        return "skip"

    last_number = 0
    with open_binary(path) as file:
        try:
            reader = pyarrow.csv.open_csv(
                file,
                read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=CSV_BLOCK_BYTES),
                parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=on_broken),
                convert_options=pyarrow.csv.ConvertOptions(
                    include_columns=list(columns),
                    column_types=dict.fromkeys(columns, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            )
        except KeyError as error:
            raise _missing(path, columns, csv_header(path)) from error
        with reader:
            for columns_read in reader:
                broken, unreported[:] = list(unreported), []
                numbers = _numbers_around(last_number, columns_read.num_rows, {row.number for row in broken})
                last_number = max([last_number, *numbers[-1:], *(row.number for row in broken)])
                yield Batch(numbers, columns_read, broken)
    if unreported:
        yield Batch([], pa.RecordBatch.from_pydict({name: pa.array([], pa.string()) for name in columns}), unreported)


def csv_header(path: Path) -> list[str]:
    """The names of its columns. Raises OSError, `pa.ArrowInvalid`."""
    # Rows that do not fit the header are for whoever reads on to report.
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda _: "skip")
    with open_binary(path) as file:
        return list(pyarrow.csv.open_csv(file, parse_options=parse).schema.names)


def _numbers_around(last: int, num_rows: int, broken: set[int]) -> list[int]:
    """Row numbers after `last`, those of the broken rows left out."""
    if not broken:
        return list(range(last + 1, last + 1 + num_rows))
    return list(itertools.islice((number for number in itertools.count(last + 1) if number not in broken), num_rows))


def _jsonl(path: Path, columns: Sequence[str]) -> Iterator[Batch]:
    with open_binary(path) as file:
        lines = enumerate((line for line in file if line.strip()), 1)
        while chunk := list(itertools.islice(lines, ROWS_PER_BATCH)):
            numbers: list[int] = []
            broken: list[BrokenRow] = []
            cells: dict[str, list[str | None]] = {name: [] for name in columns}
            for number, line in chunk:
                try:
                    row = orjson.loads(line)
                except ValueError:
                    row = None
                if not isinstance(row, dict):
                    broken.append(BrokenRow(number, "is not a JSON object", shorten(line.decode(errors="replace"))))
                    continue
                numbers.append(number)
                for name, texts in cells.items():
                    value = row.get(name)
                    texts.append(None if value is None else orjson.dumps(value).decode())
            arrays = {name: pa.array(texts, pa.string()) for name, texts in cells.items()}
            yield Batch(numbers, pa.RecordBatch.from_pydict(arrays), broken)


def _parquet(path: Path, columns: Sequence[str]) -> Iterator[Batch]:
    with pyarrow.parquet.ParquetFile(path) as file:
        names = file.schema_arrow.names
        if not set(columns) <= set(names):
            raise _missing(path, columns, names)
        last_number = 0
        for batch in file.iter_batches(batch_size=ROWS_PER_BATCH, columns=list(columns)):
            yield Batch(list(range(last_number + 1, last_number + 1 + batch.num_rows)), batch)
            last_number += batch.num_rows


def _missing(path: Path, columns: Sequence[str], names: Sequence[str]) -> InvalidDocument:
    has = f"is not a column of {path.name}, which has {', '.join(names)}"
    return InvalidDocument("mapping", [Problem("column", has, repr(name)) for name in columns if name not in names])
