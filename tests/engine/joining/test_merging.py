"""Several partitions, in the order in which their events were received."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.joining.merging import PartitionMerge, merged
from engine.streams.log import StoredRecord


class Topic:
    """Partitions given by the times at which their records were received."""

    def __init__(self, *partitions: list[int]) -> None:
        self.waited_s: list[float] = []
        self._partitions = partitions

    def read(self, offsets: dict[int, int], partition: int, timeout_s: float) -> list[StoredRecord]:
        self.waited_s.append(timeout_s)
        times = self._partitions[partition][offsets[partition] : offsets[partition] + 3]
        return [StoredRecord(partition, offsets[partition] + n, "", b"", time) for n, time in enumerate(times)]

    def merge(self) -> PartitionMerge:
        return PartitionMerge(self.read, dict.fromkeys(range(len(self._partitions)), 0), 3)


def times(taken: dict[int, list[StoredRecord]]) -> list[int]:
    return [record.timestamp_ms for record in merged(taken)]


def test_a_partition_with_more_to_read_holds_the_others_back() -> None:
    merge = Topic([1, 2, 3, 4, 5, 6, 7], [2, 6, 30]).merge()
    assert [times(merge.take()) for _ in range(5)] == [[1, 2, 2, 3], [4, 5, 6, 6], [7, 30], [], []]


def test_of_two_received_at_once_the_lower_partition_is_first() -> None:
    taken = Topic([5, 5], [5]).merge().take()
    assert [(record.partition, record.offset) for record in merged(taken)] == [(0, 0), (0, 1), (1, 0)]


def test_it_waits_only_where_there_is_nothing_and_shares_the_time() -> None:
    empty, some = Topic([], []), Topic([], [1])
    assert empty.merge().take(1.0) == {}
    assert empty.waited_s == [0.0, 0.0, 0.5, 0.5]
    some.merge().take(1.0)
    assert some.waited_s == [0.0, 0.0]


@given(st.lists(st.lists(st.integers(0, 20), max_size=12), min_size=1, max_size=3))
def test_every_record_comes_once_in_the_order_of_its_partition(partitions: list[list[int]]) -> None:
    merge, found = Topic(*partitions).merge(), []
    while taken := merge.take():
        found += merged(taken)
    for partition, received in enumerate(partitions):
        own = [(record.offset, record.timestamp_ms) for record in found if record.partition == partition]
        assert own == list(enumerate(received))


@given(st.lists(st.lists(st.integers(0, 20), max_size=12).map(sorted), min_size=1, max_size=3))
def test_a_backlog_comes_in_the_order_of_receipt_over_all_partitions(partitions: list[list[int]]) -> None:
    merge, found = Topic(*partitions).merge(), []
    while taken := merge.take():
        found += times(taken)
    assert found == sorted(found)
