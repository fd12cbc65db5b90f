"""The online trainer's batches: those that were taken before first, then what is there, each written down before it is learned."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from engine.streams.log import StoredRecord
from engine.training.example_reader import ExampleReader
from engine.training.step_journal import Step, StepJournal

MAX_AHEAD: Final = 8
"""Of a backlog so many full batches are written down at once: a lone click waits for one append, a backlog for one in eight."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A step and its examples."""

    step: Step
    records: list[StoredRecord]


class StepClock:
    """The wall clock as it was when the step at hand was written down, in seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._now_s = clock()

    def __call__(self) -> float:
        return self._now_s

    def set(self, now_ms: int) -> None:
        self._now_s = now_ms / 1000


class Stepping:
    """Batches in the order in which any trainer of this model version learns them. Not thread-safe."""

    def __init__(
        self,
        reader: ExampleReader,
        journal: StepJournal,
        *,
        clock: Callable[[], float],
        max_examples: int,
        linger_s: float,
    ) -> None:
        """`clock` in seconds since 1970. The reader stands where the trainer's state does."""
        self._reader = reader
        self._journal = journal
        self._clock = clock
        self._max_examples = max_examples
        self._linger_s = linger_s
        self._ahead: deque[Batch] = deque()
        before, steps = journal.after(reader.next_offsets)
        if before is not None:
            reader.note_at_end(before.caught_up)
        self._to_repeat = deque(steps)

    @property
    def num_ahead(self) -> int:
        """Examples that were read and are still to be learned."""
        return sum(len(batch.records) for batch in self._ahead)

    def next(self, timeout_s: float = 0.0) -> Batch | None:
        """What to learn next; None when nothing came within `timeout_s`. Raises `OffsetOutOfRange`, `LogError`, `LeaseLost`.

        After an error it may be called again.
        """
        if self._to_repeat:
            step = self._to_repeat[0]
            records = self._reader.read_until(step.until, step.caught_up)
            return Batch(self._to_repeat.popleft(), records)
        if not self._ahead:
            self._read_ahead(timeout_s)
        return self._ahead.popleft() if self._ahead else None

    def _read_ahead(self, timeout_s: float) -> None:
        start = dict(self._reader.next_offsets)
        batches = []
        try:
            batch = self._read(timeout_s, self._linger_s)
            while batch is not None:
                batches.append(batch)
                if len(batches) == MAX_AHEAD or len(batch.records) < self._max_examples:
                    break
                batch = self._read_full()
            if batches:
                self._journal.write([each.step for each in batches])
        except BaseException:
            self._reader.go_back(start)
            raise
        self._ahead.extend(batches)

    def _read_full(self) -> Batch | None:
        """A batch that need not wait for more; None, and nothing was read, when there is none."""
        since = dict(self._reader.next_offsets)
        batch = self._read(0.0, 0.0)
        if batch is not None and len(batch.records) == self._max_examples:
            return batch
        self._reader.go_back(since)
        return None

    def _read(self, timeout_s: float, linger_s: float) -> Batch | None:
        since = dict(self._reader.next_offsets)
        records = self._reader.read(self._max_examples, self._clock, timeout_s=timeout_s, linger_s=linger_s)
        if not records:
            return None
        until = dict(self._reader.next_offsets)
        now_ms = int(self._clock() * 1000)
        return Batch(Step(since, until, tuple(sorted(self._reader.at_end)), now_ms), records)
