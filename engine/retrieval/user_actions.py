"""What each user did last, in as few bytes as it takes: a million users with fifty items each take about a gigabyte."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.features.histories import History
from engine.retrieval.item_numbers import ItemNumbers

ENTRY: Final = np.dtype([("item", "<u4"), ("type", "<u2"), ("time_ms", "<i8")])
"""How an item, the type of an event and its time lie in a user's bytes, without gaps."""

_KEY: Final = struct.Struct("<IH")
_TIME: Final = struct.Struct("<q")
_SIZE: Final = ENTRY.itemsize
_TYPES_OF_ITEM: Final = 4
_MAX_TYPES: Final = 1 << 16
_COPIED_AT_ONCE: Final = 4096

Entries = npt.NDArray[Any]


_MAX_READ: Final = 2048
"""Users whose history is kept as it was read last: who asks again before doing something asks for the same."""


class _Read(NamedTuple):
    """`history` is what the last `length` items of `entries` were read to be."""

    entries: bytes
    length: int
    history: History


@dataclass(frozen=True, slots=True)
class UserRecord:
    """What a user did, oldest first: n of item ids, event types, and times in ms."""

    item_ids: list[str]
    event_types: list[str]
    times_ms: list[int]


_NOTHING: Final = UserRecord([], [], [])


