"""The schema's counters as a replica keeps them: fed from the tail of `events`, read by requests."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.errors import UnknownTopic
from engine.features.counter_rows import Floats
from engine.features.counter_subjects import Subject, SubjectColumns
from engine.features.counters import ALLOWED_SKEW_S, CounterState, Occurrences
from engine.joining.counter_checkpoint import newest_counters
from engine.retrieval.asker import Asker
from engine.retrieval.catalogue import Catalogue
from engine.spec.counter import Counter, Decay, values_of
from engine.spec.erasure import Erasure, erasure_of
from engine.spec.event import Event
from engine.streams.log import EventLog

MAX_REPLAYED: Final = 1_000_000
"""How many events are counted anew at most by a replica that finds no checkpoint of a joiner."""

_HALF_LIVES_REPLAYED: Final = 10
# Requests wait while so many are counted.
_BLOCK: Final = 256

logger = logging.getLogger(__name__)


class LiveCounters:
    """`note` from one thread; `read` from any.

    A replica's counters are warm from the start: they are those of the joiner's newest checkpoint, and every event since is counted
    (`next_offsets` says from where). Where there is no such checkpoint, the events of the longest window are counted anew, the last
    `MAX_REPLAYED` of them.
    """

    def __init__(
        self,
        counters: Mapping[str, Counter],
        log: EventLog,
        topic: str,
        *,
        joiner_directory: Path | None,
        clock: Callable[[], float],
    ) -> None:
        """`clock` in seconds since 1970. Raises `LogError`."""
        self.counters = dict(counters)
        self.num_dated_ahead = 0
        self._log = log
        self._topic = topic
        self._clock = clock
        self._lock = threading.Lock()
        self._state = CounterState(counters)
        self._next = self._restored(joiner_directory) if self.counters else {}

    @property
    def next_offsets(self) -> dict[int, int]:
        """For each partition of `events` the next offset to count."""
        return dict(self._next)

    def is_of_items(self, name: str) -> bool:
        """Whether the value `<counter>_<window>` counts by nothing but the item."""
        counters = {value.name: self.counters[value.counter] for value in values_of(self.counters)}
        return all(key.startswith("item.") for key in counters[name].keys)

    def note(self, events: Iterable[tuple[int, int, Event]], catalogue: Catalogue) -> dict[tuple[str, int], int]:
        """Count the events, each after its partition and offset, as far as they have not been yet. Answers, of the erasures among them by
        token and partition, how many keys were forgotten."""
        forgotten: dict[tuple[str, int], int] = {}
        if not self.counters:
            return forgotten
        latest_ms = int((self._clock() + ALLOWED_SKEW_S) * 1000)
        columns = SubjectColumns(self._state.sources)
        types: list[str] = []
        times_ms: list[int] = []
        for partition, offset, event in events:
            if offset < self._next.get(partition, 0):
                continue
            self._next[partition] = offset + 1
            if (erasure := erasure_of(event)) is not None:
                self._count(columns.values, types, np.array(times_ms, np.int64))
                columns, types, times_ms = SubjectColumns(self._state.sources), [], []
                forgotten[erasure.token, partition] = self._forget(erasure, catalogue)
                continue
            if event.type not in self._state.event_types:
                continue
            # As the joiner counts it.
            time_ms = min(event.timestamp_ms, event.received_ms)
            if time_ms > latest_ms:
                self.num_dated_ahead += 1
                continue
            for item_id in event.item_ids or (None,):
                columns.add(_subject(event, item_id, catalogue))
                types.append(event.type)
                times_ms.append(time_ms)
        self._count(columns.values, types, np.array(times_ms, np.int64))
        return forgotten

    def read(self, asker: Asker, item_ids: Sequence[str], properties: Sequence[Mapping[str, Any]]) -> dict[str, Floats]:
        """Every value by `<counter>_<window>`, float64[n] for n items with their properties beside the asker, as of its time."""
        if not self.counters:
            return {}
        now_ms = int(self._clock() * 1000) if asker.time_ms is None else asker.time_ms
        columns = {source: _values(source, asker, item_ids, properties) for source in self._state.sources}
        with self._lock:
            return self._state.read(columns, len(item_ids), now_ms)

    def _forget(self, erasure: Erasure, catalogue: Catalogue) -> int:
        def others(source: str) -> Sequence[Any]:
            return catalogue.known_values(source)

        with self._lock:
            return self._state.forget(f"{erasure.kind}.id", erasure.id, others)

    def _count(self, columns: Mapping[str, list[Any]], types: list[str], times_ms: Any) -> None:
        for start in range(0, len(types), _BLOCK):
            block = slice(start, start + _BLOCK)
            part = {source: values[block] for source, values in columns.items()}
            with self._lock:
                self._state.note(Occurrences(part, types[block], times_ms[block]))

    def _restored(self, joiner_directory: Path | None) -> dict[int, int]:
        try:
            earliest, ends = self._log.earliest_offsets(self._topic), self._log.end_offsets(self._topic)
        except UnknownTopic:
            return {}
        found = None if joiner_directory is None else newest_counters(joiner_directory)
        if found is not None and all(found.event_offsets.get(one, 0) <= end for one, end in ends.items()):
            try:
                self._state.restore(found.tables)
            except (ValueError, KeyError) as error:
                logger.warning("counters of the joiner in %s are of no use: %s", joiner_directory, error)
                self._state = CounterState(self.counters)
            else:
                return {one: max(first, found.event_offsets.get(one, 0)) for one, first in earliest.items()}
        return self._replayed_from(earliest, ends)

    def _replayed_from(self, earliest: Mapping[int, int], ends: Mapping[int, int]) -> dict[int, int]:
        since_ms = int(self._clock() * 1000) - _longest_span_ms(self.counters)
        share = max(1, MAX_REPLAYED // max(1, len(ends)))
        return {
            one: max(earliest[one], end - share, self._log.offset_at(self._topic, one, since_ms))
            for one, end in ends.items()
        }


def _longest_span_ms(counters: Mapping[str, Counter]) -> int:
    times = {Decay.WINDOW: 1, Decay.HALF_LIFE: _HALF_LIVES_REPLAYED}
    return 1000 * max(value.span_s * times[value.decay] for value in values_of(counters))


def _subject(event: Event, item_id: str | None, catalogue: Catalogue) -> Subject:
    item = {} if item_id is None else catalogue.item_properties([item_id])[0]
    return Subject(event.user_id, item_id, catalogue.user_properties(event.user_id), item, event.properties)


def _values(
    source: str, asker: Asker, item_ids: Sequence[str], properties: Sequence[Mapping[str, Any]]
) -> Sequence[Any]:
    entity, _, name = source.partition(".")
    if entity == "item":
        return item_ids if name == "id" else [each.get(name) for each in properties]
    if entity == "user":
        return [asker.user_id if name == "id" else asker.properties.get(name)]
    return [asker.context.get(name)]
