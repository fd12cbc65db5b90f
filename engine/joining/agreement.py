"""Whether the features that serving logged are those that the log itself would have given: a check on live traffic, source by source."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import xxhash

SAMPLED_SHARE: Final = 1 / 16
"""Of the impressions, by their event ids alone, so that a replay compares the same."""

_FORGET_AT: Final = 50_000
# A replica and the joiner read the same events some milliseconds apart, in which a decayed count moves a little.
_TOLERANCE: Final = 1e-3


class FeatureAgreement:
    """For each source how many values were compared and how many differed; older comparisons count for less.

    What differs was computed by a replica that had read less (or more) of the log than what comes before the impression, or by other
    code. Training takes what was logged.
    """

    def __init__(self) -> None:
        self._counts: dict[str, list[float]] = {}

    @staticmethod
    def is_sampled(event_id: str) -> bool:
        return xxhash.xxh64_intdigest(event_id.encode(), seed=1) < SAMPLED_SHARE * 2.0**64

    def compare(self, entity: str, logged: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        """Properties or counters of one entity, by name. One that is absent is null; numbers may differ by a thousandth."""
        for name in logged.keys() | known.keys():
            self._note(f"{entity}.{name}", _is_same(logged.get(name), known.get(name)))

    def compare_history(self, logged: Iterable[str], known: Iterable[str]) -> None:
        self._note("user.history", tuple(logged) == tuple(known))

    def to_json(self) -> dict[str, dict[str, float]]:
        """By source `num_compared` and `num_differing`, each a sum that is halved from time to time."""
        return {
            source: {"num_compared": compared, "num_differing": differing}
            for source, (compared, differing) in sorted(self._counts.items())
        }

    def restore(self, data: Mapping[str, Mapping[str, float]]) -> None:
        """The inverse of `to_json`. Raises KeyError, ValueError or TypeError for anything else."""
        self._counts = {
            source: [float(counts["num_compared"]), float(counts["num_differing"])] for source, counts in data.items()
        }

    def _note(self, source: str, is_same: bool) -> None:
        counts = self._counts.setdefault(source, [0.0, 0.0])
        if counts[0] >= _FORGET_AT:
            counts[:] = [count / 2 for count in counts]
        counts[0] += 1.0
        counts[1] += not is_same


def _is_same(logged: Any, known: Any) -> bool:
    if isinstance(logged, float) and isinstance(known, float):
        return math.isclose(logged, known, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    return bool(logged == known)
