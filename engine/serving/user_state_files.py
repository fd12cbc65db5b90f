"""The state of a project's users as Arrow files in a folder with a manifest, openable with pyarrow alone.

`items.arrow`: the id of every item number. `actions.arrow` and `watched.arrow`: a row for each user, least recently acted first, with
lists of item numbers, codes of event types (the manifest names them) and times. `impressions.arrow`: how often each item was shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.checkpoint.arrays import load_table_file
from engine.errors import CorruptRecord
from engine.features.histories import HISTORY_SCHEMA
from engine.retrieval.user_actions import ENTRY
from engine.serving.user_state import UserState
from engine.spec.erasure import Erased

FORMAT: Final = 1
_USERS_AT_ONCE: Final = 500

_FIELDS: Final[list[pa.Field[Any]]] = [
    pa.field("user_id", pa.string()),
    pa.field("items", pa.list_(pa.uint32())),
    pa.field("types", pa.list_(pa.uint16())),
    pa.field("times_ms", pa.list_(pa.int64())),
]
_USERS: Final = pa.schema(_FIELDS)
_ITEMS: Final = pa.schema([pa.field("item_id", pa.string())])
_COUNTS: Final[list[pa.Field[Any]]] = [pa.field("item_id", pa.string()), pa.field("count", pa.int64())]
_IMPRESSIONS: Final = pa.schema(_COUNTS)
_STORES: Final = ("actions", "watched")

Users = tuple[list[str], list[bytes]]


@dataclass(frozen=True, slots=True)
class UserStateCopy:
    """A `UserState` at one moment. `next_offsets` and `next_watched` by partition of `events`."""

    users: Mapping[str, Users]
    types: Mapping[str, list[str]]
    item_ids: list[str | None]
    impressions: Callable[[], Mapping[str, int]]
    next_offsets: dict[int, int]
    next_watched: dict[int, int]
    watched_types: list[str]
    erased: list[Erased]

    @classmethod
    def of(cls, state: UserState, pause: Callable[[], None]) -> UserStateCopy:
        """From the thread that notes events. `pause` lets requests go first, after each millisecond or so."""
        copies = {name: getattr(state, name).copied(pause) for name in _STORES}
        return cls(
            users={name: (user_ids, entries) for name, (user_ids, entries, _) in copies.items()},
            types={name: types for name, (_, _, types) in copies.items()},
            item_ids=state.items.copied_ids(),
            impressions=state.impressions.copied(),
            next_offsets=dict(state.next_offsets),
            next_watched=dict(state.next_watched),
            watched_types=sorted(state.watched_types),
            erased=list(state.erased),
        )

    @property
    def meta(self) -> dict[str, Any]:
        """What is not in a table, as JSON types."""
        return {
            "format": FORMAT,
            "next_offsets": {str(one): offset for one, offset in self.next_offsets.items()},
            "next_watched": {str(one): offset for one, offset in self.next_watched.items()},
            "watched_types": self.watched_types,
            "types": dict(self.types),
            "erased": [one.to_json() for one in self.erased],
            "num_users": {name: len(user_ids) for name, (user_ids, _) in self.users.items()},
        }

    def save(self, folder: Path, pause: Callable[[], None]) -> None:
        """Write the tables. `pause` is called between pieces of about a millisecond. Raises OSError."""
        for name in _STORES:
            _save_users(folder / f"{name}.arrow", *self.users[name], pause)
        _save(folder / "items.arrow", pa.table([pa.array(self.item_ids, pa.string())], schema=_ITEMS))
        impressions = self.impressions()
        columns: list[Any] = [
            pa.array(list(impressions), pa.string()),
            pa.array(list(impressions.values()), pa.int64()),
        ]
        _save(folder / "impressions.arrow", pa.table(columns, schema=_IMPRESSIONS))


def load_into(state: UserState, folder: Path, meta: Mapping[str, Any]) -> None:
    """Make a new `state` what was saved. Raises `CorruptRecord`; then `state` must not be used."""
    try:
        if meta["format"] != FORMAT:
            raise ValueError(f"format must be {FORMAT}, received {meta['format']!r:.40}")
        item_ids: list[Any] = load_table_file(folder / "items.arrow").column("item_id").to_pylist()
        uses = np.zeros(len(item_ids), np.int64)
        users: dict[str, list[tuple[str, bytes]]] = {}
        for name in _STORES:
            users[name] = list(_loaded_users(load_table_file(folder / f"{name}.arrow"), len(meta["types"][name]), uses))
        state.items.restore(item_ids, uses)
        for name in _STORES:
            getattr(state, name).restore(users[name], [str(each) for each in meta["types"][name]])
        shown = load_table_file(folder / "impressions.arrow")
        counts: list[Any] = shown.column("count").to_pylist()
        state.impressions.restore(dict(zip(map(str, shown.column("item_id").to_pylist()), counts, strict=True)))
        state.next_offsets = _offsets(meta["next_offsets"])
        state.next_watched = _offsets(meta["next_watched"])
        state.watched_types = frozenset(meta["watched_types"])
        state.erased = [Erased.from_json(one) for one in meta.get("erased", ())]
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError, IndexError) as error:
        raise CorruptRecord(f"{folder} does not hold the state of users: {error}") from error


def load_joined(state: UserState, histories: pa.Table, next_offsets: Mapping[int, int]) -> None:
    """Make a new `state` what a joiner's checkpoint knows: the items of each user with the last type each was acted on by.

    `histories` as `engine.features.histories.HISTORY_SCHEMA`. Raises `CorruptRecord`; then `state` must not be used.
    """
    try:
        columns: list[Any] = [histories.column(name).combine_chunks() for name in HISTORY_SCHEMA.names]
        user_ids, items, times_ms, event_types = columns
        flat = np.empty(len(items.flatten()), ENTRY)
        item_ids, flat["item"] = _encoded(items.flatten())
        types, flat["type"] = _encoded(event_types.flatten())
        flat["time_ms"] = times_ms.flatten().to_numpy()
        state.items.restore(item_ids, np.bincount(flat["item"], minlength=len(item_ids)))
        state.actions.restore(_cut(user_ids.to_pylist(), flat, items), types)
        state.next_offsets = dict(next_offsets)
    except (pa.ArrowException, KeyError, ValueError, TypeError, IndexError) as error:
        raise CorruptRecord(f"these are no histories of a joiner: {error}") from error


def _encoded(values: Any) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Different values, and of each of n its number among them."""
    encoded = values.dictionary_encode()
    distinct: list[str] = encoded.dictionary.to_pylist()
    return distinct, encoded.indices.to_numpy().astype(np.int64)


