"""How far a consumer group is behind the end of a topic, from what it committed; the same for every backend."""

from __future__ import annotations

from dataclasses import dataclass

from engine.streams.log import EventLog


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """`committed` is None before the group's first commit. `num_waiting` counts records that are held and not committed."""

    partition: int
    end: int
    committed: int | None
    num_waiting: int


def lag_of(log: EventLog, topic: str, group: str) -> list[PartitionLag]:
    """One row for each partition, ascending. What was trimmed unread waits no more. Raises `UnknownTopic`, `LogError`."""
    # The end is asked for last: a commit cannot be beyond it then.
    committed, earliest = log.committed(group, topic), log.earliest_offsets(topic)
    return [
        PartitionLag(
            partition,
            end,
            committed.get(partition),
            max(0, end - max(earliest[partition], committed.get(partition, 0))),
        )
        for partition, end in log.end_offsets(topic).items()
    ]
