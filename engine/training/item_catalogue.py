"""Every item the trainer has seen lately, with its newest properties, in numbered rows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

RowArray = npt.NDArray[np.int64]

_FIELDS: list[pa.Field[Any]] = [
    pa.field("row", pa.int64()),
    pa.field("item_id", pa.string()),
    pa.field("properties", pa.binary()),
]
CATALOGUE_SCHEMA: Final = pa.schema(_FIELDS)


@dataclass(frozen=True, slots=True)
class CatalogueCopy:
    """Rows, ids and properties of items at one moment, least recently noted first."""

    rows: list[int]
    ids: list[str]
    properties: list[Mapping[str, Any]]

    def to_arrow(self) -> pa.Table:
        """As `CATALOGUE_SCHEMA`; `properties` is JSON."""
        columns = [
            pa.array(self.rows, pa.int64()),
            pa.array(self.ids, pa.string()),
            pa.array([orjson.dumps(each) for each in self.properties], pa.binary()),
        ]
        return pa.table(columns, schema=CATALOGUE_SCHEMA)


class ItemCatalogue:
    """Up to `capacity` items, the most recently noted. An item keeps its row, a number below `capacity`, until it is dropped.

    A dropped item's row goes to the item that displaced it. `take_changed` tells which rows hold something new. Not thread-safe.
    """

    def __init__(self, capacity: int = 200_000) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, received {capacity}")
        self.capacity = capacity
        self._rows: OrderedDict[str, int] = OrderedDict()
        self._ids: list[str] = []
        self._properties: list[Mapping[str, Any]] = []
        self._hashes: dict[int, int] = {}
        self._changed: set[int] = set()
        self._reused: list[int] = []

    def __len__(self) -> int:
        return len(self._ids)

    def note(self, items: Iterable[tuple[str, Mapping[str, Any]]]) -> RowArray:
        """Remember items as just seen, with these properties; answers their rows, int64[n]."""
        return np.fromiter((self._note_one(item_id, properties) for item_id, properties in items), np.int64)

    def note_columns(
        self,
        items: Sequence[str],
        last: RowArray,
        hashes: npt.NDArray[np.uint64],
        properties_of: Callable[[Sequence[int]], Sequence[Mapping[str, Any]]],
    ) -> RowArray:
        """As `note` of examples in columns: k distinct items in the order in which they come; answers their rows, int64[k].

        `last` int64[k] is where each item comes last, `hashes` uint64[k] of its properties there; `properties_of` tells the properties
        themselves at such places, and is asked only for items whose hash is another than when it was told last.
        """
        rows = np.fromiter((self._row_for(item_id) for item_id in items), np.int64, len(items))
        for place in np.argsort(last).tolist():
            self._rows.move_to_end(items[place])
        known = self._hashes
        told = [
            place
            for place, (row, one) in enumerate(zip(rows.tolist(), hashes.tolist(), strict=True))
            if known.get(row) != one
        ]
        for place, properties in zip(told, properties_of([int(last[place]) for place in told]), strict=True):
            row = int(rows[place])
            if self._properties[row] != properties:
                self._changed.add(row)
                self._properties[row] = properties
            known[row] = int(hashes[place])
        return rows

    def _row_for(self, item_id: str) -> int:
        row = self._rows.get(item_id)
        if row is None:
            row = self._new_row(item_id)
            self._changed.add(row)
            self._properties[row] = {}
        else:
            self._rows.move_to_end(item_id)
        return row

    def _note_one(self, item_id: str, properties: Mapping[str, Any]) -> int:
        row = self._rows.get(item_id)
        if row is None:
            row = self._new_row(item_id)
            self._changed.add(row)
        else:
            self._rows.move_to_end(item_id)
            if self._properties[row] != properties:
                self._changed.add(row)
        self._properties[row] = properties
        if self._hashes:
            self._hashes.pop(row, None)
        return row

    def _new_row(self, item_id: str) -> int:
        if len(self._ids) < self.capacity:
            row = len(self._ids)
            self._ids.append(item_id)
            self._properties.append({})
        else:
            _, row = self._rows.popitem(last=False)
            self._ids[row] = item_id
            self._hashes.pop(row, None)
            self._reused.append(row)
        self._rows[item_id] = row
        return row

    def forget(self, item_id: str) -> int | None:
        """Forget the item; answers its row, or None when it is not known.

        Rows are numbered without gaps, so its own becomes that of a stand-in that no id can be, and is the next to go to another item.
        """
        row = self._rows.pop(item_id, None)
        if row is None:
            return None
        stand_in = f"\x00{row}"
        self._rows[stand_in] = row
        self._rows.move_to_end(stand_in, last=False)
        self._ids[row], self._properties[row] = stand_in, {}
        self._hashes.pop(row, None)
        self._changed.add(row)
        return row

    def row_of(self, item_id: str) -> int | None:
        """The item's row, or None when it is not known."""
        return self._rows.get(item_id)

    def rows_or_none(self, item_ids: Iterable[str]) -> RowArray:
        """The row of each item, -1 where it is not known."""
        return np.fromiter((self._rows.get(item_id, -1) for item_id in item_ids), np.int64)

    def known_rows(self, item_ids: Iterable[str]) -> RowArray:
        """Rows of those items that are known."""
        found = (self._rows.get(item_id) for item_id in item_ids)
        return np.array([row for row in found if row is not None], np.int64)

    def ids(self, rows: Sequence[int] | RowArray) -> list[str]:
        return [self._ids[row] for row in rows]

    def properties(self, rows: Sequence[int] | RowArray) -> list[Mapping[str, Any]]:
        return [self._properties[row] for row in rows]

    def mark_changed(self, rows: RowArray) -> None:
        """Say that what is known of these items' parameters changed."""
        self._changed.update(rows.tolist())

    def take_changed(self) -> RowArray:
        """Rows new, changed or marked since the last call, ascending."""
        rows = np.array(sorted(self._changed), np.int64)
        self._changed.clear()
        return rows

    def take_reused(self) -> list[int]:
        """Rows that went to another item since the last call, in order."""
        rows, self._reused = self._reused, []
        return rows

    def copied(self) -> CatalogueCopy:
        """The items as they are now, while this goes on changing. Shallow, so quick: properties are replaced, never changed."""
        rows = list(self._rows.values())
        return CatalogueCopy(rows, list(self._rows), [self._properties[row] for row in rows])

    def to_arrow(self) -> pa.Table:
        """Items least recently noted first, as `CATALOGUE_SCHEMA`; `properties` is JSON."""
        return self.copied().to_arrow()

    @classmethod
    def from_arrow(cls, table: pa.Table, capacity: int = 200_000) -> ItemCatalogue:
        """The inverse of `to_arrow`, with every row changed. `capacity` must hold the table's items."""
        catalogue = cls(capacity)
        columns: list[list[Any]] = [column.to_pylist() for column in table.cast(CATALOGUE_SCHEMA).columns]
        rows, ids, properties = columns
        catalogue._rows = OrderedDict(zip(ids, rows, strict=True))
        catalogue._ids = [""] * len(rows)
        catalogue._properties = [{}] * len(rows)
        for row, item_id, each in zip(rows, ids, properties, strict=True):
            catalogue._ids[row] = item_id
            catalogue._properties[row] = orjson.loads(each)
        catalogue._changed = set(rows)
        return catalogue
