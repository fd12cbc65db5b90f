"""How the joiner puts aside what is no event: each record once, and no more than somebody takes out again.

A letter's id is the place of its record in `events`. Those written since the checkpoint are read again at a restart, and their records are
neither buried a second time nor joined, even when a newer schema would let them pass: they are in the inbox, whence they are replayed.

While the inbox is full, or `MAX_WAITING` letters wait for it, further ones are counted by reason and field, and a few of each written:
a flood of bad messages must not fill the disk. The counts are part of the joiner's checkpoint, so that a replay counts nothing twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.errors import CorruptRecord, OffsetOutOfRange
from engine.spec.dead_letter import INBOX_GROUP, DeadLetter, bury
from engine.spec.intake import RefusedEvent
from engine.streams import topics
from engine.streams.log import EventLog, Record, StoredRecord

MAX_WAITING: Final = 10_000
MAX_SAMPLES: Final = 1_000
MAX_GROUPS: Final = 200
OTHERS: Final = ("other", "")
_READ_AT_ONCE: Final = 1000

Group = tuple[str, str]

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Tally:
    """Of one reason and field: how many records were counted instead of written, and when, in ms."""

    num_records: int
    first_ms: int
    last_ms: int


class DeadLetters:
    """One joiner's writes to a project's `events.dead`. Not thread-safe.

    `num_buried` and `last` are since this process began. `clock` answers seconds since 1970. `room` says how many letters the inbox would
    still keep; whoever runs the joiner sets it.
    """

    def __init__(self, log: EventLog, project: str, clock: Callable[[], float]) -> None:
        self._log = log
        self._events, self._topic = topics.events(project), topics.events_dead(project)
        self._clock = clock
        self._known: set[tuple[int, int]] = set()
        self._unwritten: list[DeadLetter] = []
        self._counted: dict[Group, Tally] = {}
        self.room: Callable[[], int] = lambda: MAX_WAITING
        self.num_buried = 0
        self.last = ""
        log.create_topic(self._topic)

    @property
    def counted(self) -> dict[Group, Tally]:
        """By reason and field: what was counted and not written, since the project's first event."""
        return dict(self._counted)

    def restore(self, meta: Mapping[str, Any] | None) -> None:
        """Back to what `meta` said; a checkpoint of an earlier release has none. Raises `LogError`."""
        self._unwritten.clear()
        counted = (meta or {}).get("counted", [])
        self._counted = {(reason, field): Tally(num, first, last) for reason, field, num, first, last in counted}
        offsets = self._log.earliest_offsets(self._topic)
        for name, offset in (meta or {}).get("end", {}).items():
            offsets[int(name)] = max(int(offset), offsets.get(int(name), 0))
        self._known = {
            place for partition, offset in offsets.items() for place in self._written_since(partition, offset)
        }

    def meta(self) -> dict[str, Any]:
        """For the checkpoint, in JSON types. Raises `LogError`."""
        ends = self._log.end_offsets(self._topic)
        return {
            "end": {str(partition): end for partition, end in ends.items()},
            "counted": [[*group, one.num_records, one.first_ms, one.last_ms] for group, one in self._counted.items()],
        }

    def has(self, record: StoredRecord) -> bool:
        """Whether the record was buried before, by this process's predecessor."""
        return (record.partition, record.offset) in self._known

    def note(self, record: StoredRecord, refused: RefusedEvent) -> None:
        """Put a record aside; it is written by the next `flush`."""
        letter = bury(
            topic=self._events,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            value=record.value,
            timestamp_ms=record.timestamp_ms,
            refused=refused,
            now_ms=int(self._clock() * 1000),
        )
        self._unwritten.append(letter)
        self.num_buried += 1
        self.last = f"{record.partition}/{record.offset}: {refused.message}"

    def flush(self, fence: Callable[[], None]) -> None:
        """Write what was noted, as far as there is room, and count the rest. Raises `LogError`, and what the fence raises."""
        if not self._unwritten:
            return
        num_waiting = self._num_waiting()
        room = max(0, min(MAX_WAITING, self.room()) - num_waiting)
        written, rest = self._unwritten[:room], self._unwritten[room:]
        num_samples = MAX_WAITING + MAX_SAMPLES - num_waiting - len(written)
        groups: set[Group] = set()
        for letter in rest:
            if (letter.reason, letter.field) not in groups and len(groups) < min(MAX_GROUPS, num_samples):
                groups.add((letter.reason, letter.field))
                written.append(letter)
            else:
                self._count(letter)
        if written:
            fence()
            self._log.append(self._topic, [Record(one.key, one.to_bytes(), one.buried_ms) for one in written])
        self._unwritten.clear()

    def _count(self, letter: DeadLetter) -> None:
        group = (letter.reason, letter.field)
        if group not in self._counted and len(self._counted) >= MAX_GROUPS:
            group = OTHERS
        tally = self._counted.setdefault(group, Tally(0, letter.buried_ms, letter.buried_ms))
        tally.num_records += 1
        tally.last_ms = letter.buried_ms

    def _num_waiting(self) -> int:
        """Letters that the inbox has yet to take."""
        taken = self._log.committed(INBOX_GROUP, self._topic)
        earliest = self._log.earliest_offsets(self._topic)
        ends = self._log.end_offsets(self._topic)
        return sum(end - max(taken.get(one, 0), earliest.get(one, 0)) for one, end in ends.items())

    def _written_since(self, partition: int, offset: int) -> set[tuple[int, int]]:
        places: set[tuple[int, int]] = set()
        while True:
            try:
                records = self._log.read(self._topic, partition, offset, _READ_AT_ONCE)
            except OffsetOutOfRange as error:  # retention trimmed meanwhile
                offset = int(error.extra["earliest"])
                continue
            if not records:
                return places
            for record in records:
                try:
                    letter = DeadLetter.from_bytes(record.value)
                except CorruptRecord as error:
                    logger.warning("%s/%d/%d skipped: %s", self._topic, partition, record.offset, error)
                else:
                    places.add((letter.partition, letter.offset))
            offset = records[-1].offset + 1