class UserActions:
    """The last `max_items` items of each of the `max_users` users who acted last, with every type of event they were acted on by.

    Entries are in the order of event time; of two at the same time the one recorded later is the newer. An item acted on again by an
    event of the same type keeps the newest time. When there is an item too many, the one goes that was acted on longest ago by any
    type; when there are a hundredth of users too many, those go whose last `record` lies furthest back. Recording an event again
    changes nothing. What changes it from one thread, the rest from any.
    """

    def __init__(self, items: ItemNumbers, lock: threading.Lock, *, max_items: int, max_users: int) -> None:
        """`items` may be shared with others under the same lock."""
        if max_items < 1 or max_users < 1:
            raise ValueError(f"max_items and max_users must be at least 1, received {max_items} and {max_users}")
        self.max_items = max_items
        self.max_users = max_users
        self._items = items
        self._lock = lock
        # In the order of their last `record`.
        self._users: dict[str, bytes] = {}
        self._read: dict[str, _Read] = {}
        self._types: list[str] = []
        self._code_of: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._users)

    @property
    def num_bytes(self) -> int:
        """Of the entries alone."""
        return sum(map(len, self._users.values()))

    def record(self, user_id: str, item_id: str, time_ms: int, event_type: str) -> None:
        """Note that the user acted on the item. Past 65,536 types of events a new one is passed over."""
        code = self._code(event_type)
        if code is None:
            return
        with self._lock:
            known = self._users.pop(user_id, b"")
            number = self._items.number_of(item_id)
            self._items.use(number)
            self._users[user_id] = self._with(known, _KEY.pack(number, code), number, time_ms)
            if len(self._users) > self.max_users + self.max_users // 100:
                self._forget_users(len(self._users) - self.max_users)

    def history(self, user_id: str, length: int) -> History:
        """What the user acted on last, at most `length` items, each once; the same object until the user acts again or an item that was
        acted on is forgotten."""
        with self._lock:
            known = self._users.get(user_id)
            if known is None:
                return History()
            read = self._read.get(user_id)
            if read is None or read.entries is not known or read.length != length:
                if len(self._read) >= _MAX_READ:
                    self._read.clear()
                read = self._read[user_id] = _Read(known, length, self._history(known, length))
        return read.history

    def forget_reads(self) -> None:
        """Items were forgotten: let go of what was read before."""
        with self._lock:
            self._read.clear()

    def items(self, user_id: str, event_types: Collection[str] | None = None, since_ms: int | None = None) -> list[str]:
        """The items the user acted on, by events of these types (None: of any) from then on, each once, in no order."""
        with self._lock:
            entries = np.frombuffer(self._users.get(user_id, b""), ENTRY)
            if not entries.size:
                return []
            if event_types is not None:
                codes = [self._code_of[each] for each in event_types if each in self._code_of]
                entries = entries[np.isin(entries["type"], codes)]
            if since_ms is not None:
                entries = entries[entries["time_ms"] >= since_ms]
            return [item_id for item_id in self._items.ids_of(set(entries["item"].tolist())) if item_id]

    def record_of(self, user_id: str) -> UserRecord:
        """All that is known of the user."""
        with self._lock:
            entries = np.frombuffer(self._users.get(user_id, b""), ENTRY)
            if not entries.size:
                return _NOTHING
            item_ids = self._items.ids_of(entries["item"].tolist())
        if "" in item_ids:
            entries = entries[[bool(item_id) for item_id in item_ids]]
            item_ids = [item_id for item_id in item_ids if item_id]
        return UserRecord(
            item_ids, [self._types[code] for code in entries["type"].tolist()], entries["time_ms"].tolist()
        )

    def forget(self, user_id: str) -> int:
        """Drop the user; answers how many entries there were, 0 of an unknown user."""
        with self._lock:
            entries = self._users.pop(user_id, b"")
            self._read.pop(user_id, None)
            self._release(entries)
        return len(entries) // _SIZE

    def copied(self, pause: Callable[[], None] = lambda: None) -> tuple[list[str], list[bytes], list[str]]:
        """Every user, least recently recorded first, their entries as `ENTRY`, and the types by code. From the thread that records.

        `pause` is called between pieces of about a millisecond; others may read meanwhile.
        """
        user_ids: list[str] = []
        entries: list[bytes] = []
        ids, values = iter(self._users), iter(self._users.values())
        while piece := list(islice(ids, _COPIED_AT_ONCE)):
            user_ids += piece
            entries += islice(values, _COPIED_AT_ONCE)
            pause()
        return user_ids, entries, self._types.copy()

    def restore(self, users: Iterable[tuple[str, bytes]], event_types: list[str]) -> None:
        """Take over what `copied` answered, of which `items` knows the numbers already; the newest `max_users` of it, and of each
        user the newest items."""
        with self._lock:
            self._users = dict(users)
            self._types, self._code_of = list(event_types), {each: code for code, each in enumerate(event_types)}
            for user_id, entries in self._users.items():
                if len(entries) > _SIZE * self.max_items:
                    self._users[user_id] = self._trimmed(entries)
            self._forget_users(len(self._users) - self.max_users)

    def _history(self, known: bytes, length: int) -> History:
        entries = np.frombuffer(known, ENTRY)
        numbers = entries["item"].tolist()
        kept = _newest_of_each(numbers, length)
        item_ids = self._items.ids_of([numbers[place] for place in kept])
        if "" in item_ids:
            kept = [place for place, item_id in zip(kept, item_ids, strict=True) if item_id]
            item_ids = [item_id for item_id in item_ids if item_id]
        if not kept:
            return History()
        chosen = entries[kept]
        types = self._types
        return History(
            tuple(item_ids), tuple([types[code] for code in chosen["type"].tolist()]), tuple(chosen["time_ms"].tolist())
        )

    def _code(self, event_type: str) -> int | None:
        code = self._code_of.get(event_type)
        if code is None and len(self._types) < _MAX_TYPES:
            code = len(self._types)
            self._types.append(event_type)
            self._code_of[event_type] = code
        return code

    def _with(self, known: bytes, key: bytes, number: int, time_ms: int) -> bytes:
        """A user's bytes with an entry more, whose item has been counted as used."""
        at = known.find(key)
        while at >= 0 and at % _SIZE:
            at = known.find(key, at + 1)
        if at >= 0:
            self._items.release(number)
            if _TIME.unpack_from(known, at + _KEY.size)[0] > time_ms:
                return known
            known = known[:at] + known[at + _SIZE :]
        place = len(known)
        while place and _TIME.unpack_from(known, place - _TIME.size)[0] > time_ms:
            place -= _SIZE
        entries = b"".join((known[:place], key, _TIME.pack(time_ms), known[place:]))
        return entries if len(entries) <= _SIZE * self.max_items else self._trimmed(entries)

    def _trimmed(self, known: bytes) -> bytes:
        """Without the items, and then without the entries, that are too many."""
        entries = np.frombuffer(known, ENTRY)
        numbers = entries["item"].tolist()
        kept = set(map(numbers.__getitem__, _newest_of_each(numbers, self.max_items)))
        stays = np.array([number in kept for number in numbers])
        # An item that users act on in ever new ways must not take the room of all others.
        stays[: max(0, len(numbers) - _TYPES_OF_ITEM * self.max_items)] = False
        if stays.all():
            return known
        self._items.release_all(entries["item"][~stays].tolist())
        left: bytes = entries[stays].tobytes()
        return left

    def _forget_users(self, num: int) -> None:
        for user_id in list(islice(self._users, max(0, num))):
            self._release(self._users.pop(user_id))

    def _release(self, entries: bytes) -> None:
        self._items.release_all(np.frombuffer(entries, ENTRY)["item"].tolist())


def _newest_of_each(numbers: list[int], most: int) -> list[int]:
    """The places of the last of each number, ascending, of the `most` numbers that come last."""
    if len(set(numbers)) == len(numbers):
        return list(range(max(0, len(numbers) - most), len(numbers)))
    last = {number: place for place, number in enumerate(numbers)}
    return sorted(last.values())[max(0, len(last) - most) :]


def since(now_ms: int, window_s: float | None) -> int | None:
    """When a window that ends now began, in ms."""
    return None if window_s is None else now_ms - round(1000 * window_s)
