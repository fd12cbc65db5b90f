"""Examples that stay columns: what a batch run reads from a file, without a Python object for any row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Final, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.embedding.hashing import hash_ids
from engine.features.columns import Columns
from engine.features.row_hashes import row_hashes
from engine.spec.example import Cause, Example, Origin
from engine.spec.feature import EVENT_TIME
from engine.training.example_schema import PREFIXES

Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

_OWN: Final = {"user.id": "user_id", "item.id": "item_id", "user.history": "history", EVENT_TIME: "event_time"}


class ExampleTable(Sequence[Example]):
    """n examples, in columns as `example_schema` makes them. As a sequence it makes an `Example` of each row asked for."""

    def __init__(self, rows: pa.RecordBatch, offsets: Rows, name: str) -> None:
        """`offsets` int64[n] are the rows' places in the file `name`."""
        self._rows = rows
        self._offsets = offsets
        self._name = name

    def __len__(self) -> int:
        return self._rows.num_rows

    @overload
    def __getitem__(self, place: int) -> Example: ...
    @overload
    def __getitem__(self, place: slice) -> ExampleTable: ...
    def __getitem__(self, place: int | slice) -> Example | ExampleTable:
        if isinstance(place, slice):
            start, stop, step = place.indices(len(self))
            if step == 1:
                return ExampleTable(self._rows.slice(start, max(0, stop - start)), self._offsets[place], self._name)
            return self.take(np.arange(start, stop, step))
        if not -len(self) <= place < len(self):
            raise IndexError(f"{place} of {len(self)} examples")
        return self.take(np.array([place % len(self)])).listed()[0]

    def __iter__(self) -> Iterator[Example]:
        return iter(self.listed())

    def take(self, places: Rows) -> ExampleTable:
        """The examples at these places, in this order; all of them, in theirs, cost nothing."""
        if places.size == len(self) and np.array_equal(places, np.arange(places.size)):
            return self
        return ExampleTable(self._rows.take(pa.array(places, pa.int64())), self._offsets[places], self._name)

    @property
    def times_ms(self) -> Rows:
        times: Rows = self._rows.column("event_time").to_numpy(zero_copy_only=False)
        return times

    @property
    def latest_ms(self) -> int:
        """The latest event time; of nothing the beginning of 1970."""
        return int(self.times_ms.max(initial=0))

    @property
    def user_ids(self) -> Any:
        return self._rows.column("user_id")

    @cached_property
    def items(self) -> tuple[list[str], Rows]:
        """The distinct items in the order in which they come, and which of them each example is of, int64[n]."""
        return _distinct(self._rows.column("item_id"))

    @property
    def is_action(self) -> Flags:
        """bool[n]: of origin `action`."""
        if "origin" not in self._rows.schema.names:
            return np.zeros(len(self), np.bool_)
        found: Any = pc.equal(self._rows.column("origin"), pa.scalar(Origin.ACTION.value))
        flags: Flags = found.fill_null(False).to_numpy(zero_copy_only=False)
        return flags

    def numbers(self, column: str, missing: float) -> npt.NDArray[np.float32]:
        """float32[n] of a column of numbers, which the file need not have."""
        if column not in self._rows.schema.names:
            return np.full(len(self), missing, np.float32)
        wide = self._rows.column(column).fill_null(missing).to_numpy(zero_copy_only=False)
        return wide.astype(np.float32)

    def user_hashes(self) -> npt.NDArray[np.uint64]:
        return hash_ids(self.user_ids, 0)

    @property
    def history_lengths(self) -> Rows:
        if "history" not in self._rows.schema.names:
            return np.zeros(len(self), np.int64)
        lengths: Any = pc.fill_null(pc.list_value_length(self._rows.column("history")), 0)
        found: Rows = lengths.to_numpy(zero_copy_only=False).astype(np.int64)
        return found

    def values_of(self, source: str) -> tuple[list[Any], Rows]:
        """The distinct values of a property, of which None is one, and which each example has, int64[n]."""
        if source not in self._rows.schema.names:
            return [None], np.zeros(len(self), np.int64)
        return _distinct(self._rows.column(source))

    def columns(self, sources: Iterable[str]) -> Columns:
        """By source what the encoder reads; a source that the file has not is left out, which is missing in every row."""
        named = ((source, _OWN.get(source, source.removeprefix("user_"))) for source in sources)
        return {source: self._rows.column(column) for source, column in named if column in self._rows.schema.names}

    def item_hashes(self) -> npt.NDArray[np.uint64]:
        """uint64[n]: of all properties of each example's item."""
        return row_hashes((self._rows.column(name) for name in self._of("item.")), len(self))

    def item_properties(self, places: Sequence[int] | Rows) -> list[dict[str, Any]]:
        """Of the items of some examples the properties that they have."""
        names = self._of("item.")
        rows = self._rows.select(names).take(pa.array(places, pa.int64())).to_pylist() if names else [{}] * len(places)
        return [{name[5:]: value for name, value in row.items() if value is not None} for row in rows]

    def listed(self) -> list[Example]:
        """An `Example` of every row."""
        rows = zip(self._offsets.tolist(), self._rows.to_pylist(), strict=True)
        return [self._example(offset, row) for offset, row in rows]

    def _of(self, prefix: str) -> list[str]:
        return [name for name in self._rows.schema.names if name.startswith(prefix)]

    def _example(self, offset: int, row: dict[str, Any]) -> Example:
        parts: dict[str, dict[str, Any]] = {prefix[:-1]: {} for prefix in PREFIXES}
        for name, value in row.items():
            prefix, _, rest = name.partition(".")
            if rest and value is not None:
                parts[prefix][rest] = value
        weight, rate = row.get("weight"), row.get("sampling_rate")
        return Example(
            example_id=row.get("example_id") or f"{self._name}:{offset}",
            user_id=row["user_id"],
            item_id=row["item_id"],
            event_time_ms=row["event_time"],
            origin=Origin.ACTION if row.get("origin") == Origin.ACTION.value else Origin.IMPRESSION,
            labels=parts["label"],
            cause=Cause(0, 0, 0),
            weight=1.0 if weight is None else weight,
            sampling_rate=1.0 if rate is None else rate,
            user=parts["user"],
            item=parts["item"],
            event=parts["event"],
            history=tuple(row.get("history") or ()),
            counters=parts["counter"],
        )


def _distinct(column: Any) -> tuple[list[Any], Rows]:
    """The distinct values in the order in which they come, null as None at the end, and the place of each row's."""
    if pa.types.is_nested(column.type) or pa.types.is_null(column.type):
        return [None], np.zeros(len(column), np.int64)
    encoded = pc.dictionary_encode(column)
    values = encoded.dictionary.to_pylist()
    indices = encoded.indices
    if indices.null_count:
        indices = indices.fill_null(len(values))
        values = [*values, None]
    return values, indices.to_numpy(zero_copy_only=False).astype(np.int64)