def _cut(user_ids: list[str], flat: npt.NDArray[Any], lists: Any) -> Iterator[tuple[str, bytes]]:
    """Each user's part of the entries of all."""
    packed = flat.tobytes()
    lengths = lists.value_lengths().to_numpy()
    bounds = (np.concatenate([[0], np.cumsum(lengths)]) * ENTRY.itemsize).tolist()
    for user_id, (start, end) in zip(user_ids, pairwise(bounds), strict=True):
        yield user_id, packed[start:end]


def _save_users(path: Path, user_ids: list[str], entries: list[bytes], pause: Callable[[], None]) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, _USERS) as writer:
        for start in range(0, len(user_ids), _USERS_AT_ONCE):
            part = slice(start, start + _USERS_AT_ONCE)
            writer.write_batch(_batch(user_ids[part], entries[part]))
            pause()


def _batch(user_ids: list[str], entries: list[bytes]) -> pa.RecordBatch:
    flat = np.frombuffer(b"".join(entries), ENTRY)
    lengths = np.fromiter(map(len, entries), np.int64, len(entries)) // ENTRY.itemsize
    offsets: pa.Int32Array = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32), pa.int32())
    lists: list[Any] = [
        pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(flat[name])))
        for name in ("item", "type", "time_ms")
    ]
    return pa.record_batch([pa.array(user_ids, pa.string()), *lists], schema=_USERS)


def _loaded_users(table: pa.Table, num_types: int, uses: npt.NDArray[np.int64]) -> Iterator[tuple[str, bytes]]:
    """Each user with the bytes of its entries, whose items are counted in `uses` int64[num_items]."""
    for batch in table.cast(_USERS).to_batches():
        lists: list[Any] = [batch.column(name) for name in ("items", "types", "times_ms")]
        flat = np.empty(len(lists[0].flatten()), ENTRY)
        for name, column in zip(("item", "type", "time_ms"), lists, strict=True):
            flat[name] = column.flatten().to_numpy()
        if flat.size and int(flat["type"].max()) >= num_types:
            raise ValueError(f"types must be below {num_types}, received {int(flat['type'].max())}")
        if flat.size and int(flat["item"].max()) >= uses.size:
            raise ValueError(f"items must be below {uses.size}, received {int(flat['item'].max())}")
        np.add.at(uses, flat["item"], 1)
        user_ids: list[Any] = batch.column("user_id").to_pylist()
        yield from _cut(user_ids, flat, lists[0])


def _save(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=65_536)


def _offsets(document: Mapping[str, int]) -> dict[int, int]:
    return {int(partition): int(offset) for partition, offset in document.items()}
