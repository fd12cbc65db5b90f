"""When a second replica is asked beside a slow first one, and how often at most."""

from __future__ import annotations

from collections import deque

NUM_KEPT = 256
NUM_ENOUGH = 32
RECKONED_EVERY = 32
SHARE = 0.95
LEAST_S = 0.005
UNTIL_KNOWN_S = 0.1

ALLOWED_SHARE = 0.1
MAX_SAVED = 10.0


class Hedging:
    """After `delay_s` a second replica is asked: the time within which 95 % of the newest answers came, or `fixed_s`.

    Of all calls at most a tenth are asked twice, so that replicas that are slow because there is too much to do do not get twice as
    much. Not thread-safe.
    """

    def __init__(self, fixed_s: float | None = None) -> None:
        self._fixed_s = fixed_s
        self._took_s: deque[float] = deque(maxlen=NUM_KEPT)
        self._num_until_reckoned = NUM_ENOUGH
        self._delay_s = UNTIL_KNOWN_S
        self._saved = 1.0

    @property
    def delay_s(self) -> float:
        return self._delay_s if self._fixed_s is None else self._fixed_s

    def note(self, took_s: float) -> None:
        """A replica answered after so long."""
        self._saved = min(MAX_SAVED, self._saved + ALLOWED_SHARE)
        self._took_s.append(took_s)
        self._num_until_reckoned -= 1
        if self._num_until_reckoned <= 0:
            self._num_until_reckoned = RECKONED_EVERY
            ordered = sorted(self._took_s)
            self._delay_s = max(LEAST_S, ordered[int(SHARE * (len(ordered) - 1))])

    def take(self) -> bool:
        """Whether one more may be asked twice; it is counted."""
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True
