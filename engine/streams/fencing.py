"""Who may write: a fence with the epoch of the lease behind it, and logs that refuse an epoch when a newer one has begun.

A check before an append leaves a moment in between in which a process may sleep for an hour. So the new holder of a lease first
raises the epoch of the topics it will write: from then on an append of an older epoch fails in a log that keeps epochs
(`FencingLog`: memory, PostgreSQL). In one that cannot (Kafka), the readers know the epoch from the records and pass over older ones:
a new holder first says in every partition that its epoch has begun, and what an old one appends behind that is nobody's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from engine.errors import LeaseLost
from engine.streams.log import EventLog, Position, Record


class Fence:
    """Called before anything is written: raises `LeaseLost` for a holder that must stop. `epoch` grows from each holder to the next.

    Wherever a fence is wanted any callable will do; one that is no `Fence` has no epoch, and what it writes is fenced by its check only.
    """

    __slots__ = ("_check", "epoch")

    def __init__(self, check: Callable[[], None], epoch: int) -> None:
        """Raises ValueError for an epoch below 1."""
        if epoch < 1:
            raise ValueError(f"epoch must be at least 1, received {epoch}")
        self._check = check
        self.epoch = epoch

    def __call__(self) -> None:
        self._check()


def epoch_of(fence: Callable[[], None]) -> int | None:
    """The fence's epoch; None of one that has none."""
    return fence.epoch if isinstance(fence, Fence) else None


@runtime_checkable
class FencingLog(Protocol):
    """What a log can do besides that keeps an epoch with each topic."""

    def raise_epoch(self, topic: str, epoch: int) -> None:
        """From now on appends of an older epoch fail. Raises `LeaseLost` when the topic is of a newer one, `UnknownTopic`, `LogError`."""

    def append_in_epoch(self, topic: str, records: Sequence[Record], epoch: int) -> list[Position]:
        """As `append`, unless the topic is of a newer epoch, which is found out in the same transaction: then `LeaseLost`."""


def begin_epoch(log: EventLog, topic: str, fence: Callable[[], None]) -> bool:
    """Shut out earlier writers of the topic, before its end is looked at. Raises as `raise_epoch`.

    False when the log cannot, or the fence has no epoch.
    """
    epoch = epoch_of(fence)
    if epoch is None or not isinstance(log, FencingLog):
        return False
    log.raise_epoch(topic, epoch)
    return True


def append_fenced(log: EventLog, topic: str, records: Sequence[Record], fence: Callable[[], None]) -> list[Position]:
    """Check the fence, then append in its epoch. Raises `LeaseLost`, and as `append`."""
    fence()
    epoch = epoch_of(fence)
    if epoch is None or not isinstance(log, FencingLog):
        return log.append(topic, records)
    return log.append_in_epoch(topic, records, epoch)


class Epochs:
    """What one reader of a topic knows of its epochs. A partition's records are to be shown to it in their order."""

    __slots__ = ("newest",)

    def __init__(self, newest: Mapping[int, int] | None = None) -> None:
        """Partition -> the newest epoch of those before the first record to be shown; 0 is older than all."""
        self.newest = dict(newest or {})

    def passes(self, partition: int, epoch: int) -> bool:
        """Whether a record of this epoch counts: no newer one has begun before it."""
        if epoch < self.newest.get(partition, 0):
            return False
        if epoch:
            self.newest[partition] = epoch
        return True


def outdated(topic: str, epoch: int, newer: int) -> LeaseLost:
    """The refusal of an old holder."""
    return LeaseLost(
        f"{topic!r} is written by the holder with epoch {newer} now; this one has {epoch} and must stop",
        topic=topic,
        epoch=epoch,
        newer=newer,
    )
