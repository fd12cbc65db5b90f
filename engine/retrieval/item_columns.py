"""The columns of a catalogue's items: made when first read, kept up at every write from then on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from engine.retrieval.property_column import PropertyColumn, new_column
from engine.spec.schema import PropertyType

MAX_COLUMNS: Final = 128
"""Beyond, the one made longest ago goes; it is made again when read again."""

Key = tuple[str, PropertyType]


class ItemColumns:
    """`find` from any thread without a lock; everything else under the catalogue's lock."""

    def __init__(self) -> None:
        self._columns: dict[Key, PropertyColumn] = {}
        self._capacity = 0

    @property
    def memory_bytes(self) -> int:
        """Without the texts of the dictionaries."""
        return sum(column.memory_bytes for column in self._columns.values())

    def find(self, key: Key) -> PropertyColumn | None:
        return self._columns.get(key)

    def make(self, key: Key, properties: Sequence[Mapping[str, Any]]) -> PropertyColumn:
        """Over the properties of rows 0, 1, … Raises ValueError for a type that has no column."""
        name, property_type = key
        column = new_column(property_type, [each.get(name) for each in properties], self._capacity)
        kept = list(self._columns.items())[-MAX_COLUMNS + 1 :]
        # Whole, because readers look meanwhile.
        self._columns = {**dict(kept), key: column}
        return column

    def make_room(self, num_rows: int) -> None:
        """Before the rows are known to anybody."""
        if num_rows <= self._capacity:
            return
        self._capacity = max(num_rows, 2 * self._capacity)
        for column in self._columns.values():
            column.make_room(self._capacity)

    def write(self, row: int, properties: Mapping[str, Any]) -> None:
        for (name, _), column in self._columns.items():
            column.write(row, properties.get(name))

    def renew(self, properties: Sequence[Mapping[str, Any]], num_items: int) -> None:
        """Make those anew that hold much that no item has any more."""
        for key, column in list(self._columns.items()):
            if column.is_wasteful(num_items):
                self._columns[key] = new_column(key[1], [each.get(key[0]) for each in properties], self._capacity)
