"""A file as a live stream: each event is sent when its time comes on a clock that runs `speed` times as fast."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from webapp.catalog.importing.rows import Row

TICK_S = 0.1


@dataclass(slots=True)
class ReplayProgress:
    """`event_time_ms` is how far the stream is; `lag_s` is how far, in event time, it is behind its own clock."""

    num_sent: int = 0
    event_time_ms: int = 0
    lag_s: float = 0.0
    elapsed_s: float = 0.0

    @property
    def events_per_s(self) -> float:
        return self.num_sent / self.elapsed_s if self.elapsed_s > 0 else 0.0


class Replayer:
    """Sends rows, which come in time order, at `speed` seconds of event time a second; when it cannot keep up it sends without pause.

    The first row is sent at once. Rows without a time are left out. `send` gets at most `batch_size` rows.
    """

    def __init__(
        self,
        rows: Iterator[Row],
        send: Callable[[Sequence[Row]], None],
        *,
        speed: float,
        batch_size: int = 500,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be above 0 (received {speed})")
        self._rows = (row for row in rows if row.timestamp_ms is not None)
        self._send, self._speed, self._batch_size = send, speed, batch_size
        self._clock, self._sleep = clock, sleep
        self.progress = ReplayProgress()

    def run(self, on_tick: Callable[[ReplayProgress], None] = lambda _: None) -> ReplayProgress:
        """Until the rows end. May be interrupted between batches: what `progress.num_sent` counts was sent."""
        waiting = next(self._rows, None)
        if waiting is None:
            return self.progress
        started, first_ms = self._clock(), _time_of(waiting)
        while waiting is not None:
            now_ms = first_ms + (self._clock() - started) * self._speed * 1000
            batch: list[Row] = []
            while waiting is not None and _time_of(waiting) <= now_ms and len(batch) < self._batch_size:
                batch.append(waiting)
                waiting = next(self._rows, None)
            if batch:
                self._send(batch)
                self.progress.num_sent += len(batch)
                self.progress.event_time_ms = _time_of(batch[-1])
            self._note(started, first_ms, waiting)
            on_tick(self.progress)
            if waiting is not None and len(batch) < self._batch_size:
                self._sleep(TICK_S)
        return self.progress

    def _note(self, started: float, first_ms: int, waiting: Row | None) -> None:
        elapsed_s = self._clock() - started
        self.progress.elapsed_s = elapsed_s
        behind_ms = 0.0 if waiting is None else first_ms + elapsed_s * self._speed * 1000 - _time_of(waiting)
        self.progress.lag_s = max(0.0, behind_ms / 1000)


def _time_of(row: Row) -> int:
    assert row.timestamp_ms is not None
    return row.timestamp_ms
