"""When the windows of a shown item end, one after another, and for which actions each of them does."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

NOT_ENDED = -1
"""Of an impression none of whose windows has ended."""


class Stages:
    """The ends of an impression's windows, in ms after it was shown.

    Emitting at once, each distinct window has its own end, after which it is known which of its actions did not come. Waiting, there is
    one end, that of the longest window. When actions may come late the last end is `late_ms` after that: until then the impression is
    remembered, and nothing is decided by it.
    """

    def __init__(self, windows_ms: Mapping[str, int], late_ms: int, default_ms: int) -> None:
        """`windows_ms` by action type. Those not named, as of an older schema, are waited for as long as any."""
        self.late_ms = late_ms
        self._windows_ms = dict(windows_ms)
        by_window: dict[int, list[str]] = {}
        for action, window_ms in windows_ms.items():
            by_window.setdefault(window_ms, []).append(action)
        self.longest_ms = longest = max(by_window, default=default_ms)
        late = (longest + late_ms,) if late_ms else ()
        self._ends = {False: (*(sorted(by_window) or [longest]), *late), True: (longest, *late)}
        self._actions: dict[tuple[bool, int], tuple[str, ...]] = {
            (False, window_ms): tuple(actions) for window_ms, actions in by_window.items()
        }
        self._actions[True, longest] = tuple(windows_ms)
        self.are_several = len(by_window) > 1

    def window_ms(self, action: str) -> int:
        return self._windows_ms.get(action, self.longest_ms)

    def decision_ms(self, waits: bool, action: str) -> int:
        """The end at which it is said whether the action came."""
        return self.longest_ms if waits else self.window_ms(action)

    def next_end(self, waits: bool, ended_ms: int) -> int | None:
        """The first end after `ended_ms`; None when all have ended."""
        ends = self._ends[waits]
        place = bisect_right(ends, ended_ms)
        return ends[place] if place < len(ends) else None

    def decided_at(self, waits: bool, end_ms: int) -> tuple[str, ...]:
        """The actions whose outcome is known at this end, in the order in which they were declared."""
        return self._actions.get((waits, end_ms), ())

    def to_json(self) -> list[list[int]]:
        """What must be equal for deadlines to be so."""
        return [list(self._ends[False]), list(self._ends[True])]
