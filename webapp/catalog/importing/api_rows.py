"""Files whose rows are events already, in the API's words: JSON lines as the API takes them, columns named as its fields."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import InvalidDocument, Problem
from engine.spec.document import shorten
from engine.spec.schema import Schema
from webapp.catalog.importing.mapping import EventMapping, FileFormat, TimeUnit
from webapp.catalog.importing.opening import EventFile, read_mapping
from webapp.catalog.importing.reading import BrokenRow, csv_header, format_of, open_binary, read_batches
from webapp.catalog.importing.rows import Row
from webapp.catalog.importing.times import to_ms

NEEDED: Final = ("user_id", "item_id", "type", "timestamp")
MAPPING_SUFFIX: Final = ".mapping.json"

_NO_TIME: Final = np.iinfo(np.int64).max
_LINES_IN_A_PIECE: Final = 4096


def event_rows(path: Path, schema: Schema, *, sort: bool = True) -> Iterator[Row | BrokenRow]:
    """The file's events in the order of their times, those without a readable one last; without `sort` as they stand in the file.

    A mapping beside it, `<file>.mapping.json`, says which column is what. Without one, JSON lines are events in the API's form; a CSV
    or Parquet file has a column for each of the API's fields (`NEEDED`, and if there are any `event_id`, `recommendation_id`) and for
    each property. Raises `InvalidDocument` naming the file and each column that is missing, OSError, `pa.ArrowException`.
    """
    file_format, mapping = format_of(path), mapping_beside(path)
    if mapping is None and file_format is FileFormat.JSONL:
        return _json_lines(path) if sort else itertools.starmap(_row, _lines(path))
    if mapping is None:
        mapping = _own_mapping(path, file_format, schema)
    return EventFile(path, mapping, schema, sort=sort).rows()


def mapping_beside(path: Path) -> EventMapping | None:
    """Raises `InvalidDocument` for a mapping that is none."""
    beside = path.with_name(path.name + MAPPING_SUFFIX)
    return read_mapping(beside) if beside.is_file() else None


def column_names(path: Path) -> list[str]:
    """The columns of a CSV or Parquet file. Raises OSError, `pa.ArrowException`."""
    return csv_header(path) if format_of(path) is FileFormat.CSV else pq.read_schema(path).names


def _own_mapping(path: Path, file_format: FileFormat, schema: Schema) -> EventMapping:
    names = column_names(path)
    problems = [
        Problem(name, f"must be a column of {path.name}, or be named by {path.name}{MAPPING_SUFFIX}", "none")
        for name in NEEDED
        if name not in names
    ]
    if problems:
        raise InvalidDocument(path.name, problems)
    declared = {name for event in schema.events.values() for name in event.properties}
    return EventMapping.parse(
        {
            "user_id": "user_id",
            "item_id": "item_id",
            "type": {"column": "type"},
            "timestamp": {"column": "timestamp", "unit": _unit_of(path, file_format)},
            "event_id": ["event_id"] if "event_id" in names else [],
            "recommendation_id": "recommendation_id" if "recommendation_id" in names else None,
            "properties": {name: name for name in names if name in declared},
        }
    )


def _unit_of(path: Path, file_format: FileFormat) -> str:
    """Integers are milliseconds, as they are to the API."""
    batch = next(read_batches(path, file_format, ["timestamp"]), None)
    first = next((cell for cell in batch.columns.column(0).to_pylist() if cell is not None), None) if batch else None
    is_number = isinstance(first, int) or (isinstance(first, str) and first.lstrip("-").isdigit())
    return "ms" if is_number else "iso"


def _json_lines(path: Path) -> Iterator[Row | BrokenRow]:
    """Lines are held packed in memory only where they are not in order already."""
    times = np.array([_time_of(_parsed(line)) for _, line in _lines(path)], np.int64)
    if bool(np.all(times[:-1] <= times[1:])):
        for number, line in _lines(path):
            yield _row(number, line)
        return
    pieces, numbers = [], []
    for piece in _pieces(path):
        pieces.append(pa.array([line for _, line in piece], pa.large_binary()))
        numbers += [number for number, _ in piece]
    lines = pa.chunked_array(pieces).combine_chunks()
    for place in np.argsort(times, kind="stable").tolist():
        yield _row(numbers[place], lines[place].as_py())


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with open_binary(path) as file:
        yield from ((number, line) for number, line in enumerate(file, 1) if line.strip())


def _pieces(path: Path) -> Iterator[list[tuple[int, bytes]]]:
    piece: list[tuple[int, bytes]] = []
    for one in _lines(path):
        piece.append(one)
        if len(piece) == _LINES_IN_A_PIECE:
            yield piece
            piece = []
    yield piece


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        row = orjson.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _time_of(row: dict[str, Any] | None) -> int:
    found = None if row is None else _milliseconds(row.get("timestamp"))
    return _NO_TIME if found is None else found


def _milliseconds(value: Any) -> int | None:
    if isinstance(value, str):
        return to_ms(value, TimeUnit.ISO)
    return to_ms(value, TimeUnit.MS) if isinstance(value, int) else None


def _row(number: int, line: bytes) -> Row | BrokenRow:
    row = _parsed(line)
    if row is None:
        return BrokenRow(number, "is not a JSON object", shorten(line.decode(errors="replace")))
    return Row(number, _milliseconds(row.get("timestamp")), row)
