"""The live catalogue of a project: items and users with their properties, as of the last change read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.retrieval.change_journal import ChangeJournal
from engine.retrieval.item_columns import ItemColumns
from engine.retrieval.item_rows import ItemRows, Rows
from engine.retrieval.property_column import PropertyColumn
from engine.spec.event import CatalogChange
from engine.spec.schema import PropertyType

Properties = Mapping[str, Any]

_NO_PROPERTIES: Final[Properties] = {}


def _no_rows() -> Rows:
    return np.empty(0, np.int32)


@dataclass(slots=True)
class ItemChanges:
    """Items written and deleted by a batch of changes; an id is in one of the two, by its last change.

    `written_rows` are the rows of `written`, in its order. `deleted_rows` are all rows that ceased to be an item's, also of items that the
    batch itself had written or writes again (these have a new row). Hiding an item writes it.
    """

    written: dict[str, None] = field(default_factory=dict)
    deleted: dict[str, None] = field(default_factory=dict)
    written_rows: Rows = field(default_factory=_no_rows)
    deleted_rows: Rows = field(default_factory=_no_rows)


class Catalogue:
    """Properties by id and by row. Safe to call from several threads; a change is seen by every call after `apply`.

    Each item has a row (`engine.retrieval.item_rows`) while it exists; that of a deleted one is not given away for a while. A hidden
    item exists, with its properties and vector, and is never answered: `has` and `present` say what exists, `serves` and `servable` what
    may be answered. Arrays by row have at least `num_rows` entries if `num_rows` is read before them, and are read without a lock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` in seconds, of which only differences count."""
        self._lock = threading.Lock()
        self._rows = ItemRows(clock)
        self._properties: list[Properties] = []
        self._columns = ItemColumns()
        self._users: dict[str, Properties] = {}
        self._journal = ChangeJournal()

    @property
    def num_changes(self) -> int:
        """Grows when items change: what was worked out of them is still true while it stays the same."""
        return self._journal.num_changes

    def changed_since(self, num_changes: int) -> Rows | None:
        """int32[n]: rows of items changed since `num_changes` was so, perhaps several times; None when that is too long ago to say."""
        return self._journal.since(num_changes)

    @property
    def num_items(self) -> int:
        """Hidden ones too."""
        return self._rows.num_items

    @property
    def num_users(self) -> int:
        return len(self._users)

    @property
    def num_rows(self) -> int:
        """Every row of an item is below."""
        return self._rows.num_rows

    @property
    def servable(self) -> npt.NDArray[np.bool_]:
        """bool[>= num_rows]: the row is of an item that exists and is not hidden. Not to be written to."""
        return self._rows.servable

    @property
    def id_hashes(self) -> npt.NDArray[np.uint64]:
        """uint64[>= num_rows]: XXH64 of the id's UTF-8 bytes, seed 0. Not to be written to."""
        return self._rows.id_hashes

    @property
    def first_written_ms(self) -> npt.NDArray[np.int64]:
        """int64[>= num_rows]: when the item was written first (since it was deleted last). Not to be written to."""
        return self._rows.first_written_ms

    def apply(self, changes: Iterable[CatalogChange]) -> ItemChanges:
        """Apply changes in order; answers which items they touched."""
        touched = ItemChanges()
        freed: list[int] = []
        shown: dict[int, None] = {}
        with self._lock:
            for change in changes:
                if change.kind == "user":
                    self._apply_user(change)
                elif change.deleted:
                    row = self._delete_item(change.id)
                    if row >= 0:
                        freed.append(row)
                        shown.pop(row, None)
                    touched.written.pop(change.id, None)
                    touched.deleted[change.id] = None
                else:
                    row = self._write_item(change)
                    if change.hidden:
                        shown.pop(row, None)
                    else:
                        shown[row] = None
                    touched.deleted.pop(change.id, None)
                    touched.written[change.id] = None
            touched.written_rows = self._rows.rows_of(touched.written)
            self._columns.renew(self._properties, self._rows.num_items)
            touched.deleted_rows = np.array(freed, np.int32)
            self._journal.note(np.concatenate([touched.written_rows, touched.deleted_rows]))
            # Last: of what may be answered everything is known, to those too who keep what they worked out of items.
            self._rows.servable[list(shown)] = True
        return touched

    def has(self, item_id: str) -> bool:
        """It exists, hidden or not."""
        return self._rows.row_of(item_id) >= 0

    def serves(self, item_id: str) -> bool:
        """It exists and is not hidden, so that it may be answered."""
        row = self._rows.row_of(item_id)
        return row >= 0 and bool(self._rows.servable[row])

    def present(self, item_ids: Iterable[str]) -> list[str]:
        """Those that are in the catalogue, hidden or not, in the order given."""
        return [item_id for item_id in item_ids if self._rows.row_of(item_id) >= 0]

    def row_of(self, item_id: str) -> int:
        """-1 for an unknown item."""
        return self._rows.row_of(item_id)

    def rows_of(self, item_ids: Iterable[str]) -> Rows:
        """int32[n], in the order given; -1 for unknown items."""
        return self._rows.rows_of(item_ids)

    def ids_of(self, rows: Rows) -> list[str]:
        """The ids of rows of this catalogue, -1 not among them, that are or lately were an item's."""
        return self._rows.ids_of(rows)

    def item_properties(self, item_ids: Sequence[str]) -> list[Properties]:
        """Of each id, in order; {} for an id that has gone meanwhile."""
        return self._properties_at(map(self._rows.row_of, item_ids))

    def properties_of_rows(self, rows: Rows) -> list[Properties]:
        """Of each row, in order; {} for -1 and for a row whose item has gone meanwhile."""
        return self._properties_at(rows.tolist())

    def column(self, name: str, property_type: PropertyType) -> PropertyColumn:
        """The item property by row, of the declared type; values of another type are null in it. Made when first asked for.

        Read `num_rows` before. Raises ValueError for a vector, which has no column.
        """
        key = (name, property_type)
        found = self._columns.find(key)
        if found is None:
            with self._lock:
                found = self._columns.find(key) or self._columns.make(key, self._properties)
        return found

    @property
    def columns_bytes(self) -> int:
        """What the columns take, without the texts that they share with the properties."""
        return self._columns.memory_bytes

    def user_properties(self, user_id: str) -> Properties:
        """{} for an unknown user."""
        return self._users.get(user_id, _NO_PROPERTIES)

    def known_values(self, source: str) -> list[Any]:
        """Every value that some user or item has of a source such as `item.id` or `user.country`, each once; none of an event's."""
        entity, _, name = source.partition(".")
        if entity == "event":
            return []
        with self._lock:
            if name == "id":
                return list(self._users) if entity == "user" else self._rows.ids_of(self._rows.living())
            known = list(self._users.values()) if entity == "user" else list(self._properties)
        values = (properties.get(name) for properties in known)
        return list({value for value in values if isinstance(value, str | int | float)})

    def has_user(self, user_id: str) -> bool:
        """Its properties are held, though there may be none."""
        return user_id in self._users

    def all_ids(self) -> list[str]:
        """Every item id, hidden ones too, in a stable order; a copy."""
        with self._lock:
            return self._rows.ids_of(self._rows.living())

    def all_items(self) -> ItemChanges:
        """As if every item had just been written."""
        with self._lock:
            rows = self._rows.living()
            return ItemChanges(written=dict.fromkeys(self._rows.ids_of(rows)), written_rows=rows)

    def _properties_at(self, rows: Iterable[int]) -> list[Properties]:
        properties = self._properties
        return [properties[row] if row >= 0 else _NO_PROPERTIES for row in rows]

    def _apply_user(self, change: CatalogChange) -> None:
        if change.deleted:
            self._users.pop(change.id, None)
        else:
            self._users[change.id] = change.properties

    def _write_item(self, change: CatalogChange) -> int:
        rows = self._rows
        row = rows.row_of(change.id)
        if change.hidden and row >= 0:
            # Before anything else of the change, so that a hidden item is gone as soon as anybody can know that it is to be.
            rows.servable[row] = False
        if row < 0:
            row = self._new_row(change)
        else:
            self._properties[row] = change.properties
        self._columns.write(row, change.properties)
        return row

    def _new_row(self, change: CatalogChange) -> int:
        # The list first: whoever finds the row by the id finds properties there.
        if len(self._properties) == self._rows.num_rows:
            self._properties.append(_NO_PROPERTIES)
            self._columns.make_room(len(self._properties))
        row = self._rows.add(change.id, change.updated_ms)
        self._properties[row] = change.properties
        return row

    def _delete_item(self, item_id: str) -> int:
        row = self._rows.remove(item_id)
        if row >= 0:
            self._properties[row] = _NO_PROPERTIES
            self._columns.write(row, _NO_PROPERTIES)
        return row
