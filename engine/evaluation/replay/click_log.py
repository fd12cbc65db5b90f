"""A log of clicks as arrays, in event order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.errors import InvalidDocument, Problem
from engine.evaluation.files import codes_of, read_columns

Codes = npt.NDArray[np.int32]
Times = npt.NDArray[np.int64]

UNIT_MS: Final = {"s": 1000, "ms": 1}
SESSION_GAP_MS: Final = 30 * 60_000
"""In a log without sessions, a user's session ends after so long without a click."""


@dataclass(frozen=True, slots=True)
class ClickColumns:
    """Which column is what. Without `session`, a user's clicks less than `SESSION_GAP_MS` apart are one session."""

    user: str = "user_id"
    item: str = "item_id"
    time: str = "timestamp"
    session: str | None = None
    context: tuple[str, ...] = ()
    time_unit: str = "ms"
    delimiter: str = ","
    header: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ClickLog:
    """n clicks, oldest first; of equal times in the file's order. All arrays have n elements.

    `users`, `items`, `sessions`, and each of `context` are numbers from 0; `user_ids`, `item_ids` and `context_values` say
    what they stand for.
    """

    users: Codes
    items: Codes
    sessions: Codes
    times_ms: Times
    context: dict[str, Codes]
    user_ids: list[str]
    item_ids: list[str]
    context_values: dict[str, list[str]]

    def __len__(self) -> int:
        return self.items.size

    @property
    def num_items(self) -> int:
        return len(self.item_ids)

    @property
    def num_users(self) -> int:
        return len(self.user_ids)

    @property
    def num_sessions(self) -> int:
        return int(self.sessions.max(initial=-1)) + 1

    def first(self, num_clicks: int) -> ClickLog:
        """The oldest `num_clicks` clicks, under the same numbers."""
        return ClickLog(
            self.users[:num_clicks],
            self.items[:num_clicks],
            self.sessions[:num_clicks],
            self.times_ms[:num_clicks],
            {name: codes[:num_clicks] for name, codes in self.context.items()},
            self.user_ids,
            self.item_ids,
            self.context_values,
        )


def read_click_log(path: Path, columns: ClickColumns) -> ClickLog:
    """Raises `InvalidDocument` for a missing column or a time that is no number, OSError for a missing file."""
    wanted = [columns.user, columns.item, columns.time, *columns.context]
    wanted += [columns.session] if columns.session else []
    table = read_columns(path, list(dict.fromkeys(wanted)), delimiter=columns.delimiter, header=columns.header)
    times_ms = _times_ms(table, columns)
    order = np.argsort(times_ms, kind="stable")
    table, times_ms = table.take(order), times_ms[order]
    users, user_ids = codes_of(table[columns.user])
    items, item_ids = codes_of(table[columns.item])
    sessions = codes_of(table[columns.session])[0] if columns.session else sessions_by_gap(users, times_ms)
    coded = {name: codes_of(table[name]) for name in columns.context}
    return ClickLog(
        users=users,
        items=items,
        sessions=sessions,
        times_ms=times_ms,
        context={name: codes for name, (codes, _) in coded.items()},
        user_ids=user_ids,
        item_ids=item_ids,
        context_values={name: values for name, (_, values) in coded.items()},
    )


def sessions_by_gap(users: Codes, times_ms: Times, gap_ms: int = SESSION_GAP_MS) -> Codes:
    """Session numbers int32[n] of clicks in time order: a user's next session begins after `gap_ms` without a click."""
    order = np.argsort(users, kind="stable")
    ordered_users, ordered_times = users[order], times_ms[order]
    begins = np.ones(users.size, np.bool_)
    begins[1:] = (ordered_users[1:] != ordered_users[:-1]) | (np.diff(ordered_times) > gap_ms)
    sessions = np.empty(users.size, np.int32)
    sessions[order] = np.cumsum(begins, dtype=np.int64) - 1
    return sessions


def previous_same(keys: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """int64[n]: the place of the last earlier element with the same key, or -1."""
    order = np.argsort(keys, kind="stable")
    previous = np.full(keys.size, -1, np.int64)
    same = keys[order][1:] == keys[order][:-1]
    previous[order[1:][same]] = order[:-1][same]
    return previous


def chain(previous: npt.NDArray[np.int64], places: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.int64]:
    """int64[m, length]: of each place the `length` earlier places of its key, newest first, -1 where there are none."""
    found = np.full((places.size, length), -1, np.int64)
    current = places
    for step in range(length):
        current = np.where(current >= 0, previous[current], -1)
        if not (current >= 0).any():
            break
        found[:, step] = current
    return found


def items_at(items: Codes, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Item numbers at the places, -1 where a place is -1; same shape."""
    return np.where(places >= 0, items[places], -1).astype(np.int64)


def _times_ms(table: pa.Table, columns: ClickColumns) -> Times:
    column = table[columns.time]
    if columns.time_unit not in UNIT_MS:
        raise InvalidDocument(
            "time unit", [Problem("time_unit", f"must be one of {', '.join(UNIT_MS)}", columns.time_unit)]
        )
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("ms")).cast(pa.int64()).to_numpy()
    if column.null_count or not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise InvalidDocument("click log", [Problem(columns.time, "must be a number in every row", str(column.type))])
    return np.round(column.to_numpy().astype(np.float64) * UNIT_MS[columns.time_unit]).astype(np.int64)
