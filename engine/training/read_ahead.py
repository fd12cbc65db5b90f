"""The next batch of a reader, read, encoded and its rows asked for, while the one before it is learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from engine.embedding.table import Plan
from engine.training.example_reader import ExampleReader
from engine.training.logged import Logged
from engine.training.state import Prepared, TrainingState


@dataclass(frozen=True, slots=True)
class FoundAhead:
    """Examples, what was worked out of them, and the partitions that the look for them found at their end."""

    logged: Logged
    prepared: Prepared | None
    at_end: frozenset[int]


class ReadAhead:
    """One batch ahead, on a thread of its own. A context manager, which waits for that thread in the end.

    Nothing of the state has a part in it (`TrainingState.prepare`): what is learned, and every checkpoint, is what it would be without.
    The reader is this object's until then, and afterwards may be a batch further than what was learned.
    """

    def __init__(
        self,
        reader: ExampleReader,
        state: TrainingState,
        max_records: int,
        clock: Callable[[], float],
        until: Mapping[int, int],
    ) -> None:
        """Arguments as of `ExampleReader.read_logged`. Begins to read at once."""
        self._reader = reader
        self._state = state
        self._max_records = max_records
        self._clock = clock
        self._until = until
        # That of the batch being learned, and that of the next.
        self._plans = tuple({name: Plan() for name in state.store.tables} for _ in range(2))
        self._num_read = 0
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="freshet-read-ahead")
        self._next: Future[FoundAhead | None] = self._worker.submit(self._read)

    def next(self) -> FoundAhead | None:
        """The next batch; None when there is none before the end. The batch answered before must have been learned. Raises what the
        reader raised."""
        found = self._next.result()
        if found is not None:
            self._next = self._worker.submit(self._read)
        return found

    def _read(self) -> FoundAhead | None:
        logged = self._reader.read_logged(self._max_records, self._clock, until=self._until)
        if logged is None:
            return None
        self._num_read += 1
        plans: Mapping[str, Plan] = self._plans[self._num_read % 2]
        return FoundAhead(logged, self._state.prepare(logged, plans), self._reader.at_end)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.shutdown(cancel_futures=True)
