"""Examples that arrive in a log at a steady rate, a few at a time, whoever learns them."""

from __future__ import annotations

import threading
import time
from types import TracebackType

import numpy as np

from engine.spec.example import Cause, Example, Origin
from engine.streams import open_log, topics
from engine.streams.log import Record
from tests.chaos.lives import PROJECT

NUM_USERS, NUM_ITEMS = 200, 100
MEAN_GROUP = 6


class SteadyExamples:
    """`with SteadyExamples(url, rate, seed) as examples:` appends until `stop` or the end of the block."""

    def __init__(self, url: str, rate: float, *, seed: int) -> None:
        self._log = open_log(url)
        self._rate, self._rng = rate, np.random.default_rng(seed)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="steady examples")
        self.num_appended = 0

    def __enter__(self) -> SteadyExamples:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()
        self._log.close()

    def stop(self) -> None:
        """Returns after the last append; then `num_appended` is final."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            num = 1 + int(self._rng.poisson(MEAN_GROUP - 1))
            records = []
            for number in range(self.num_appended, self.num_appended + num):
                example = self._example(number)
                records.append(Record(example.user_id, example.to_bytes(), example.event_time_ms))
            self._log.append(topics.examples(PROJECT), records)
            self.num_appended += num
            self._stopping.wait(num / self._rate)

    def _example(self, number: int) -> Example:
        user, item = int(self._rng.integers(NUM_USERS)), int(self._rng.zipf(1.3) % NUM_ITEMS)
        now_ms = time.time_ns() // 1_000_000
        return Example(
            example_id=f"example-{number}",
            user_id=f"user-{user}",
            item_id=f"item-{item}",
            event_time_ms=now_ms,
            origin=Origin.IMPRESSION,
            labels={"click": float((user + item) % 3 == 0)},
            cause=Cause(0, number, now_ms),
            user={},
            item={"price": 1.0 + item},
            event={},
            history=tuple(f"item-{each}" for each in self._rng.integers(NUM_ITEMS, size=3)),
        )
