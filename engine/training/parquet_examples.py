"""A Parquet or CSV file of examples, read as the topic of examples is: by offset, which is the row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from engine.errors import InvalidDocument, LogError, Problem
from engine.spec.example import Cause, Example, Origin
from engine.streams.log import Position, Record, StoredRecord

NEEDED: Final = ("user_id", "item_id", "event_time")
OPTIONAL: Final = ("example_id", "origin", "weight", "sampling_rate", "history")
PREFIXES: Final = ("user.", "item.", "event.", "label.", "counter.")
_READ_ROWS: Final = 65_536


class ExampleFile:
    """Implements what a batch run asks of `engine.streams.log.EventLog`: one partition, which never grows.

    Columns: `user_id`, `item_id`, `event_time` (a timestamp, or integer milliseconds since 1970), one `label.<event type>` or more (a
    number or boolean; null where nothing is known), and if there are any `user.<property>`, `item.<property>`, `event.<property>`,
    `counter.<name>`, `history` (list of item ids), `origin` (`impression`, which is what a row is unless told, or `action`), `weight`,
    `sampling_rate` and `example_id`. Rows are learned in the file's order, which should be that of time. A row whose values are of
    wrong types is stepped over and counted, as a bad record of the topic is. Not thread-safe.
    """

    def __init__(self, path: Path) -> None:
        """Raises `InvalidDocument` for a file that cannot be read or has not the columns."""
        self._path = path
        try:
            self._file = pq.ParquetFile(path, memory_map=True) if path.suffix == ".parquet" else None
            self._table = None if self._file else pa_csv.read_csv(path)
        except (pa.ArrowException, OSError) as error:
            problem = Problem("file", "must be a Parquet or CSV file of examples", str(error).splitlines()[0][:200])
            raise InvalidDocument(path.name, [problem]) from error
        names = self._file.schema_arrow.names if self._file else self._table.column_names if self._table else []
        self._names = _checked(path.name, names)
        self._starts = self._row_group_starts()
        self._piece: tuple[int, pa.Table] | None = None

    @property
    def num_rows(self) -> int:
        return self._starts[-1]

    def create_topic(self, topic: str, num_partitions: int = 1) -> None:
        """Nothing is to be made."""

    def partitions(self, topic: str) -> list[int]:  # noqa: ARG002
        return [0]

    def earliest_offsets(self, topic: str) -> dict[int, int]:  # noqa: ARG002
        return {0: 0}

    def end_offsets(self, topic: str) -> dict[int, int]:  # noqa: ARG002
        return {0: self.num_rows}

    def offset_at(self, topic: str, partition: int, timestamp_ms: int) -> int:  # noqa: ARG002
        """The first row whose event time is at or after `timestamp_ms`, or the number of rows."""
        row = 0
        while row < self.num_rows:
            for value in self._rows(row, _READ_ROWS).column("event_time").to_pylist():
                if (_milliseconds(value) or 0) >= timestamp_ms:
                    return row
                row += 1
        return row

    def read(
        self,
        topic: str,  # noqa: ARG002
        partition: int,  # noqa: ARG002
        offset: int,
        max_records: int = 1000,
        timeout_s: float = 0.0,  # noqa: ARG002
    ) -> list[StoredRecord]:
        """Rows from `offset` on, at most `max_records`, as records of the topic of examples."""
        records: list[StoredRecord] = []
        while len(records) < max_records and offset + len(records) < self.num_rows:
            first = offset + len(records)
            rows = self._rows(first, max_records - len(records)).select(self._names).to_pylist()
            records += [self._record(first + number, row) for number, row in enumerate(rows)]
        return records

    def append(self, topic: str, records: Sequence[Record]) -> list[Position]:  # noqa: ARG002
        raise LogError(f"{self._path.name} is only read")

    def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:  # noqa: ARG002
        raise LogError(f"{self._path.name} is only read")

    def committed(self, group: str, topic: str) -> dict[int, int]:  # noqa: ARG002
        return {}

    def trim(self, topic: str, partition: int, before_offset: int) -> None:  # noqa: ARG002
        raise LogError(f"{self._path.name} is only read")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _row_group_starts(self) -> list[int]:
        if self._file is None:
            return [0, self._table.num_rows if self._table is not None else 0]
        starts = [0]
        for group in range(self._file.num_row_groups):
            starts.append(starts[-1] + self._file.metadata.row_group(group).num_rows)
        return starts

    def _rows(self, first: int, num_rows: int) -> pa.Table:
        """Rows of the one row group that holds `first`, which stays in memory until another is asked for."""
        group = next(place for place in range(len(self._starts) - 1) if first < self._starts[place + 1])
        if self._piece is None or self._piece[0] != group:
            table = self._file.read_row_group(group) if self._file is not None else self._table
            assert table is not None
            self._piece = (group, table)
        return self._piece[1].slice(first - self._starts[group], num_rows)

    def _record(self, offset: int, row: Mapping[str, Any]) -> StoredRecord:
        time_ms = _milliseconds(row["event_time"])
        parts: dict[str, dict[str, Any]] = {prefix[:-1]: {} for prefix in PREFIXES}
        for name, value in row.items():
            prefix, _, rest = name.partition(".")
            if rest and value is not None:
                parts[prefix][rest] = _plain(value)
        example = Example(
            example_id=str(row.get("example_id") or f"{self._path.name}:{offset}"),
            user_id=_id(row["user_id"]),
            item_id=_id(row["item_id"]),
            event_time_ms=0 if time_ms is None else time_ms,
            origin=Origin.ACTION if row.get("origin") == Origin.ACTION.value else Origin.IMPRESSION,
            labels={name: float(value) for name, value in parts["label"].items() if isinstance(value, int | float)},
            cause=Cause(0, 0, 0),
            weight=1.0 if row.get("weight") is None else float(row["weight"]),
            sampling_rate=1.0 if row.get("sampling_rate") is None else float(row["sampling_rate"]),
            user=parts["user"],
            item=parts["item"],
            event=parts["event"],
            history=tuple(str(item) for item in row.get("history") or ()),
            counters={name: float(value) for name, value in parts["counter"].items() if isinstance(value, int | float)},
        )
        return StoredRecord(0, offset, example.user_id, example.to_bytes(), example.event_time_ms)


def _checked(name: str, names: Sequence[str]) -> list[str]:
    """The columns that are read. Raises `InvalidDocument` when one is missing, or there is no label."""
    problems = [Problem(needed, "must be a column of the file", "none") for needed in NEEDED if needed not in names]
    if not any(column.startswith("label.") for column in names):
        problems.append(Problem("label.<event type>", "must be a column of the file", "none"))
    if problems:
        raise InvalidDocument(name, problems)
    return [column for column in names if column in NEEDED + OPTIONAL or column.startswith(PREFIXES)]


def _id(value: Any) -> str:
    """Ids are strings; a null becomes the empty one, which no example may have, so that the row is stepped over."""
    return "" if value is None else str(value)


def _milliseconds(value: Any) -> int | None:
    if isinstance(value, datetime):
        return round((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp() * 1000)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _plain(value: Any) -> Any:
    """A value as JSON has it: times are integer milliseconds."""
    return _milliseconds(value) if isinstance(value, datetime) else value
