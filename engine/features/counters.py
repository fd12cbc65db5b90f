"""How often events happened of late, by key: the one engine that the joiner and every replica feed and read.

Times are event times in ms since 1970. What a counter gives depends on the events counted before and on the time asked for, not on a
clock and not on how events were batched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from engine.features.counter_files import filled_from, table_of
from engine.features.counter_keys import Hashed, Mask, combined, hashed
from engine.features.counter_rows import Floats, Integers
from engine.features.counter_table import CounterTable, Notes, Reads
from engine.features.key_rows import Keys
from engine.spec.counter import Counter, values_of

MAX_BYTES: Final = 256 * 2**20
"""What a project's counters take at most."""

ALLOWED_SKEW_S: Final = 300.0
"""An event dated and received later than so far ahead of the clock is not to be counted: it would end the windows of its keys."""

_BLOCK: Final = 1024

ValuesBySource = Mapping[str, Sequence[Any]]
"""Source, as `item.id`, -> its raw values, n of them; for `CounterState.read` also a single one that holds for all rows."""


@dataclass(frozen=True, slots=True)
class Occurrences:
    """n events to count, in the order in which they became known: `columns` of n values each, their types, and `times_ms` int64[n]."""

    columns: ValuesBySource
    event_types: Sequence[str]
    times_ms: Integers

    def __len__(self) -> int:
        return len(self.event_types)


@dataclass(frozen=True, slots=True)
class Questions:
    """n rows to read, each as of `times_ms` int64[n] and after so many of the occurrences, `after` int64[n], ascending."""

    columns: ValuesBySource
    times_ms: Integers
    after: Integers

    def __len__(self) -> int:
        return len(self.after)


