"""Topics copied between logs keep every offset."""

from __future__ import annotations

import uuid

import pytest

from engine.errors import LogError
from engine.streams.copying import copy_topic
from engine.streams.log import EventLog, Record
from engine.streams.memory import MemoryLog


@pytest.fixture
def topic() -> str:
    return uuid.uuid4().hex


def filled(topic: str, num_partitions: int = 3, num_records: int = 60) -> MemoryLog:
    source = MemoryLog()
    source.create_topic(topic, num_partitions)
    for number in range(num_records):
        source.append(topic, [Record(f"user-{number % 11}", str(number).encode(), number)])
    return source


def assert_same(log: EventLog, source: EventLog, topic: str) -> None:
    assert log.earliest_offsets(topic) == source.earliest_offsets(topic)
    assert log.end_offsets(topic) == source.end_offsets(topic)
    for partition, earliest in source.earliest_offsets(topic).items():
        assert log.read(topic, partition, earliest) == source.read(topic, partition, earliest)


def test_a_copy_has_every_record_at_its_place_and_what_groups_committed(log: EventLog, topic: str) -> None:
    source = filled(topic)
    source.commit("joiner", topic, {0: 3, 2: 1})
    assert copy_topic(source, log, topic, groups=["joiner", "nobody"]) == 60
    assert_same(log, source, topic)
    assert log.committed("joiner", topic) == {0: 3, 2: 1}


def test_what_was_trimmed_leaves_its_offsets_empty(log: EventLog, topic: str) -> None:
    source = filled(topic)
    for partition, end in source.end_offsets(topic).items():
        source.trim(topic, partition, end // 2 if partition else end)
    copy_topic(source, log, topic)
    assert_same(log, source, topic)
    appended = Record("user-1", b"next", 9)
    assert log.append(topic, [appended]) == source.append(topic, [appended])


def test_a_copy_broken_off_goes_on_where_it_stopped(log: EventLog, topic: str) -> None:
    source = filled(topic, num_records=10)
    copy_topic(source, log, topic)
    source.append(topic, [Record("user-1", b"later", 99)])
    assert copy_topic(source, log, topic) == 1
    assert_same(log, source, topic)


def test_a_copy_with_other_partitions_is_refused(log: EventLog, topic: str) -> None:
    log.create_topic(topic, 2)
    with pytest.raises(LogError, match="has 3 partitions and its copy 2"):
        copy_topic(filled(topic), log, topic)


def test_a_longer_topic_is_no_copy(log: EventLog, topic: str) -> None:
    log.create_topic(topic)
    log.append(topic, [Record("a", b"", 1)] * 5)
    with pytest.raises(LogError, match="of another log"):
        copy_topic(filled(topic, num_partitions=1, num_records=3), log, topic)
