from __future__ import annotations

import pytest

from engine.errors import OffsetOutOfRange
from engine.streams.log import Record
from engine.streams.memory import MemoryLog
from engine.training.example_reader import ExampleReader
from tests.engine.training.made import FakeClock


def filled(num_partitions: int, num_records: int) -> MemoryLog:
    log = MemoryLog()
    log.create_topic("t", num_partitions)
    log.append("t", [Record(f"key-{number}", b"", number) for number in range(num_records)])
    return log


def test_every_record_is_read_once_and_each_partition_in_order() -> None:
    reader = ExampleReader(filled(3, 100), "t", {})
    read = []
    while records := reader.read(7, FakeClock()):
        assert len(records) <= 7
        read += [(record.partition, record.offset) for record in records]
    assert len(read) == len(set(read)) == 100
    for partition in range(3):
        offsets = [offset for each, offset in read if each == partition]
        assert offsets == list(range(len(offsets)))
    assert reader.num_behind() == 0


def test_reading_starts_where_told_and_ends_exactly_before_until() -> None:
    reader = ExampleReader(filled(1, 20), "t", {0: 4})
    offsets = [record.offset for record in reader.read(100, FakeClock(), until={0: 9})]
    assert offsets == [4, 5, 6, 7, 8]
    assert reader.read(100, FakeClock(), until={0: 9}) == []
    assert reader.num_behind() == 11


def test_nothing_there_answers_nothing() -> None:
    assert ExampleReader(filled(2, 0), "t", {}).read(10, FakeClock(), timeout_s=0.01, linger_s=0.01) == []


def test_trimmed_examples_are_not_passed_over_in_silence() -> None:
    log = filled(1, 10)
    log.trim("t", 0, 5)
    assert ExampleReader(log, "t", {}).read(1, FakeClock())[0].offset == 5
    with pytest.raises(OffsetOutOfRange):
        ExampleReader(log, "t", {0: 2}).read(1, FakeClock())


def test_reader_knows_which_partitions_it_has_read_to_their_end() -> None:
    log = filled(1, 20)
    reader = ExampleReader(log, "t", {})
    assert (reader.num_partitions, reader.at_end) == (1, frozenset())
    reader.read(20, FakeClock())
    assert reader.at_end == frozenset(), "a full batch does not tell"
    reader.read(20, FakeClock())
    assert reader.at_end == {0}
    log.append("t", [Record("key", b"", 0)] * 5)
    reader.read(2, FakeClock())
    assert reader.at_end == frozenset()
    reader.read(2, FakeClock(), until={0: 22})
    assert reader.at_end == {0}, "nothing more before `until`"
