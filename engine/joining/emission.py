"""Appending examples, each once however often the joiner makes it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import orjson
import xxhash

from engine.errors import OffsetOutOfRange
from engine.spec.canary import epoch_example
from engine.spec.example import Example
from engine.streams import topics
from engine.streams.fencing import Epochs, append_fenced, begin_epoch, epoch_of, outdated
from engine.streams.log import EventLog, Record, StoredRecord
from engine.streams.partitioning import key_in

_READ_AT_ONCE: Final = 2000

logger = logging.getLogger(__name__)


class Emission:
    """Writes a project's `examples`. Not thread-safe.

    What lies there beyond the end that a checkpoint saw was emitted after it, and is left out when it is made again: `num_suppressed`.

    In a log that keeps no epochs examples carry that of their joiner's lease, `epoch`, and a joiner begins with one in every partition that
    says nothing else. What an earlier one appends behind that is passed over by all who read, this class too. In any other
    log `epoch` is 0.
    """

    def __init__(self, log: EventLog, project: str, fence: Callable[[], None], clock: Callable[[], float]) -> None:
        """`clock` answers seconds since 1970."""
        self.topic = topics.examples(project)
        self.num_suppressed = 0
        self.epoch = 0
        self._clock = clock
        self._log = log
        self._fence = fence
        self._emitted: set[int] = set()
        log.create_topic(self.topic)

    def restore(self, ends: dict[int, int], epoch: int = 0) -> None:
        """Go on from a checkpoint that a joiner of this epoch made when `examples` ended there, and shut out an earlier holder.

        Raises `LogError`, `LeaseLost`.
        """
        if not begin_epoch(self._log, self.topic, self._fence):
            self.epoch = epoch_of(self._fence) or 0
        if self.epoch:
            self._claim()
        self._emitted = set()
        epochs = Epochs(dict.fromkeys(ends, epoch))
        for partition, end in ends.items():
            offset = end
            while records := self._read(partition, offset):
                self._emitted.update(self._id_numbers(records, epochs))
                offset = records[-1].offset + 1
        newest = max(epochs.newest.values(), default=0)
        if self.epoch and newest > self.epoch:
            raise outdated(self.topic, self.epoch, newest)

    def emit(self, examples: Sequence[Example]) -> None:
        """Append those that were not before. Raises `LogError`, and what the fence raises."""
        fresh = [one for one in examples if not self._was_emitted(one)] if self._emitted else examples
        if fresh:
            records = [Record(one.user_id, one.to_bytes(self.epoch), one.event_time_ms) for one in fresh]
            append_fenced(self._log, self.topic, records, self._fence)

    def _claim(self) -> None:
        partitions, now_ms = self._log.partitions(self.topic), int(self._clock() * 1000)
        begun = (epoch_example(key_in(one, len(partitions)), self.epoch, now_ms) for one in partitions)
        records = [Record(one.user_id, one.to_bytes(), one.event_time_ms) for one in begun]
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

    def _id_numbers(self, records: Iterable[StoredRecord], epochs: Epochs) -> set[int]:
        numbers = set()
        for record in records:
            try:
                said = orjson.loads(record.value)
                number, epoch = _id_number(str(said["example_id"])), int(said.get("epoch", 0))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                logger.warning("%s/%d/%d is no example: %s", self.topic, record.partition, record.offset, error)
                continue
            if epochs.passes(record.partition, epoch):
                numbers.add(number)
        return numbers


def _id_number(example_id: str) -> int:
    """128 bits that stand for an id, since remembering millions of them whole would cost more."""
    return xxhash.xxh3_128_intdigest(example_id.encode())
