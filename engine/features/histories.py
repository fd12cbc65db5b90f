"""What each user acted on last. Shared by the joiner, which writes it into examples, and the replica, which feeds it to the model."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

_FIELDS: Final[list[pa.Field[Any]]] = [
    pa.field("user_id", pa.string()),
    pa.field("item_ids", pa.list_(pa.string())),
    pa.field("timestamps_ms", pa.list_(pa.int64())),
    pa.field("event_types", pa.list_(pa.string())),
]
HISTORY_SCHEMA: Final = pa.schema(_FIELDS)


@dataclass(frozen=True, slots=True)
class History:
    """What a user acted on last, oldest first: items, the type of the event each was last acted on by, and when, in ms."""

    item_ids: tuple[str, ...] = ()
    event_types: tuple[str, ...] = ()
    times_ms: tuple[int, ...] = ()

    def last(self, length: int) -> History:
        """The newest `length` of it."""
        return History(self.item_ids[-length:], self.event_types[-length:], self.times_ms[-length:])


class UserHistories:
    """The last `length` distinct items of each of the `max_users` users recorded most recently.

    Items are ordered by event time, oldest first; of two at the same time the one recorded later is the newer. A repeated item keeps
    only its newest time and the type of that event. When a user is one too many, the user whose last `record` lies furthest back is
    forgotten: reading never changes the order, so a replay of the same records gives the same state. Not thread-safe.
    """

    def __init__(self, length: int = 20, max_users: int = 1_000_000) -> None:
        if length < 1 or max_users < 1:
            raise ValueError(f"length and max_users must be at least 1, received {length} and {max_users}")
        self.length = length
        self.max_users = max_users
        self._users: OrderedDict[str, list[tuple[int, str, str]]] = OrderedDict()
        # Items that no history names any more, though entries may still be there: until all are looked through anyway.
        self._gone: set[str] = set()

    def __len__(self) -> int:
        return len(self._users)

    def record(self, user_id: str, item_id: str, timestamp_ms: int, event_type: str = "") -> None:
        """Note that the user acted on the item. A time older than everything kept, in a full history, changes nothing but recency."""
        if item_id in self._gone:
            self._sweep()
        entries = self._users.setdefault(user_id, [])
        self._users.move_to_end(user_id)
        if self._gone:
            entries[:] = self._left(entries)
        for index, (known_ms, known_id, _) in enumerate(entries):
            if known_id == item_id:
                if known_ms > timestamp_ms:
                    return
                del entries[index]
                break
        place = len(entries)
        while place and entries[place - 1][0] > timestamp_ms:
            place -= 1
        entries.insert(place, (timestamp_ms, item_id, event_type))
        if len(entries) > self.length:
            del entries[0]
        if len(self._users) > self.max_users:
            self._users.popitem(last=False)

    def recent(self, user_id: str) -> tuple[str, ...]:
        """The user's items, oldest first; empty for a user not known."""
        return tuple(item_id for _, item_id, _ in self._left(self._users.get(user_id, [])))

    def history(self, user_id: str) -> History:
        """As `recent`, with types and times."""
        entries = self._left(self._users.get(user_id, []))
        if not entries:
            return History()
        times_ms, item_ids, event_types = zip(*entries, strict=True)
        return History(item_ids, event_types, times_ms)

    def forget(self, user_id: str) -> int:
        """Drop the user; answers how many items the history had, 0 of an unknown user."""
        return len(self._left(self._users.pop(user_id, [])))

    def user_ids(self) -> list[str]:
        """Of every user known."""
        return list(self._users)

    def forget_item(self, item_id: str) -> None:
        """No history names the item any more, as if it had been taken out of each at once."""
        self._gone.add(item_id)

    def _left(self, entries: list[tuple[int, str, str]]) -> list[tuple[int, str, str]]:
        return [entry for entry in entries if entry[1] not in self._gone] if self._gone else entries

    def _sweep(self) -> None:
        """Take the entries of forgotten items out, so that what is recorded of them from now on is new."""
        for entries in self._users.values():
            entries[:] = self._left(entries)
        self._gone.clear()

    def to_arrow(self) -> pa.Table:
        """Every user, least recently recorded first, as `HISTORY_SCHEMA`."""
        if self._gone:
            self._sweep()
        entries = list(self._users.values())
        return pa.table(
            [
                pa.array(list(self._users), pa.string()),
                pa.array([[item_id for _, item_id, _ in user] for user in entries], pa.list_(pa.string())),
                pa.array([[time_ms for time_ms, _, _ in user] for user in entries], pa.list_(pa.int64())),
                pa.array([[event_type for _, _, event_type in user] for user in entries], pa.list_(pa.string())),
            ],
            schema=HISTORY_SCHEMA,
        )

    @classmethod
    def from_arrow(cls, table: pa.Table, length: int = 20, max_users: int = 1_000_000) -> UserHistories:
        """The inverse of `to_arrow`; a smaller `length` or `max_users` keeps the newest. A table of before event types has none."""
        histories = cls(length, max_users)
        kept = table.slice(max(0, table.num_rows - max_users))
        columns: list[list[Any]] = [kept.column(name).to_pylist() for name in HISTORY_SCHEMA.names[:3]]
        user_ids, item_ids, times_ms = columns
        typed = "event_types" in kept.column_names
        event_types = kept.column("event_types").to_pylist() if typed else [[""] * len(each) for each in item_ids]
        for user_id, *entries in zip(user_ids, times_ms, item_ids, event_types, strict=True):
            histories._users[user_id] = list(zip(*entries, strict=True))[-length:]
        return histories
