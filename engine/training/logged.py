"""Examples with their places in the log."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.errors import CorruptRecord
from engine.spec.example import Example
from engine.streams.log import StoredRecord

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoggedExamples:
    """Examples in the order they are learned: `partitions` and `offsets` int64[n] say where each stands in the topic."""

    examples: list[Example]
    partitions: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    skipped: tuple[tuple[int, int], ...] = ()
    """(partition, offset) of the records among them that cannot be read."""

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def next_offsets(self) -> dict[int, int]:
        """For each partition present the offset after its last record."""
        places = [*zip(self.partitions.tolist(), self.offsets.tolist(), strict=True), *self.skipped]
        ends: dict[int, int] = {}
        for partition, offset in places:
            ends[partition] = max(ends.get(partition, 0), offset + 1)
        return ends


def parse_records(records: Sequence[StoredRecord]) -> LoggedExamples:
    """Decode records of the `examples` topic. One that cannot be read is stepped over and logged: it must not stop training."""
    examples: list[Example] = []
    readable: list[StoredRecord] = []
    skipped: list[tuple[int, int]] = []
    reason = None
    for record in records:
        try:
            examples.append(Example.from_bytes(record.value))
        except CorruptRecord as error:
            reason = reason or error.message
            skipped.append((record.partition, record.offset))
        else:
            readable.append(record)
    if skipped:
        logger.warning("%d examples stepped over, the first at %d/%d: %s", len(skipped), *skipped[0], reason)
    return LoggedExamples(
        examples,
        np.array([record.partition for record in readable], np.int64),
        np.array([record.offset for record in readable], np.int64),
        tuple(skipped),
    )
