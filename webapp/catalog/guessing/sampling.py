"""The first rows of a file, whatever its format: names of columns, and cells as the file means them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import InvalidDocument, Problem
from webapp.catalog.importing.mapping import FileFormat
from webapp.catalog.importing.reading import BrokenRow, cell_reader, csv_header, format_of, open_binary, read_batches

SAMPLE_ROWS: Final = 2_000
MAX_COLUMNS: Final = 200
_MAX_LINE_BYTES: Final = 1 << 20


@dataclass(slots=True)
class Sample:
    """`cells` has a list for each column, as long as `numbers`; `is_whole` says that the file has no more rows."""

    format: FileFormat
    numbers: list[int] = field(default_factory=list)
    cells: dict[str, list[Any]] = field(default_factory=dict)
    broken: list[BrokenRow] = field(default_factory=list)
    is_whole: bool = False

    @property
    def columns(self) -> list[str]:
        return list(self.cells)

    @property
    def num_rows(self) -> int:
        return len(self.numbers)


def read_sample(path: Path, num_rows: int = SAMPLE_ROWS) -> Sample:
    """The first `num_rows` rows. Raises `InvalidDocument` for a file that cannot be read as what its name says."""
    file_format = format_of(path)
    try:
        names = _columns(path, file_format)
        if not names:
            raise InvalidDocument("file", [Problem("file", "must have columns", path.name)])
        if len(names) > MAX_COLUMNS:
            raise InvalidDocument(
                "file", [Problem("file", f"must have at most {MAX_COLUMNS} columns", str(len(names)))]
            )
        return _read(path, file_format, names, num_rows)
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        rule = f"must be readable as {file_format}"
        raise InvalidDocument("file", [Problem("file", rule, f"{type(error).__name__}: {error}"[:300])]) from error


def _read(path: Path, file_format: FileFormat, names: list[str], num_rows: int) -> Sample:
    sample = Sample(file_format, cells={name: [] for name in names})
    read = cell_reader(file_format)
    for batch in read_batches(path, file_format, names):
        room = num_rows - sample.num_rows
        sample.numbers += batch.numbers[:room]
        sample.broken += batch.broken
        for name in names:
            sample.cells[name] += map(read, batch.columns.column(name).slice(0, room).to_pylist())
        if batch.columns.num_rows > room:
            sample.broken = [row for row in sample.broken if row.number < sample.numbers[-1]]
            return sample
    sample.is_whole = True
    return sample


def _columns(path: Path, file_format: FileFormat) -> list[str]:
    if file_format is FileFormat.CSV:
        return csv_header(path)
    if file_format is FileFormat.PARQUET:
        return list(pq.read_schema(path).names)
    names: dict[str, None] = {}
    with open_binary(path) as file:
        for line in itertools.islice(iter(lambda: file.readline(_MAX_LINE_BYTES), b""), SAMPLE_ROWS):
            try:
                row = orjson.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                names |= dict.fromkeys(row)
    return list(names)