class CounterState:
    """All counters of a schema. Not thread-safe.

    Memory is bounded by `max_bytes`, shared equally among the groups of counters that have the same keys; pages are taken from the
    system as keys come. When a group is full the stalest eighth of its keys is forgotten.
    """

    def __init__(self, counters: Mapping[str, Counter], max_bytes: int = MAX_BYTES) -> None:
        """Raises ValueError for a `max_bytes` that has no room for one key of each group."""
        self.counters = dict(counters)
        self.names = [value.name for value in values_of(counters)]
        self._types = {name: frozenset(counter.event_types) for name, counter in counters.items()}
        groups: dict[tuple[str, ...], dict[str, Counter]] = {}
        for name, counter in counters.items():
            groups.setdefault(tuple(counter.keys), {})[name] = counter
        share = max_bytes // max(1, len(groups))
        self._tables = {
            keys: CounterTable(group, share // CounterTable.bytes_per_key(group)) for keys, group in groups.items()
        }
        self.sources = list(dict.fromkeys(source for keys in groups for source in keys))
        self.event_types = frozenset().union(*self._types.values())

    @property
    def num_keys(self) -> int:
        return sum(table.index.num_rows for table in self._tables.values())

    @property
    def num_evicted(self) -> int:
        """Keys that had to give way to others, since this object was made."""
        return sum(table.num_evicted for table in self._tables.values())

    def note(self, occurrences: Occurrences) -> None:
        """Count the events."""
        nothing = np.empty(0, np.int64)
        self.replay(occurrences, Questions({source: [] for source in self.sources}, nothing, nothing))

    def read(self, columns: ValuesBySource, num_rows: int, now_ms: int) -> dict[str, Floats]:
        """Every value by name, float64[num_rows], as of `now_ms`. Changes nothing. A key that was never counted reads 0."""
        answer: dict[str, Floats] = {}
        for table, (keys, is_known) in self._keys_by_table(columns):
            values = table.read(keys, now_ms)
            values[~is_known] = 0.0
            whole = np.broadcast_to(values, (num_rows, values.shape[1]))
            answer |= {value.name: whole[:, place] for place, value in enumerate(table.rows.values)}
        return {name: answer[name] for name in self.names}

    def replay(self, occurrences: Occurrences, questions: Questions) -> dict[str, Floats]:
        """Count the events and answer each question as of the events before it: every value by name, float64[num_questions].

        The same to the bit as asking and counting one after the other.
        """
        parts: list[dict[str, Floats]] = []
        for start in range(0, max(1, len(occurrences)), _BLOCK):
            end = min(start + _BLOCK, len(occurrences))
            is_last = end == len(occurrences)
            first = int(np.searchsorted(questions.after, start, side="right")) if start else 0
            last = len(questions) if is_last else int(np.searchsorted(questions.after, end, side="right"))
            parts.append(self._replay_block(_part(occurrences, start, end), _asked(questions, first, last, start)))
        return {name: np.concatenate([part[name] for part in parts]) for name in self.names}

    def forget(self, source: str, value: str, others: Callable[[str], Sequence[Any]]) -> int:
        """Forget what was counted by this value of a source, such as of `user.id`; answers how many keys went.

        Of counters by a pair of keys those go whose other value is among `others` of its source: a key does not tell what it is made of.
        """
        num_gone = 0
        for keys, table in self._tables.items():
            if source not in keys:
                continue
            columns = [hashed([value] if key == source else list(others(key))) for key in keys]
            if not all(len(found) for found, _ in columns):
                continue
            found, is_known = combined(columns)
            rows = np.unique(table.index.find(np.unique(found[np.broadcast_to(is_known, found.shape)])))
            rows = rows[rows >= 0]
            if rows.size:
                table.index.remove(rows)
            num_gone += int(rows.size)
        return num_gone

    def to_arrow(self) -> dict[str, pa.Table]:
        """The state, a table for each group of keys, by a name that can be a file's."""
        return {"-".join(keys): table_of(keys, table) for keys, table in self._tables.items()}

    def restore(self, tables: Iterable[pa.Table]) -> None:
        """Take over what `to_arrow` gave, perhaps of other counters: those that count the same are kept, the rest starts empty.

        Call it on a fresh state. Raises ValueError or KeyError for what is no such table.
        """
        for table in tables:
            filled_from(table, self._tables)

    def _replay_block(self, occurrences: Occurrences, questions: Questions) -> dict[str, Floats]:
        noted = dict(self._keys_by_table(occurrences.columns)) if len(occurrences) else {}
        answer: dict[str, Floats] = {}
        for table, (keys, is_known) in self._keys_by_table(questions.columns):
            if len(occurrences):
                notes, places = self._notes(table, noted[table], occurrences)
            else:
                notes, places = _no_notes(len(table.counters)), np.empty(0, np.int64)
            after = np.searchsorted(places, questions.after)
            values = table.replay(notes, Reads(keys, questions.times_ms, after))
            values[~is_known] = 0.0
            answer |= {value.name: values[:, place] for place, value in enumerate(table.rows.values)}
        return answer

    def _notes(self, table: CounterTable, found: Hashed, occurrences: Occurrences) -> tuple[Notes, Integers]:
        """What of the events the table counts, and their places among all."""
        keys, is_known = found
        is_of: Mask = np.stack(
            [
                np.fromiter((one in self._types[name] for one in occurrences.event_types), np.bool_, len(occurrences))
                for name in table.counters
            ],
            axis=1,
        )
        places = np.flatnonzero(is_of.any(axis=1) & is_known)
        return Notes(keys[places], occurrences.times_ms[places], is_of[places]), places

    def _keys_by_table(self, columns: ValuesBySource) -> list[tuple[CounterTable, Hashed]]:
        by_source = {source: hashed(columns[source]) for source in self.sources}
        return [(table, combined([by_source[key] for key in keys])) for keys, table in self._tables.items()]


def _part(occurrences: Occurrences, start: int, end: int) -> Occurrences:
    if (start, end) == (0, len(occurrences)):
        return occurrences
    columns = {source: values[start:end] for source, values in occurrences.columns.items()}
    return Occurrences(columns, occurrences.event_types[start:end], occurrences.times_ms[start:end])


def _asked(questions: Questions, first: int, last: int, start: int) -> Questions:
    if (first, last, start) == (0, len(questions), 0):
        return questions
    columns = {source: values[first:last] for source, values in questions.columns.items()}
    return Questions(columns, questions.times_ms[first:last], questions.after[first:last] - start)


def _no_notes(num_counters: int) -> Notes:
    keys: Keys = np.empty(0, np.uint64)
    return Notes(keys, np.empty(0, np.int64), np.empty((0, num_counters), np.bool_))


def counter_columns(values: Mapping[str, Floats], sources: Iterable[str]) -> dict[str, pa.Array[Any]]:
    """Of the values float64[n] by name, those among `sources`, as columns `counter.<name>` of an encoder."""
    names = (source.removeprefix("counter.") for source in sources if source.startswith("counter."))
    return {f"counter.{name}": pa.array(values[name], pa.float64()) for name in names if name in values}
