from __future__ import annotations

from engine.serving.topic_tail import TopicTail
from engine.streams.log import Record
from engine.streams.memory import MemoryLog


def log_of(num_records: int, num_partitions: int = 1) -> MemoryLog:
    log = MemoryLog()
    log.create_topic("t", num_partitions)
    append(log, range(num_records))
    return log


def append(log: MemoryLog, numbers: range) -> None:
    log.append("t", [Record(f"k{number}", str(number).encode(), number) for number in numbers])


def read(tail: TopicTail, max_records: int = 5000) -> list[int]:
    return [int(record.value) for record in tail.read(max_records)]


def test_every_record_of_every_partition_is_read_once() -> None:
    log = log_of(50, num_partitions=3)
    tail = TopicTail(log, "t")
    assert tail.lag() == 50
    first = read(tail, 10)
    assert len(first) <= 30
    rest = read(tail)
    assert sorted(first + rest) == list(range(50))
    assert (read(tail), tail.lag()) == ([], 0)
    append(log, range(50, 52))
    assert sorted(read(tail)) == [50, 51]


def test_tail_starts_the_last_records_before_the_end() -> None:
    assert read(TopicTail(log_of(50), "t", last_records=3)) == [47, 48, 49]
    assert read(TopicTail(log_of(2), "t", last_records=3)) == [0, 1]


def test_tail_starts_earlier_where_it_is_told_to_and_never_later() -> None:
    assert read(TopicTail(log_of(50), "t", last_records=3, from_offsets={0: 45})) == [45, 46, 47, 48, 49]
    assert read(TopicTail(log_of(50), "t", last_records=3, from_offsets={0: 49})) == [47, 48, 49]
    assert read(TopicTail(log_of(50), "t", last_records=3, from_offsets={7: 1})) == [47, 48, 49]


def test_records_trimmed_unread_are_stepped_over_and_counted() -> None:
    log = log_of(10)
    tail = TopicTail(log, "t")
    assert read(tail, 2) == [0, 1]
    log.trim("t", 0, 7)
    assert read(tail) == [7, 8, 9]
    assert tail.num_lost == 5


def test_topic_is_empty_until_it_exists() -> None:
    log = MemoryLog()
    tail = TopicTail(log, "t")
    assert (read(tail), tail.lag()) == ([], 0)
    log.create_topic("t")
    append(log, range(2))
    assert read(tail) == [0, 1]
