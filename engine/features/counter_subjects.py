"""What counters' keys are made of, gathered row by row into a column for each source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple


class Subject(NamedTuple):
    """A user, an item if there is one, and the properties of both and of the event."""

    user_id: str
    item_id: str | None
    user: Mapping[str, Any]
    item: Mapping[str, Any]
    event: Mapping[str, Any]


class SubjectColumns:
    """`values`: source, as `item.id`, -> its value of each subject added, None where it has none."""

    def __init__(self, sources: Iterable[str]) -> None:
        self.values: dict[str, list[Any]] = {source: [] for source in sources}
        self._columns: list[tuple[list[Any], str, str]] = []
        for source, column in self.values.items():
            entity, _, name = source.partition(".")
            self._columns.append((column, entity, name))

    def add(self, subject: Subject) -> None:
        for column, entity, name in self._columns:
            if entity == "user":
                column.append(subject.user_id if name == "id" else subject.user.get(name))
            elif entity == "item":
                column.append(subject.item_id if name == "id" else subject.item.get(name))
            else:
                column.append(subject.event.get(name))

    def add_beside(self, user: Subject, item_ids: Sequence[str], items: Sequence[Mapping[str, Any]]) -> None:
        """The user and the event of a subject beside several items with their properties, a row for each."""
        num_rows = len(item_ids)
        for column, entity, name in self._columns:
            if entity == "item":
                column.extend(item_ids if name == "id" else [item.get(name) for item in items])
            elif entity == "user":
                column.extend([user.user_id if name == "id" else user.user.get(name)] * num_rows)
            else:
                column.extend([user.event.get(name)] * num_rows)
