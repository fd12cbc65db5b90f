"""The parts of a batch's result and the one file that they become: each written aside and renamed, so that what has a name is whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from webapp.batches.models import Batch

SCHEMA: Final = pa.schema(
    [
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("item_ids", pa.list_(pa.string()), nullable=False),
        pa.field("scores", pa.list_(pa.float32()), nullable=False),
        pa.field("degraded", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Row:
    """One user's items, best first; `degraded` as the API says it."""

    user_id: str
    item_ids: list[str]
    scores: list[float]
    degraded: str | None


class BatchFiles:
    """The folder of one batch. One writer at a time."""

    def __init__(self, folder: Path, format: str, result: Path) -> None:
        self._folder, self._format, self._result = folder, format, result
        folder.mkdir(parents=True, exist_ok=True)

    def write_part(self, number: int, rows: Sequence[Row]) -> None:
        """Part `number` (from 0), which may be there already from an attempt that was killed. Raises OSError."""
        part = self._part(number)
        aside = part.with_suffix(".aside")
        if self._format == Batch.Format.JSONL:
            aside.write_bytes(b"".join(_line(row) for row in rows))
        else:
            pq.write_table(_table(rows), aside, compression="zstd")
        _put(aside, part)

    def join(self, num_parts: int) -> int:
        """All parts as the result; they go. Answers its bytes. Raises OSError."""
        if self._result.exists() and not self._part(0).exists():
            return self._result.stat().st_size  # joined by an attempt that was killed just then
        aside = self._result.with_suffix(".aside")
        if self._format == Batch.Format.JSONL:
            with aside.open("wb") as whole:
                for part in self._parts(num_parts):
                    with part.open("rb") as file:
                        shutil.copyfileobj(file, whole)
        else:
            with pq.ParquetWriter(aside, SCHEMA, compression="zstd") as writer:
                for part in self._parts(num_parts):
                    writer.write_table(pq.read_table(part, schema=SCHEMA))
        _put(aside, self._result)
        for part in reversed(list(self._parts(num_parts))):
            part.unlink(missing_ok=True)
        return self._result.stat().st_size

    def _parts(self, num_parts: int) -> Iterator[Path]:
        return (self._part(number) for number in range(num_parts))

    def _part(self, number: int) -> Path:
        return self._folder / f"part-{number:06d}.{self._format}"


def _line(row: Row) -> bytes:
    items = [{"item_id": item_id, "score": score} for item_id, score in zip(row.item_ids, row.scores, strict=True)]
    document = {"user_id": row.user_id, "items": items, "degraded": row.degraded}
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def _table(rows: Sequence[Row]) -> pa.Table:
    columns: dict[str, list[Any]] = {
        "user_id": [row.user_id for row in rows],
        "item_ids": [row.item_ids for row in rows],
        "scores": [row.scores for row in rows],
        "degraded": [row.degraded for row in rows],
    }
    return pa.Table.from_pydict(columns, schema=SCHEMA)


def _put(aside: Path, path: Path) -> None:
    with aside.open("rb+") as file:
        os.fsync(file.fileno())
    aside.replace(path)
