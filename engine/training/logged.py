"""Examples with their places in the log."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.errors import CorruptRecord
from engine.spec.erasure import Erasure, erasure_of_example
from engine.spec.example import Cause, Example, Origin
from engine.streams.fencing import Epochs
from engine.streams.log import StoredRecord
from engine.training.example_table import ExampleTable

logger = logging.getLogger(__name__)


_TEACH_NOTHING: Final = frozenset((Origin.CANARY, Origin.ERASURE))

Places = npt.NDArray[np.int64]
Skipped = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class LoggedExamples:
    """Examples in the order they are learned: `partitions` and `offsets` int64[n] say where each stands in the topic."""

    examples: list[Example]
    partitions: Places
    offsets: Places
    skipped: Skipped = ()
    """(partition, offset) of the records among them that cannot be read."""

    canaries: tuple[tuple[int, int, Cause], ...] = ()
    """Of the canaries among them partition, offset, and the event that each stands for: nothing is learned from them."""

    fenced: Skipped = ()
    """(partition, offset) of those that a joiner wrote after another had taken over."""

    epochs: Mapping[int, int] = field(default_factory=dict)
    """For each partition the newest epoch, as it is known behind them."""

    erasures: tuple[tuple[int, int, Erasure], ...] = ()
    """Of the orders to forget among them partition, offset, and the order; carried out when the others are learned."""

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def next_offsets(self) -> dict[int, int]:
        """For each partition present the offset after its last record."""
        others = ((partition, offset) for partition, offset, _ in (*self.canaries, *self.erasures))
        passed = (*self.skipped, *self.fenced, *others)
        return _next_offsets(self.partitions, self.offsets, passed)

    def at(self, places: Places) -> list[Example]:
        """The examples at these places among them."""
        return [self.examples[place] for place in places]


@dataclass(frozen=True, slots=True)
class LoggedColumns:
    """The same of examples that stay columns."""

    table: ExampleTable
    partitions: Places
    offsets: Places
    skipped: Skipped = ()

    def __len__(self) -> int:
        return len(self.table)

    @property
    def next_offsets(self) -> dict[int, int]:
        return _next_offsets(self.partitions, self.offsets, self.skipped)

    def at(self, places: Places) -> list[Example]:
        return self.table.take(places).listed()

    def listed(self) -> LoggedExamples:
        """An object for each."""
        return LoggedExamples(self.table.listed(), self.partitions, self.offsets, self.skipped)


Logged = LoggedExamples | LoggedColumns


def _next_offsets(partitions: Places, offsets: Places, passed: Skipped) -> dict[int, int]:
    ends = {int(one): int(offsets[partitions == one].max()) + 1 for one in np.unique(partitions)}
    for partition, offset in passed:
        ends[partition] = max(ends.get(partition, 0), offset + 1)
    return ends


def parse_records(records: Sequence[StoredRecord], known: Mapping[int, int] | None = None) -> LoggedExamples:
    """Decode records of the `examples` topic, those of a partition in their order, before which the `known` epochs had begun.

    One that cannot be read is stepped over and logged: it must not stop training.
    """
    epochs = Epochs(known)
    examples: list[Example] = []
    readable: list[StoredRecord] = []
    skipped: list[tuple[int, int]] = []
    fenced: list[tuple[int, int]] = []
    canaries: list[tuple[int, int, Cause]] = []
    erasures: list[tuple[int, int, Erasure]] = []
    reason = None
    for record in records:
        try:
            example = Example.from_bytes(record.value)
        except CorruptRecord as error:
            reason = reason or error.message
            skipped.append((record.partition, record.offset))
            continue
        if not epochs.passes(record.partition, example.epoch):
            fenced.append((record.partition, record.offset))
        elif example.origin in _TEACH_NOTHING:
            # Both say how far the events behind them are learned.
            canaries.append((record.partition, record.offset, example.cause))
            if (erasure := erasure_of_example(example)) is not None:
                erasures.append((record.partition, record.offset, erasure))
        else:
            examples.append(example)
            readable.append(record)
    if skipped:
        logger.warning("%d examples stepped over, the first at %d/%d: %s", len(skipped), *skipped[0], reason)
    if fenced:
        logger.warning("%d examples of a joiner that had lost its lease, the first at %d/%d", len(fenced), *fenced[0])
    return LoggedExamples(
        examples,
        np.array([record.partition for record in readable], np.int64),
        np.array([record.offset for record in readable], np.int64),
        tuple(skipped),
        tuple(canaries),
        tuple(fenced),
        epochs.newest,
        tuple(erasures),
    )
