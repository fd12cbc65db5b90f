"""A run's metrics as TensorBoard reads them: one event file in a folder of the run's own, thinned as it grows."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import tensorflow as tf
from tensorflow.core.util import event_pb2

MAX_POINTS: Final = 4096
MIN_SPACING_S: Final = 5.0
_VERSION: Final = "brain.Event:2"
"""What the first record of an event file says."""


class EventFile:
    """Scalars by name over the number of examples learned. Not thread-safe.

    It never has more than `MAX_POINTS` points: they lie `MIN_SPACING_S` apart at first, and further as the run grows older. A run that is
    taken up again goes on in a new file that begins with the points of those before, which are removed; what was not written whole when
    a process was killed is left out.
    """

    def __init__(self, folder: Path, *, max_points: int = MAX_POINTS, clock: Callable[[], float] = time.time) -> None:
        """`clock` in seconds since 1970. Raises OSError."""
        self._folder, self._max_points, self._clock = folder, max_points, clock
        folder.mkdir(parents=True, exist_ok=True)
        self._begin([event for event in read_events(folder) if event.summary.value])

    def add(self, values: Mapping[str, Any], num_examples: int) -> bool:
        """Note the numbers among `values`; False when the point before is too near. Raises OSError."""
        now_s = self._clock()
        if now_s - self._last_s < self._spacing_s(now_s):
            return False
        event = event_pb2.Event(wall_time=now_s, step=num_examples)
        for name, value in values.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
                event.summary.value.add(tag=name.replace(".", "/", 1), simple_value=float(value))
        self._write(event)
        self._writer.flush()
        if self._num_points > self._max_points:
            self._thin(now_s)
        return True

    def close(self) -> None:
        self._writer.close()

    def _spacing_s(self, now_s: float) -> float:
        """Twice as many points as these would make are kept, so that thinning is rare."""
        return max(MIN_SPACING_S, 2 * (now_s - self._first_s) / self._max_points)

    def _thin(self, now_s: float) -> None:
        self._writer.close()
        kept: list[Any] = []
        for event in read_events(self._folder):
            if event.summary.value and (not kept or event.wall_time - kept[-1].wall_time >= self._spacing_s(now_s)):
                kept.append(event)
        self._begin(kept)

    def _begin(self, events: list[Any]) -> None:
        """A new file with these points, in place of all others."""
        before = list(self._folder.glob(_PATTERN))
        made_ms = max([int(self._clock() * 1000), *(_made_ms(path) + 1 for path in before)])
        path = self._folder / f"events.out.tfevents.{made_ms:014d}.freshet"
        self._writer = tf.io.TFRecordWriter(os.fspath(path))
        self._writer.write(event_pb2.Event(wall_time=made_ms / 1000, file_version=_VERSION).SerializeToString())
        self._first_s = events[0].wall_time if events else self._clock()
        self._num_points, self._last_s = 0, -math.inf
        for event in events:
            self._write(event)
        self._writer.flush()
        for each in before:
            each.unlink(missing_ok=True)

    def _write(self, event: Any) -> None:
        self._writer.write(event.SerializeToString())
        self._num_points += 1
        self._last_s = event.wall_time


_PATTERN: Final = "events.out.tfevents.*.freshet"


def read_events(folder: Path) -> Iterator[Any]:
    """The records of the folder's event files, oldest file first, as `tensorflow.core.util.event_pb2.Event`."""
    for path in sorted(folder.glob(_PATTERN)):
        try:
            for record in tf.data.TFRecordDataset(os.fspath(path)).as_numpy_iterator():
                yield event_pb2.Event.FromString(record)
        except tf.errors.DataLossError:  # its writer was killed in the middle of a record
            continue


def _made_ms(path: Path) -> int:
    part = path.name.split(".")[3]
    return int(part) if part.isdigit() else 0
