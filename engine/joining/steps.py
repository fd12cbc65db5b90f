"""What the joiner did, step by step, written to the log before it is done, so that a restart does exactly the same again.

What becomes of events depends on how those of several partitions were mixed, on how far the catalogue was read before them, and on when
the wall clock ended windows of a stream that stood still. None of that can be read off the events afterwards. A step says it, in a
hundred bytes or so.

Who begins to write says so first, and reads what was written until there. Steps of an earlier writer that arrive after that, from a
process that was taken for dead, are passed over by everybody.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from engine.streams import topics
from engine.streams.log import EventLog, Record, StoredRecord

_PARTITION: Final = 0
_READ_AT_ONCE: Final = 1000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """Events by partition, from an offset to before another; none where only time passed. `catalog`: how far it was read before them.

    `now_ms` is what the clock said, in ms since 1970.
    """

    now_ms: int
    events: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    catalog: Mapping[int, int] = field(default_factory=dict)


class StepLog:
    """One joiner's steps, in a topic of their own. Not thread-safe. Every call raises `LogError` when the log is away."""

    def __init__(self, log: EventLog, project: str, writer: str | None = None) -> None:
        """`writer` must be another for each process; by default it is random."""
        self._log = log
        self._topic = topics.joiner_steps(project)
        self._writer = writer if writer is not None else uuid.uuid4().hex
        self._next_offset = 0
        log.create_topic(self._topic)

    def take_over(self, since: Mapping[str, Any] | None) -> list[Step]:
        """Begin to write; answers the steps that were done after a checkpoint that says `since` (None: since ever)."""
        [opened] = self._log.append(self._topic, [self._record({"opens": self._writer}, 0)])
        self._next_offset = opened.offset + 1
        earliest = self._log.earliest_offsets(self._topic)[_PARTITION]
        offset = int(since["next"]) if since is not None else 0
        if offset < earliest:
            logger.warning(
                "%s: steps %d to %d were trimmed; what came after is joined anew", self._topic, offset, earliest
            )
            return []
        writer = since["writer"] if since is not None else None
        steps: list[Step] = []
        while offset < opened.offset and (records := self._read(offset, opened.offset)):
            for record in records:
                said = orjson.loads(record.value)
                if "opens" in said:
                    writer = said["opens"]
                elif said["writer"] == writer:
                    steps.append(_step(said))
            offset = records[-1].offset + 1
        return steps

    def write(self, step: Step) -> None:
        """Durably, before the step is done."""
        said = {
            "writer": self._writer,
            "now_ms": step.now_ms,
            "events": [[partition, *ends] for partition, ends in step.events.items()],
            "catalog": [list(place) for place in step.catalog.items()],
        }
        [position] = self._log.append(self._topic, [self._record(said, step.now_ms)])
        self._next_offset = position.offset + 1

    def to_json(self) -> dict[str, Any]:
        """For a checkpoint that holds all steps so far."""
        return {"next": self._next_offset, "writer": self._writer}

    def forget_before(self, offset: int) -> None:
        """No checkpoint needs what lies before."""
        self._log.trim(self._topic, _PARTITION, offset)

    def _read(self, offset: int, end: int) -> list[StoredRecord]:
        return self._log.read(self._topic, _PARTITION, offset, min(_READ_AT_ONCE, end - offset))

    def _record(self, said: Mapping[str, Any], now_ms: int) -> Record:
        return Record("joiner", orjson.dumps(said), now_ms)


def _step(said: Mapping[str, Any]) -> Step:
    events = {int(partition): (int(first), int(after)) for partition, first, after in said["events"]}
    return Step(int(said["now_ms"]), events, {int(partition): int(offset) for partition, offset in said["catalog"]})
