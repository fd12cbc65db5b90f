"""Reads the `examples` topic in log order, batch by batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping

from engine.errors import OffsetOutOfRange
from engine.streams.log import EventLog, StoredRecord
from engine.training.logged import Logged, parse_records
from engine.training.parquet_examples import ExampleFile


class ExampleReader:
    """Reads each partition in order, in turn. `next_offsets` is what comes next; records read are not committed anywhere.

    Of a log that does not grow meanwhile, what each `read` answers is a function of `next_offsets`.
    """

    def __init__(
        self, log: EventLog, topic: str, start: Mapping[int, int], epochs: Mapping[int, int] | None = None
    ) -> None:
        """Partitions that `start` does not name begin at their earliest record. `epochs` are those that had begun before `start`.

        Raises `OffsetOutOfRange` when `start` is beyond the end: such a log is not the one that was read.
        """
        self._log = log
        self._topic = topic
        self._epochs = dict(epochs or {})
        earliest = log.earliest_offsets(topic)
        self.next_offsets = {
            partition: start.get(partition, earliest[partition]) for partition in log.partitions(topic)
        }
        for partition, end in log.end_offsets(topic).items():
            offset = self.next_offsets.get(partition, 0)
            if offset > end:
                raise OffsetOutOfRange(
                    f"{topic}/{partition} ends at {end}, before offset {offset} where reading stopped; the log was replaced.",
                    earliest=earliest[partition],
                )
        self._turn = 0
        self._at_end: set[int] = set()
        self.waited_s = 0.0
        """How long calls took that were ready to wait for a record to come."""

    @property
    def num_partitions(self) -> int:
        """Of the topic: they are numbered from 0."""
        return max(self.next_offsets, default=0) + 1

    @property
    def at_end(self) -> frozenset[int]:
        """The partitions of which the last look found nothing more (before `until`)."""
        return frozenset(self._at_end)

    def read(
        self,
        max_records: int,
        clock: Callable[[], float],
        *,
        timeout_s: float = 0.0,
        linger_s: float = 0.0,
        until: Mapping[int, int] | None = None,
    ) -> list[StoredRecord]:
        """At most `max_records`: waits `timeout_s` for the first and, from then on, `linger_s` for the rest.

        `until` (partition -> offset) ends each partition there. In the order of partitions and offsets. Raises `OffsetOutOfRange` when
        what comes next was trimmed.
        """
        # Another partition first each time, and after a restart the same one as without it.
        self._turn = sum(self.next_offsets.values()) // max(1, max_records)
        records = self._sweep(max_records, until, timeout_s)
        deadline = clock() + linger_s
        while records and len(records) < max_records:
            more = self._sweep(max_records - len(records), until, max(0.0, deadline - clock()))
            if not more:
                break
            records += more
        return sorted(records, key=lambda record: (record.partition, record.offset))

    def read_until(self, until: Mapping[int, int], caught_up: Collection[int]) -> list[StoredRecord]:
        """What a `read` answered that ended there, and knew `caught_up` to be read to their end.

        Raises `OffsetOutOfRange`, `LogError`; then nothing was read.
        """
        records: list[StoredRecord] = []
        for partition, end in sorted(until.items()):
            offset = self.next_offsets[partition]
            while offset < end:
                found = self._log.read(self._topic, partition, offset, end - offset)
                if not found:
                    raise OffsetOutOfRange(
                        f"{self._topic}/{partition} ends at {offset}, before {end}, which was learned; the log was replaced.",
                        earliest=offset,
                    )
                records += [record for record in found if record.offset < end]
                offset = min(found[-1].offset + 1, end)
        self.next_offsets.update(until)
        self.note_at_end(caught_up)
        return records

    def note_at_end(self, partitions: Collection[int]) -> None:
        """What an earlier reader that came to this place knew of their ends."""
        self._at_end = set(partitions)

    def go_back(self, offsets: Mapping[int, int]) -> None:
        """Read again from there on."""
        moved = {partition for partition, offset in offsets.items() if self.next_offsets[partition] != offset}
        self.next_offsets.update(offsets)
        self._at_end -= moved

    def read_logged(
        self, max_records: int, clock: Callable[[], float], *, until: Mapping[int, int] | None = None
    ) -> Logged | None:
        """As `read`, without waiting, and decoded; columns of a file that has them. None at the end."""
        if isinstance(self._log, ExampleFile):
            return self._read_columns(self._log, max_records, until)
        records = self.read(max_records, clock, until=until)
        if not records:
            return None
        logged = parse_records(records, self._epochs)
        self._epochs.update(logged.epochs)
        return logged

    def _read_columns(self, file: ExampleFile, max_records: int, until: Mapping[int, int] | None) -> Logged | None:
        offset = self.next_offsets[0]
        end = file.num_rows if until is None else min(file.num_rows, until.get(0, 0))
        if offset >= end:
            self._at_end.add(0)
            return None
        logged = file.columns(offset, min(max_records, end - offset))
        self.next_offsets.update(logged.next_offsets)
        return logged

    def num_behind(self) -> int:
        """Records between here and the end of the topic."""
        ends = self._log.end_offsets(self._topic)
        return sum(ends[partition] - offset for partition, offset in self.next_offsets.items())

    def _sweep(self, max_records: int, until: Mapping[int, int] | None, timeout_s: float) -> list[StoredRecord]:
        """What is there now in all partitions, starting with another one each time; if nothing is, the first to come in time."""
        order = sorted(self.next_offsets)
        order = order[self._turn % len(order) :] + order[: self._turn % len(order)]
        self._turn += 1
        records: list[StoredRecord] = []
        for wait_s in (0.0, timeout_s / len(order)):
            since_s = time.perf_counter()
            for partition in order:
                records += self._read_one(partition, max_records - len(records), until, 0.0 if records else wait_s)
            self.waited_s += time.perf_counter() - since_s if wait_s else 0.0
            if records or wait_s == timeout_s == 0.0:
                break
        return records

    def _read_one(
        self, partition: int, max_records: int, until: Mapping[int, int] | None, timeout_s: float
    ) -> list[StoredRecord]:
        offset = self.next_offsets[partition]
        if max_records <= 0:
            return []
        if until is not None:
            max_records = min(max_records, until.get(partition, 0) - offset)
        records = self._log.read(self._topic, partition, offset, max_records, timeout_s) if max_records > 0 else []
        if records:
            self.next_offsets[partition] = records[-1].offset + 1
            self._at_end.discard(partition)
        else:
            self._at_end.add(partition)
        return records
