"""What each user acted on last. Shared by the joiner, which writes it into examples, and the replica, which feeds it to the model."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import pyarrow as pa

HISTORY_SCHEMA: Final = pa.schema(
    [("user_id", pa.string()), ("item_ids", pa.list_(pa.string())), ("timestamps_ms", pa.list_(pa.int64()))]
)


class UserHistories:
    """The last `length` distinct items of each of the `max_users` users recorded most recently.

    Items are ordered by event time, oldest first; of two at the same time the one recorded later is the newer. A repeated item
    keeps only its newest time. When a user is one too many, the user whose last `record` lies furthest back is forgotten: reading
    never changes the order, so a replay of the same records gives the same state. Not thread-safe.
    """

    def __init__(self, length: int = 20, max_users: int = 1_000_000) -> None:
        if length < 1 or max_users < 1:
            raise ValueError(f"length and max_users must be at least 1, received {length} and {max_users}")
        self.length = length
        self.max_users = max_users
        self._users: OrderedDict[str, list[tuple[int, str]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._users)

    def record(self, user_id: str, item_id: str, timestamp_ms: int) -> None:
        """Note that the user acted on the item. A time older than everything kept, in a full history, changes nothing but recency."""
        entries = self._users.setdefault(user_id, [])
        self._users.move_to_end(user_id)
        for index, (known_ms, known_id) in enumerate(entries):
            if known_id == item_id:
                if known_ms > timestamp_ms:
                    return
                del entries[index]
                break
        place = len(entries)
        while place and entries[place - 1][0] > timestamp_ms:
            place -= 1
        entries.insert(place, (timestamp_ms, item_id))
        if len(entries) > self.length:
            del entries[0]
        if len(self._users) > self.max_users:
            self._users.popitem(last=False)

    def recent(self, user_id: str) -> tuple[str, ...]:
        """The user's items, oldest first; empty for a user not known."""
        return tuple(item_id for _, item_id in self._users.get(user_id, ()))

    def forget(self, user_id: str) -> None:
        """Drop the user; unknown users are no error."""
        self._users.pop(user_id, None)

    def to_arrow(self) -> pa.Table:
        """Every user, least recently recorded first, as `HISTORY_SCHEMA`."""
        entries = list(self._users.values())
        return pa.table(
            [
                pa.array(list(self._users), pa.string()),
                pa.array([[item_id for _, item_id in user] for user in entries], pa.list_(pa.string())),
                pa.array([[time_ms for time_ms, _ in user] for user in entries], pa.list_(pa.int64())),
            ],
            schema=HISTORY_SCHEMA,
        )

    @classmethod
    def from_arrow(cls, table: pa.Table, length: int = 20, max_users: int = 1_000_000) -> UserHistories:
        """The inverse of `to_arrow`; a smaller `length` or `max_users` keeps the newest."""
        histories = cls(length, max_users)
        kept = table.cast(HISTORY_SCHEMA).slice(max(0, table.num_rows - max_users))
        for user_id, item_ids, times_ms in zip(*(column.to_pylist() for column in kept.columns), strict=True):
            histories._users[user_id] = list(zip(times_ms, item_ids, strict=True))[-length:]
        return histories
