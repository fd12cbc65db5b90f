"""Which examples each step learned, written to the log before it is learned, so that a restart takes the very same steps.

How a stream is cut into batches depends on when each example arrived, which nobody can read off the examples afterwards; and so do,
through the wall clock and the partitions that were read to their end, the times by which rows expire. A step says all of that. The
parameters are then a function of the examples, the steps and the seed, however often the trainer was killed.

Who begins to write shuts out earlier writers (`engine.streams.fencing`). In a log that keeps no epochs it first writes its own, and
steps of an older epoch that arrive behind that are passed over.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from engine.streams.fencing import Fence, append_fenced, begin_epoch, epoch_of, outdated
from engine.streams.log import EventLog, Record

_PARTITION: Final = 0
_READ_AT_ONCE: Final = 1000
_KEY: Final = "steps"

Offsets = Mapping[int, int]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """Examples by place: for each partition of the topic from the offset in `since` to before the one in `until`.

    `caught_up`: partitions that were known to have no more. `now_ms`: what the clock said, in ms since 1970.
    """

    since: Offsets
    until: Offsets
    caught_up: tuple[int, ...]
    now_ms: int

    def is_within(self, offsets: Offsets) -> bool:
        """Whether all of it lies before these next offsets."""
        return all(offsets.get(partition, 0) >= offset for partition, offset in self.until.items())

    def begins_at(self, offsets: Offsets) -> bool:
        return all(offsets.get(partition, 0) == offset for partition, offset in self.since.items())

    def ends_at(self, offsets: Offsets) -> bool:
        return all(offsets.get(partition, 0) == offset for partition, offset in self.until.items())

    def to_json(self) -> dict[str, Any]:
        places = [[partition, self.since[partition], until] for partition, until in self.until.items()]
        return {"places": places, "caught_up": list(self.caught_up), "now_ms": self.now_ms}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Step:
        """Raises KeyError, TypeError, ValueError."""
        places = [(int(partition), int(since), int(until)) for partition, since, until in document["places"]]
        return cls(
            {partition: since for partition, since, _ in places},
            {partition: until for partition, _, until in places},
            tuple(int(partition) for partition in document["caught_up"]),
            int(document["now_ms"]),
        )


class StepJournal:
    """The steps of one model version. One writer at a time; not thread-safe. Making one raises `LogError`, `LeaseLost`."""

    def __init__(
        self, log: EventLog, topic: str, *, clock_ms: Callable[[], int], fence: Callable[[], None] = lambda: None
    ) -> None:
        self._log = log
        self._topic = topic
        self._clock_ms = clock_ms
        self._epoch = epoch_of(fence) or 0
        # Asking the database before each step would cost as much as the step; the epoch keeps an old holder out.
        self._fence: Callable[[], None] = Fence(_no_check, self._epoch) if self._epoch else _no_check
        self._steps: deque[tuple[int, Step]] = deque()
        """With the offset of the record that each is in; a history without overlaps."""
        log.create_topic(topic)
        if not begin_epoch(log, topic, fence) and self._epoch:
            self._append([])
        self._read()

    def after(self, offsets: Offsets) -> tuple[Step | None, list[Step]]:
        """The step that ended at these next offsets, if that is known, and those that were taken from there on."""
        before: Step | None = None
        taken: list[Step] = []
        place = dict(offsets)
        for _, step in self._steps:
            if step.is_within(offsets):
                before = step if step.ends_at(offsets) else None
            elif step.begins_at(place):
                taken.append(step)
                place.update(step.until)
            else:
                logger.warning("%s: the steps from %s on are of another history", self._topic, dict(step.since))
                break
        return before, taken

    def write(self, steps: Sequence[Step]) -> None:
        """Durably. Written again after a `LogError` they count once. Raises `LogError`, `LeaseLost`."""
        offset = self._append(steps)
        for step in steps:
            self._take(offset, step)

    def forget_before(self, offsets: Offsets) -> None:
        """No checkpoint is left that begins before these next offsets: the step that ended there is the oldest needed."""
        first = self._steps[0][0] if self._steps else None
        while len(self._steps) > 1 and self._steps[1][1].is_within(offsets):
            self._steps.popleft()
        if self._steps and self._steps[0][0] != first:
            self._log.trim(self._topic, _PARTITION, self._steps[0][0])

    def _append(self, steps: Sequence[Step]) -> int:
        said = {"epoch": self._epoch, "steps": [step.to_json() for step in steps]}
        record = Record(_KEY, orjson.dumps(said), self._clock_ms())
        [position] = append_fenced(self._log, self._topic, [record], self._fence)
        return position.offset

    def _read(self) -> None:
        offset = self._log.earliest_offsets(self._topic)[_PARTITION]
        epoch = 0
        while records := self._log.read(self._topic, _PARTITION, offset, _READ_AT_ONCE):
            for record in records:
                written, steps = self._parsed(record.value)
                if written >= epoch:
                    epoch = written
                    for step in steps:
                        self._take(record.offset, step)
            offset = records[-1].offset + 1
        if self._epoch and epoch > self._epoch:
            raise outdated(self._topic, self._epoch, epoch)
        self._epoch = self._epoch or epoch

    def _parsed(self, value: bytes) -> tuple[int, list[Step]]:
        try:
            said = orjson.loads(value)
            return int(said["epoch"]), [Step.from_json(each) for each in said["steps"]]
        except (KeyError, TypeError, ValueError) as error:
            logger.warning("a record of %s is stepped over: %s", self._topic, error)
            return 0, []

    def _take(self, offset: int, step: Step) -> None:
        # What was written later is what was learned: a run that began anew goes over the same examples again.
        while self._steps and not self._steps[-1][1].is_within(step.since):
            self._steps.pop()
        self._steps.append((offset, step))


def _no_check() -> None:
    return None
