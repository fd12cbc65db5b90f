"""Examples with their places in the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.spec.example import Example
from engine.streams.log import StoredRecord


@dataclass(frozen=True, slots=True)
class LoggedExamples:
    """Examples in the order they are learned: `partitions` and `offsets` int64[n] say where each stands in the topic."""

    examples: list[Example]
    partitions: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def next_offsets(self) -> dict[int, int]:
        """For each partition present the offset after its last example."""
        return {
            int(partition): int(self.offsets[self.partitions == partition].max()) + 1
            for partition in np.unique(self.partitions)
        }


def parse_records(records: Sequence[StoredRecord]) -> LoggedExamples:
    """Decode records of the `examples` topic. Raises `CorruptRecord`."""
    return LoggedExamples(
        [Example.from_bytes(record.value) for record in records],
        np.array([record.partition for record in records], np.int64),
        np.array([record.offset for record in records], np.int64),
    )
