"""Appending examples, each once however often the joiner makes it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import orjson
import xxhash

from engine.errors import OffsetOutOfRange
from engine.spec.example import Example
from engine.streams import topics
from engine.streams.fencing import append_fenced, begin_epoch
from engine.streams.log import EventLog, Record, StoredRecord

_READ_AT_ONCE: Final = 2000

logger = logging.getLogger(__name__)


class Emission:
    """Writes a project's `examples`. Not thread-safe.

    What lies there beyond the end that a checkpoint saw was emitted after it, and is left out when it is made again: `num_suppressed`.
    """

    def __init__(self, log: EventLog, project: str, fence: Callable[[], None]) -> None:
        self.topic = topics.examples(project)
        self.num_suppressed = 0
        self._log = log
        self._fence = fence
        self._emitted: set[int] = set()
        log.create_topic(self.topic)

    def restore(self, ends: dict[int, int]) -> None:
        """Go on from a checkpoint that saw `examples` end there, and shut out an earlier holder. Raises `LogError`, `LeaseLost`."""
        begin_epoch(self._log, self.topic, self._fence)
        self._emitted = set()
        for partition, end in ends.items():
            offset = end
            while records := self._read(partition, offset):
                self._emitted.update(self._id_numbers(records))
                offset = records[-1].offset + 1

    def emit(self, examples: Sequence[Example]) -> None:
        """Append those that were not before. Raises `LogError`, and what the fence raises."""
        fresh = [one for one in examples if not self._was_emitted(one)] if self._emitted else examples
        if fresh:
            records = [Record(one.user_id, one.to_bytes(), one.event_time_ms) for one in fresh]
            append_fenced(self._log, self.topic, records, self._fence)

    def _was_emitted(self, example: Example) -> bool:
        number = _id_number(example.example_id)
        if number not in self._emitted:
            return False
        self._emitted.discard(number)
        self.num_suppressed += 1
        return True

    def _read(self, partition: int, offset: int) -> list[StoredRecord]:
        try:
            return self._log.read(self.topic, partition, offset, _READ_AT_ONCE)
        except OffsetOutOfRange as error:
            earliest = int(error.extra["earliest"])
            logger.warning("%s/%d: %d to %d were trimmed", self.topic, partition, offset, earliest)
            return self._log.read(self.topic, partition, earliest, _READ_AT_ONCE)

    def _id_numbers(self, records: Iterable[StoredRecord]) -> set[int]:
        numbers = set()
        for record in records:
            try:
                numbers.add(_id_number(str(orjson.loads(record.value)["example_id"])))
            except (ValueError, TypeError, KeyError) as error:
                logger.warning("%s/%d/%d is no example: %s", self.topic, record.partition, record.offset, error)
        return numbers


def _id_number(example_id: str) -> int:
    """128 bits that stand for an id, since remembering millions of them whole would cost more."""
    return xxhash.xxh3_128_intdigest(example_id.encode())
