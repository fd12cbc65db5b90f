"""Reading a topic's partitions onwards from a place."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from engine.errors import OffsetOutOfRange, UnknownTopic
from engine.streams.log import EventLog, StoredRecord

logger = logging.getLogger(__name__)


class TopicTail:
    """The records of a topic, each once, in the order of each partition. For one thread at a time.

    A topic that does not exist yet is empty: a replica may start before the first writer does. `last_records` starts that many
    records before the end (divided among the partitions) instead of at the beginning, but in no partition of `from_offsets` later than
    at the offset there.
    """

    def __init__(
        self,
        log: EventLog,
        topic: str,
        last_records: int | None = None,
        from_offsets: Mapping[int, int] | None = None,
    ) -> None:
        self.topic = topic
        self.num_lost = 0
        self._log = log
        self._last_records = last_records
        self._from_offsets = from_offsets or {}
        self._next: dict[int, int] = {}

    def read(self, max_records: int = 5000) -> list[StoredRecord]:
        """At most `max_records` of each partition; [] at the end."""
        records: list[StoredRecord] = []
        places = self._places()
        for partition, offset in list(places.items()):
            found = self._read_partition(partition, offset, max_records)
            if found:
                places[partition] = found[-1].offset + 1
                records.extend(found)
        return records

    @property
    def next_offsets(self) -> dict[int, int]:
        """The next offset of each partition; {} until the topic has been seen."""
        return dict(self._next)

    def lag(self) -> int:
        """How many records are still to be read."""
        places = self._places()
        ends = self._log.end_offsets(self.topic) if places else {}
        return sum(max(0, ends[partition] - offset) for partition, offset in places.items())

    def _places(self) -> dict[int, int]:
        """The next offset of each partition; found on the first call after the topic exists."""
        if not self._next:
            self._next = self._start()
        return self._next

    def _start(self) -> dict[int, int]:
        try:
            earliest, ends = self._log.earliest_offsets(self.topic), self._log.end_offsets(self.topic)
        except UnknownTopic:
            return {}
        if self._last_records is None:
            return dict(earliest)
        share = max(1, self._last_records // max(1, len(ends)))
        wanted = {one: min(end - share, self._from_offsets.get(one, end)) for one, end in ends.items()}
        return {partition: max(earliest[partition], offset) for partition, offset in wanted.items()}

    def _read_partition(self, partition: int, offset: int, max_records: int) -> list[StoredRecord]:
        try:
            return self._log.read(self.topic, partition, offset, max_records)
        except OffsetOutOfRange as error:
            earliest = int(error.extra["earliest"])
            self.num_lost += max(0, earliest - offset)
            logger.warning("%s/%d: records %d to %d were trimmed unread", self.topic, partition, offset, earliest - 1)
            return self._log.read(self.topic, partition, earliest, max_records)
