"""The moments at which lists are refreshed, and the clicks that each of them answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.evaluation.replay.click_log import ClickLog

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Moment:
    """Lists are as of `time_ms`, and answer the log's clicks `start` to `end` (exclusive), which come after it."""

    time_ms: int
    start: int
    end: int


def moments(log: ClickLog, refresh_ms: int) -> Iterator[Moment]:
    """Every moment with at least one click before the next one."""
    beats = log.times_ms // refresh_ms
    starts = np.flatnonzero(np.r_[True, beats[1:] != beats[:-1]]) if len(log) else np.empty(0, np.int64)
    ends = np.r_[starts[1:], len(log)]
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield Moment(int(beats[start]) * refresh_ms, start, end)


def chosen_clicks(log: ClickLog, warmup_ms: int, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which clicks are predicted, bool[n]: a fixed random `share` of those at least `warmup_ms` after the first."""
    if not len(log):
        return np.zeros(0, np.bool_)
    drawn = np.random.default_rng(seed).random(len(log)) < share
    chosen: npt.NDArray[np.bool_] = drawn & (log.times_ms >= log.times_ms[0] + warmup_ms)
    return chosen


def rank_of_targets(scores: npt.NDArray[np.floating], targets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The place from 0 of column `targets[i]` in row i of scores[m, n], int64[m]; n for a target of -1 or scored -inf.

    Equal scores count half of those that tie, rounded down, so that the order of columns decides nothing.
    """
    num_rows, num_columns = scores.shape
    if not num_columns:
        return np.zeros(num_rows, np.int64)
    own = scores[np.arange(num_rows), np.maximum(targets, 0)][:, np.newaxis]
    ranks = (scores > own).sum(axis=1) + ((scores == own).sum(axis=1) - 1) // 2
    found: npt.NDArray[np.int64] = np.where((targets >= 0) & np.isfinite(own[:, 0]), ranks, num_columns)
    return found
