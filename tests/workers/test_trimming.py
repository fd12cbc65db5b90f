"""What leaves the log, over the in-memory backend: old records, and never one that is needed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.streams.log import Record, StoredRecord
from engine.streams.memory import MemoryLog
from workers.trimming import first_received_after


def received_ms(record: StoredRecord) -> int:
    return int(record.value)


def log_of(receipts: list[int]) -> MemoryLog:
    log = MemoryLog()
    log.create_topic("events")
    # event time runs backwards, as in a file loaded newest first: it must not matter
    log.append("events", [Record("u", str(at).encode(), -at) for at in receipts])
    return log


@given(
    receipts=st.lists(st.integers(0, 50), max_size=60).map(sorted),
    cutoff=st.integers(-1, 51),
    num_trimmed=st.integers(0, 60),
)
def test_cut_is_where_a_scan_finds_it(receipts: list[int], cutoff: int, num_trimmed: int) -> None:
    log = log_of(receipts)
    trimmed = min(num_trimmed, len(receipts))
    log.trim("events", 0, trimmed)
    expected = next((at for at in range(trimmed, len(receipts)) if receipts[at] >= cutoff), len(receipts))
    assert first_received_after(log, "events", 0, cutoff, received_ms) == expected
