"""The event time by which rows expire, guarded against events dated in the future and against stalled partitions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.embedding.rows import NOT_SEEN

Integers = NDArray[np.int64]

_NO_CLOCK = np.iinfo(np.int64).min
_LATEST_STAMP_S = NOT_SEEN - 1


class EventClock:
    """A clock for each partition of a log, moved by the examples read from it; and `now_s`, the slowest of them.

    **A partition's clock** is the greatest lower median of event times so far, each median taken over one group of the
    partition's examples. A group is a whole batch's examples of that partition; those of a batch with fewer than
    `min_examples` are joined with its next batches until there are as many. So whatever minority of each batch is dated in
    the future moves the clock past no honest event, and a lone example decides nothing. A clock never passes wall time +
    `allowed_skew_s`, whatever the majority says, and never moves back.

    **`now_s`** is the least of the clocks: a stalled partition holds expiry back, as does one that has no clock yet (then it
    is 0, and nothing expires). A partition reported caught up counts again from its next example on; until then it is
    taken to follow the greatest clock of the others, and so holds nobody back. `now_s` may move back, when such a partition
    returns with old events: then the rows these touch are not expired before they are seen.

    **Stamps** say when a row was last seen: the example's event time, but no more than its partition's clock, so that an
    event dated in the future makes no row immortal. Where a group is still open, the median of what it holds stands in for
    a clock that is behind it: a stamp that is too early would lose a row just seen, one that is too late only keeps it.

    Everything but the wall clock's limit is a function of the examples and reports; `to_json` keeps it, apart from reports.
    Not thread safe.
    """

    def __init__(
        self,
        num_partitions: int,
        *,
        wall_clock: Callable[[], float],
        allowed_skew_s: float = 300.0,
        min_examples: int = 16,
    ) -> None:
        """`wall_clock` in seconds since 1970. Raises ValueError for a number out of range.

        `min_examples` 1 makes each batch a group by itself.
        """
        if num_partitions < 1:
            raise ValueError(f"num_partitions must be at least 1, received {num_partitions}")
        if not 0 <= allowed_skew_s < float("inf"):
            raise ValueError(f"allowed_skew_s must be finite and not negative, received {allowed_skew_s}")
        if min_examples < 1:
            raise ValueError(f"min_examples must be at least 1, received {min_examples}")
        self._wall_clock = wall_clock
        self._allowed_skew_s = allowed_skew_s
        self._min_examples = min_examples
        self._clocks_ms = np.full(num_partitions, _NO_CLOCK, np.int64)
        self._caught_up = np.zeros(num_partitions, np.bool_)
        self._open_partitions: Integers = np.empty(0, np.int64)
        self._open_times_ms: Integers = np.empty(0, np.int64)

    @property
    def num_partitions(self) -> int:
        return len(self._clocks_ms)

    def register(self, num_partitions: int) -> None:
        """Know of partitions that were added to the log: they hold `now_s` back until they have a clock. Forgets none."""
        num_new = max(0, num_partitions - self.num_partitions)
        self._clocks_ms = np.append(self._clocks_ms, np.full(num_new, _NO_CLOCK, np.int64))
        self._caught_up = np.append(self._caught_up, np.zeros(num_new, np.bool_))

    def report_caught_up(self, partitions: Iterable[int]) -> None:
        """These partitions have been read to their end. Raises ValueError for one that is not known."""
        named = np.fromiter(partitions, np.int64)
        self._check_known(named)
        self._caught_up[named] = True

    def stamps(self, partitions: NDArray[Any], event_times_ms: NDArray[Any]) -> NDArray[np.uint32]:
        """Moves the clocks by a batch and answers with what to stamp the rows of each example: uint32 [n], seconds since 1970.

        partitions: integers [n]; event_times_ms: int64 [n], since 1970. A stamp is at least 0 and at most 2**32 - 2. The same
        batch twice moves the clocks once, unless its groups are still open. Raises TypeError for other dtypes, ValueError
        for other shapes or a partition that is not known, before anything changes.
        """
        where, times_ms = self._checked(partitions, event_times_ms)
        joined_where = np.concatenate((self._open_partitions, where))
        joined_times_ms = np.concatenate((self._open_times_ms, times_ms))
        named, medians_ms, num_examples = _lower_medians(joined_where, joined_times_ms)
        medians_ms = np.minimum(medians_ms, self._limit_ms())

        is_whole = num_examples >= self._min_examples
        whole = named[is_whole]
        self._clocks_ms[whole] = np.maximum(self._clocks_ms[whole], medians_ms[is_whole])
        stays_open = np.zeros(self.num_partitions, np.bool_)
        stays_open[named[~is_whole]] = True
        self._open_partitions = joined_where[stays_open[joined_where]]
        self._open_times_ms = joined_times_ms[stays_open[joined_where]]
        self._caught_up[where] = False

        ceilings_ms = self._clocks_ms.copy()
        ceilings_ms[named] = np.maximum(ceilings_ms[named], medians_ms)
        return _in_seconds(np.minimum(times_ms, ceilings_ms[where]))

    @property
    def now_s(self) -> int:
        """The event time, in seconds since 1970, up to which rows may expire; 0 while it is not known."""
        active = self._clocks_ms[~self._caught_up]
        slowest_ms = active.min() if len(active) else self._clocks_ms.max()
        return int(_in_seconds(np.minimum(slowest_ms, self._limit_ms())))

    def to_json(self) -> dict[str, Any]:
        """The clocks and the open groups. Who was caught up is not kept: after a restart nobody is until reported again."""
        clocks_ms = self._clocks_ms.tolist()
        return {
            "clocks_ms": [None if clock_ms == _NO_CLOCK else clock_ms for clock_ms in clocks_ms],
            "open_partitions": self._open_partitions.tolist(),
            "open_times_ms": self._open_times_ms.tolist(),
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """The inverse of `to_json`; partitions may have been added since.

        Raises KeyError, ValueError or TypeError for anything else, before anything changes.
        """
        clocks_ms = _integers("clocks_ms", [_NO_CLOCK if clock is None else clock for clock in data["clocks_ms"]])
        open_partitions = _integers("open_partitions", data["open_partitions"])
        open_times_ms = _integers("open_times_ms", data["open_times_ms"])
        if len(open_partitions) != len(open_times_ms):
            raise ValueError(
                f"open_times_ms must have one time for each of open_partitions, received {len(open_times_ms)} for {len(open_partitions)}"
            )
        _check_range(open_partitions, len(clocks_ms))
        num_more = max(0, self.num_partitions - len(clocks_ms))
        self._clocks_ms = np.append(clocks_ms, np.full(num_more, _NO_CLOCK, np.int64))
        self._caught_up = np.zeros(len(self._clocks_ms), np.bool_)
        self._open_partitions, self._open_times_ms = open_partitions, open_times_ms

    def _limit_ms(self) -> int:
        return int((self._wall_clock() + self._allowed_skew_s) * 1000)

    def _check_known(self, partitions: Integers) -> None:
        _check_range(partitions, self.num_partitions)

    def _checked(self, partitions: NDArray[Any], event_times_ms: NDArray[Any]) -> tuple[Integers, Integers]:
        if partitions.dtype.kind not in "iu":
            raise TypeError(f"partitions must be integers, received {partitions.dtype}")
        if event_times_ms.dtype != np.int64:
            raise TypeError(f"event_times_ms must be int64, received {event_times_ms.dtype}")
        if partitions.ndim != 1 or partitions.shape != event_times_ms.shape:
            raise ValueError(
                f"partitions and event_times_ms must be of one length, received shapes {partitions.shape} and {event_times_ms.shape}"
            )
        where = partitions.astype(np.int64)
        self._check_known(where)
        return where, event_times_ms


def _check_range(partitions: Integers, num_partitions: int) -> None:
    unknown = partitions[(partitions < 0) | (partitions >= num_partitions)]
    if len(unknown):
        raise ValueError(f"partitions must be 0 to {num_partitions - 1}, received {unknown[0]}")


def _integers(field: str, values: list[Any]) -> Integers:
    for value in values:
        if type(value) is not int or not -(2**63) <= value < 2**63:
            raise ValueError(f"{field} must be 64-bit integers, received {value!r:.40}")
    return np.array(values, np.int64)


def _lower_medians(partitions: Integers, times_ms: Integers) -> tuple[Integers, Integers, Integers]:
    """Distinct partitions [p] ascending, the lower median of each one's times [p], and how many times it has [p].

    The lower one of two middle values is an event's time, not a mean with one that may be years away.
    """
    order = np.lexsort((times_ms, partitions))
    named, starts, num_times = np.unique(partitions[order], return_index=True, return_counts=True)
    return named, times_ms[order][starts + (num_times - 1) // 2], num_times


def _in_seconds(times_ms: Integers | np.int64) -> NDArray[np.uint32]:
    return np.asarray(np.clip(times_ms // 1000, 0, _LATEST_STAMP_S)).astype(np.uint32)
