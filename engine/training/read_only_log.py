"""What a batch run asks of an event log, over a file: one partition, which never grows and takes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.errors import LogError
from engine.streams.log import Position, Record


class ReadOnlyLog:
    """All of `engine.streams.log.EventLog` but reading. `name` is what errors call it."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def num_rows(self) -> int:
        raise LogError(f"{self._name} does not say how long it is")

    def create_topic(self, topic: str, num_partitions: int = 1) -> None:
        """Nothing is to be made."""

    def partitions(self, topic: str) -> list[int]:  # noqa: ARG002
        return [0]

    def earliest_offsets(self, topic: str) -> dict[int, int]:  # noqa: ARG002
        return {0: 0}

    def end_offsets(self, topic: str) -> dict[int, int]:  # noqa: ARG002
        return {0: self.num_rows}

    def append(self, topic: str, records: Sequence[Record]) -> list[Position]:  # noqa: ARG002
        raise LogError(f"{self._name} is only read")

    def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:  # noqa: ARG002
        raise LogError(f"{self._name} is only read")

    def committed(self, group: str, topic: str) -> dict[int, int]:  # noqa: ARG002
        return {}

    def trim(self, topic: str, partition: int, before_offset: int) -> None:  # noqa: ARG002
        raise LogError(f"{self._name} is only read")
