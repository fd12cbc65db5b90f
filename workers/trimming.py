"""Finding the first record of a log partition that is young enough to stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.errors import CorruptRecord, OffsetOutOfRange
from engine.streams.log import EventLog, StoredRecord

LOOK_AHEAD = 64


def first_received_after(
    log: EventLog, topic: str, partition: int, cutoff_ms: int, received_ms: Callable[[StoredRecord], int]
) -> int:
    """The first offset received at or after `cutoff_ms`, or the end offset; about log₂(records) reads.

    A record's own timestamp is event time, which a file of old events carries into a new log, so the receipt is asked for. Receipts
    are almost in the order of offsets; a few misplaced ones move the answer by no more than themselves. A record that cannot be
    read (`received_ms` raises `CorruptRecord`) is judged by the next that can, and stays when there is none nearby.
    """
    low, high = log.earliest_offsets(topic)[partition], log.end_offsets(topic)[partition]
    while low < high:
        middle = (low + high) // 2
        try:
            receipt = _receipt(log.read(topic, partition, middle, max_records=1), received_ms)
            if receipt is None:
                receipt = _receipt(log.read(topic, partition, middle, max_records=LOOK_AHEAD), received_ms)
        except OffsetOutOfRange as error:  # somebody trimmed meanwhile
            low = max(low, int(error.extra["earliest"]))
            continue
        if receipt is not None and receipt < cutoff_ms:
            low = middle + 1
        else:
            high = middle
    return low


def _receipt(records: Sequence[StoredRecord], received_ms: Callable[[StoredRecord], int]) -> int | None:
    """When the first readable one was received."""
    for record in records:
        try:
            return received_ms(record)
        except CorruptRecord:
            continue
    return None
