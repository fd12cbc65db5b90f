"""The parts of an export and the one file that they become: each written aside and renamed, so that what has a name is whole."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from engine.spec.schema import PropertyType
from webapp.exports.models import Export
from webapp.exports.rows import JSON_TEXT, Column, ColumnType

_TYPES: Final = {
    PropertyType.STRING: pa.string(),
    PropertyType.STRING_LIST: pa.list_(pa.string()),
    PropertyType.INTEGER: pa.int64(),
    PropertyType.FLOAT: pa.float64(),
    PropertyType.BOOLEAN: pa.bool_(),
    PropertyType.TIMESTAMP: pa.int64(),
    PropertyType.VECTOR: pa.list_(pa.float64()),
    JSON_TEXT: pa.string(),
}
_SEPARATOR: Final = "|"


class ExportFiles:
    """The folder of one export. One writer at a time."""

    def __init__(self, export: Export, columns: Sequence[Column]) -> None:
        self._folder, self._format, self._result = export.folder, export.format, export.result
        self._columns = columns
        self._schema = pa.schema([pa.field(column.name, _TYPES[column.type]) for column in columns])
        self._folder.mkdir(parents=True, exist_ok=True)

    def write_part(self, number: int, documents: Sequence[dict[str, Any]]) -> None:
        """Part `number` (from 0), which may be there already from an attempt that was killed. Raises OSError."""
        part = self._part(number)
        aside = part.with_suffix(".aside")
        if self._format == Export.Format.JSONL:
            aside.write_bytes(b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in documents))
        elif self._format == Export.Format.CSV:
            aside.write_text("".join(map(self._csv_line, documents)))
        else:
            pq.write_table(self._table(documents), aside, compression="zstd")
        _put(aside, part)

    def join(self, num_parts: int) -> int:
        """All parts as the result; they go. Answers its bytes. Raises OSError."""
        if self._result.exists() and not self._part(0).exists():
            return self._result.stat().st_size  # joined by an attempt that was killed just then
        aside = self._result.with_suffix(".aside")
        if self._format == Export.Format.PARQUET:
            with pq.ParquetWriter(aside, self._schema, compression="zstd") as writer:
                for part in self._parts(num_parts):
                    writer.write_table(pq.read_table(part, schema=self._schema))
        else:
            with aside.open("wb") as whole:
                if self._format == Export.Format.CSV:
                    whole.write(_line([column.name for column in self._columns]).encode())
                for part in self._parts(num_parts):
                    with part.open("rb") as file:
                        shutil.copyfileobj(file, whole)
        _put(aside, self._result)
        for part in reversed(list(self._parts(num_parts))):
            part.unlink(missing_ok=True)
        return self._result.stat().st_size

    def _csv_line(self, document: dict[str, Any]) -> str:
        return _line([_cell(column.read(document)) for column in self._columns])

    def _table(self, documents: Sequence[dict[str, Any]]) -> pa.Table:
        arrays = [_array([column.read(one) for one in documents], column.type) for column in self._columns]
        return pa.Table.from_arrays(arrays, schema=self._schema)

    def _parts(self, num_parts: int) -> Iterator[Path]:
        return (self._part(number) for number in range(num_parts))

    def _part(self, number: int) -> Path:
        return self._folder / f"part-{number:06d}.{self._format}"


def _array(values: list[Any], type_: ColumnType) -> pa.Array[Any]:
    """What the column's type holds; values written under another schema version, of another type, are left out."""
    if type_ == JSON_TEXT:
        return pa.array([None if one is None else orjson.dumps(one).decode() for one in values], pa.string())
    try:
        return pa.array(values, _TYPES[type_])
    except (pa.ArrowException, OverflowError):
        return pa.array([one if _fits(one, _TYPES[type_]) else None for one in values], _TYPES[type_])


def _fits(value: Any, type_: pa.DataType) -> bool:
    try:
        pa.scalar(value, type_)
    except (pa.ArrowException, OverflowError):
        return False
    return True


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and all(isinstance(part, str | int | float) for part in value):
        return _SEPARATOR.join(map(str, value))
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _put(aside: Path, path: Path) -> None:
    with aside.open("rb+") as file:
        os.fsync(file.fileno())
    aside.replace(path)
