"""A Parquet or CSV file of examples, read as the topic of examples is: by offset, which is the row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv

from engine.errors import InvalidDocument, Problem
from engine.features.parquet import ColumnFile, joined
from engine.streams.log import StoredRecord
from engine.training.example_schema import conversions
from engine.training.example_table import ExampleTable
from engine.training.logged import LoggedColumns
from engine.training.read_only_log import ReadOnlyLog
from engine.training.readable_rows import readable

_READABLE: Final = "(readable)"
_LOOK_ROWS: Final = 32_768
_UNREADABLE: Final = b"{}"


class ExampleFile(ReadOnlyLog):
    """Its rows as a batch run reads them: in columns, or as the records that they would be in the topic.

    Columns: `user_id`, `item_id`, `event_time` (a timestamp, or integer milliseconds since 1970), one `label.<event type>` or more (a
    number or boolean; null or NaN where nothing is known), and if there are any `user.<property>`, `item.<property>`,
    `event.<property>`, `counter.<name>`, `history` (list of item ids), `origin` (`impression`, which is what a row is unless told, or
    `action`), `weight`, `sampling_rate` and `example_id`. Rows are learned in the file's order, which should be that of time. A row
    whose ids, time or numbers are none is stepped over and counted, as a bad record of the topic is. A Parquet file is decoded in
    pieces, a CSV file whole. Not thread-safe.
    """

    def __init__(self, path: Path) -> None:
        """Raises `InvalidDocument` for a file that cannot be read or has not the columns, naming each and its rule."""
        super().__init__(path.name)
        self._path = path
        try:
            self._file = _opened(path, self._prepared)
        except (pa.ArrowException, OSError) as error:
            problem = Problem("file", "must be a Parquet or CSV file of examples", str(error).splitlines()[0][:200])
            raise InvalidDocument(path.name, [problem]) from error
        self._conversions = conversions(path.name, self._file.schema)
        self._file.select(list(self._conversions))

    @property
    def num_rows(self) -> int:
        return self._file.num_rows

    def offset_at(self, topic: str, partition: int, timestamp_ms: int) -> int:  # noqa: ARG002
        """The first row whose event time is at or after `timestamp_ms`, or the number of rows."""
        for start in range(0, self.num_rows, _LOOK_ROWS):
            times = self._rows(start, _LOOK_ROWS).column("event_time").fill_null(np.iinfo(np.int64).min)
            late = np.flatnonzero(times.to_numpy(zero_copy_only=False) >= timestamp_ms)
            if late.size:
                return start + int(late[0])
        return self.num_rows

    def columns(self, offset: int, max_records: int) -> LoggedColumns:
        """Rows from `offset` on, at most `max_records`, in columns; those that cannot be learned from are among `skipped`."""
        rows = self._rows(offset, max_records)
        good = rows.column(_READABLE).to_numpy(zero_copy_only=False)
        offsets = offset + np.arange(rows.num_rows, dtype=np.int64)
        rows = rows.select(list(self._conversions))
        if good.all():
            return _logged(ExampleTable(rows, offsets, self._path.name), offsets, ())
        kept = np.flatnonzero(good)
        table = ExampleTable(rows.take(pa.array(kept)), offsets[kept], self._path.name)
        return _logged(table, offsets[kept], tuple((0, place) for place in offsets[~good].tolist()))

    def read(
        self,
        topic: str,  # noqa: ARG002
        partition: int,  # noqa: ARG002
        offset: int,
        max_records: int = 1000,
        timeout_s: float = 0.0,  # noqa: ARG002
    ) -> list[StoredRecord]:
        """The same rows as records of the topic of examples."""
        logged = self.columns(offset, max_records) if offset < self.num_rows else None
        if logged is None:
            return []
        records = [
            StoredRecord(0, place, each.user_id, each.to_bytes(), each.event_time_ms)
            for place, each in zip(logged.offsets.tolist(), logged.table.listed(), strict=True)
        ]
        records += [StoredRecord(0, place, "", _UNREADABLE, 0) for _, place in logged.skipped]
        return sorted(records, key=lambda record: record.offset)

    def close(self) -> None:
        self._file.close()

    def _rows(self, first: int, num_rows: int) -> Any:
        parts = self._file.rows(first, num_rows)
        return joined(parts) if parts else self._prepared(pa.RecordBatch.from_pylist([], schema=self._file.schema))

    def _prepared(self, piece: pa.RecordBatch) -> pa.RecordBatch:
        """Only what is read, as the types that training reads, and whether each row can be."""
        columns = {name: convert(piece.column(name)) for name, convert in self._conversions.items()}
        rows = pa.RecordBatch.from_pydict(columns)
        return rows.append_column(_READABLE, pa.array(readable(rows)))


class _WholeFile:
    """What `ColumnFile` is of a Parquet file, of a table in memory."""

    def __init__(self, table: pa.Table, prepared: Any) -> None:
        self.schema = table.schema
        self.num_rows = table.num_rows
        self._table: pa.Table | None = table
        self._prepared = prepared
        self._batch: pa.RecordBatch | None = None

    def select(self, columns: Sequence[str]) -> None:
        self._table = None if self._table is None else self._table.select(list(columns))

    def rows(self, first: int, num_rows: int) -> list[pa.RecordBatch]:
        if self._batch is None and self._table is not None and self.num_rows:
            self._batch, self._table = self._prepared(self._table.combine_chunks().to_batches()[0]), None
        part = None if self._batch is None else self._batch.slice(first, num_rows)
        return [part] if part is not None and part.num_rows else []

    def close(self) -> None:
        self._table = self._batch = None


def _opened(path: Path, prepared: Any) -> ColumnFile | _WholeFile:
    if path.suffix == ".parquet":
        return ColumnFile(path, prepared=prepared)
    return _WholeFile(pa_csv.read_csv(path), prepared)


def _logged(table: ExampleTable, offsets: npt.NDArray[np.int64], skipped: tuple[tuple[int, int], ...]) -> LoggedColumns:
    return LoggedColumns(table, np.zeros(offsets.size, np.int64), offsets, skipped)
