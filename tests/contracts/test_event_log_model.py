"""Random sequences of calls on each backend, compared with a dictionary of lists."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from engine.errors import OffsetOutOfRange
from engine.streams.log import EventLog, Position, Record, StoredRecord
from engine.streams.partitioning import partition_of

NUM_PARTITIONS = 3
PARTITION = st.integers(0, NUM_PARTITIONS - 1)
KEY = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6)


class LogMachine(RuleBasedStateMachine):
    log: EventLog

    @initialize()
    def start(self) -> None:
        self.topic = uuid.uuid4().hex
        self.log.create_topic(self.topic, NUM_PARTITIONS)
        self.held: dict[int, list[StoredRecord]] = {n: [] for n in range(NUM_PARTITIONS)}
        self.ends = dict.fromkeys(range(NUM_PARTITIONS), 0)
        self.earliest = dict.fromkeys(range(NUM_PARTITIONS), 0)
        self.committed: dict[str, dict[int, int]] = {"a": {}, "b": {}}

    @rule(rows=st.lists(st.builds(Record, KEY, st.binary(max_size=9), st.integers(0, 50)), max_size=6))
    def append(self, rows: list[Record]) -> None:
        expected = []
        for row in rows:
            partition = partition_of(row.key, NUM_PARTITIONS)
            stored = StoredRecord(partition, self.ends[partition], row.key, row.value, row.timestamp_ms)
            self.held[partition].append(stored)
            self.ends[partition] += 1
            expected.append(Position(partition, stored.offset))
        assert self.log.append(self.topic, rows) == expected

    @rule(partition=PARTITION, offset=st.integers(0, 25), max_records=st.integers(0, 5))
    def read(self, partition: int, offset: int, max_records: int) -> None:
        if offset < self.earliest[partition]:
            with pytest.raises(OffsetOutOfRange):
                self.log.read(self.topic, partition, offset, max_records)
            return
        expected = [row for row in self.held[partition] if row.offset >= offset][:max_records]
        assert self.log.read(self.topic, partition, offset, max_records) == expected

    @rule(partition=PARTITION, before=st.integers(0, 20))
    def trim(self, partition: int, before: int) -> None:
        self.log.trim(self.topic, partition, before)
        self.earliest[partition] = max(self.earliest[partition], min(before, self.ends[partition]))
        self.held[partition] = [row for row in self.held[partition] if row.offset >= self.earliest[partition]]

    @rule(partition=PARTITION, timestamp_ms=st.integers(0, 51))
    def offset_at(self, partition: int, timestamp_ms: int) -> None:
        matching = [row.offset for row in self.held[partition] if row.timestamp_ms >= timestamp_ms]
        expected = min(matching, default=self.ends[partition])
        assert self.log.offset_at(self.topic, partition, timestamp_ms) == expected

    @rule(group=st.sampled_from("ab"), offsets=st.dictionaries(PARTITION, st.integers(0, 9)))
    def commit(self, group: str, offsets: dict[int, int]) -> None:
        self.log.commit(group, self.topic, offsets)
        self.committed[group] |= offsets

    @invariant()
    def agrees(self) -> None:
        assert self.log.end_offsets(self.topic) == self.ends
        assert self.log.earliest_offsets(self.topic) == self.earliest
        for group, offsets in self.committed.items():
            assert self.log.committed(group, self.topic) == offsets


def test_any_sequence_of_calls_agrees_with_a_dictionary_of_lists(log: EventLog) -> None:
    machine = type("Machine", (LogMachine,), {"log": log})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
