"""Finding the first record of a log partition that is young enough to stay."""

from __future__ import annotations

from collections.abc import Callable

from engine.errors import OffsetOutOfRange
from engine.streams.log import EventLog, StoredRecord


def first_received_after(
    log: EventLog, topic: str, partition: int, cutoff_ms: int, received_ms: Callable[[StoredRecord], int]
) -> int:
    """The first offset received at or after `cutoff_ms`, or the end offset; about log₂(records) reads.

    A record's own timestamp is event time, which a file of old events carries into a new log, so the receipt is asked for. Receipts
    are almost in the order of offsets; a few misplaced ones move the answer by no more than themselves.
    """
    low, high = log.earliest_offsets(topic)[partition], log.end_offsets(topic)[partition]
    while low < high:
        middle = (low + high) // 2
        try:
            found = log.read(topic, partition, middle, max_records=1)
        except OffsetOutOfRange as error:  # somebody trimmed meanwhile
            low = max(low, int(error.extra["earliest"]))
            continue
        if found and received_ms(found[0]) < cutoff_ms:
            low = middle + 1
        else:
            high = middle
    return low
