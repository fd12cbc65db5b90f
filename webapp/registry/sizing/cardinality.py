"""How many distinct ids there are, and how often each comes, from a sample of the stream.

Distinct ids by the guaranteed-error estimator (Charikar, Chaudhuri, Motwani and Narasayya, PODS 2000): an id seen twice or more in the
sample stands for itself; those seen once for the geometric mean of the least and the most that they can stand for.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Final

from engine.spec.slot import Admission, AdmitMinCount, AdmitProbability

_MANY: Final = 600.0
"""Sightings in a sample from which on a threshold needs no chances."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Ids of one slot in the whole stream, of which a `fraction` was looked at.

    `often`: (sightings, number of ids) of those that the sample met again.
    `num_rare` ids were met once or not at all; each has `rare_mean` sightings on average, by a geometric distribution. `least` and `most`
    are what the number of distinct ids cannot be below or above.
    """

    fraction: float
    often: tuple[tuple[float, int], ...]
    num_rare: float
    rare_mean: float
    least: int
    most: float

    @property
    def num_ids(self) -> float:
        return sum(num for _, num in self.often) + self.num_rare

    def num_rows(self, admission: Admission, ttl_s: int | None, span_s: float) -> float:
        """Ids that have a row at the end of the stream, or at any time of one that goes on like this.

        `span_s` is the time in which the stream's sightings came; those of an id are taken to come at random over all of it.
        """
        left: float = math.exp(-ttl_s / span_s) if ttl_s is not None and 0 < ttl_s < span_s else 0.0
        if isinstance(admission, AdmitProbability):
            return self._drawn(1.0 - admission.probability, left)
        least, faded = 1.0, 1.0
        if isinstance(admission, AdmitMinCount):
            least = admission.min_count
            if admission.window_s is not None and span_s > 0:
                # counts that are halved each window hold the sightings of about two
                faded = min(1.0, 2 * admission.window_s / span_s)
        needed = math.ceil(least / faded) if least > 1 else 1
        rows = sum(num * self._reaches(count, needed) * (1.0 - math.pow(left, count)) for count, num in self.often)
        return rows + self.num_rare * self._rare_beyond(needed, left)

    def num_waiting(self, admission: Admission, span_s: float) -> float:
        """Ids that are counted and have not come often enough."""
        if not isinstance(admission, AdmitMinCount) or admission.min_count == 1:
            return 0.0
        return max(0.0, self.num_ids - self.num_rows(admission, None, span_s))

    def num_touched(self, share: float) -> float:
        """Distinct ids in a part of the stream that is this share of it, 0 to 1."""
        missed = math.exp(-share)
        often = sum(num * (1.0 - math.pow(missed, count)) for count, num in self.often)
        return often + self.num_rare * (1.0 - self._rare(missed))

    def _drawn(self, refused: float, left: float) -> float:
        """Rows where each sighting is refused with a probability."""
        often = sum(num * (1.0 - math.pow(refused, count)) * (1.0 - math.pow(left, count)) for count, num in self.often)
        rare = 1.0 - self._rare(refused) - self._rare(left) + self._rare(refused * left)
        return often + self.num_rare * rare

    def _reaches(self, count: float, needed: int) -> float:
        """The chance that an id of about so many sightings has at least those needed: not known to the sighting unless all were seen.

        Sightings are trials of which the sample kept each with one probability; how many it took to keep those it did is a negative
        binomial, and more than n - 1 when less than that were kept of n - 1.
        """
        kept, trials, share = round(count * self.fraction), needed - 1, self.fraction
        if share == 1.0 or kept > trials or trials * share > _MANY:
            return float(count >= needed)
        term = total = math.pow(1.0 - share, trials)
        for number in range(1, kept):
            term *= (trials - number + 1) / number * share / (1.0 - share)
            total += term
        return min(1.0, total)

    def _rare(self, z: float) -> float:
        """E[z^C] of a rare id's number of sightings C."""
        stop = 1.0 / self.rare_mean
        return z * stop / (1.0 - z * (1.0 - stop))

    def _rare_beyond(self, least: int, left: float) -> float:
        """E[1 - left^C; C >= least]: the share of rare ids that come often enough and are there at the end."""
        stop = 1.0 / self.rare_mean
        beyond = math.pow(1.0 - stop, least - 1)
        return beyond - stop * math.pow(left, least) * beyond / (1.0 - left * (1.0 - stop))


def spread_of(values: Iterable[Hashable], fraction: float, most_ids: float | None = None) -> Spread:
    """From the values in a sample that is this fraction of the stream, above 0 and at most 1.

    `most_ids`: there are no more, as a catalogue says.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must be above 0 and at most 1, received {fraction}")
    by_count = Counter(Counter(values).values())
    once = by_count.pop(1, 0)
    often = tuple((count / fraction, num) for count, num in sorted(by_count.items()))
    num_often = sum(num for _, num in often)
    least, most = num_often + once, num_often + once / fraction
    rare = once / math.sqrt(fraction)
    if most_ids is not None:
        most = max(least, min(most, most_ids))
        rare = max(once, min(rare, most - num_often))
    mean = max(1.0, once / fraction / rare) if rare else 1.0
    return Spread(fraction, often, rare, mean, least, most)
