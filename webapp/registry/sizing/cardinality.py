"""How many distinct ids there are, and how often each comes, from a sample of the stream.

How often an id came that the sample met c times follows from how many it met c + 1 times (Good, Biometrika 1953, after Turing), and so does
how many sightings were of ids that it did not meet at all. How many such ids there are is less sure: the greater of Chao's
estimate (Scandinavian Journal of Statistics 1984) and the guaranteed-error one (Charikar et al., PODS 2000), within what is certain.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Final

from engine.spec.slot import Admission, AdmitMinCount, AdmitProbability

_ENOUGH: Final = 8
"""Ids of two neighbouring counts from which on their numbers are believed."""

_MANY: Final = 600.0
"""Sightings in a sample from which on a threshold needs no chances."""


@dataclass(frozen=True, slots=True)
class Group:
    """`num` ids that the sample met `met` times each, and that came `mean` times on average in the whole stream.

    Their sightings are those it takes to meet `met` of them when one in mean / met is met. An id that was not met counts as met
    once of its `mean`: as many sightings as a geometric distribution has.
    """

    num: float
    met: int
    mean: float

    def power(self, z: float) -> float:
        """E[z^C] of the number of sightings C."""
        share = self.met / self.mean
        return math.pow(z * share / (1.0 - z * (1.0 - share)), self.met)

    def reaches(self, needed: int) -> float:
        """P(C >= needed): of the first `needed` - 1 sightings fewer than `met` were met."""
        trials, share = needed - 1, self.met / self.mean
        if trials < self.met:
            return 1.0
        if share >= 1.0 or trials * share > _MANY:
            return float(self.mean >= needed)
        term = total = math.pow(1.0 - share, trials)
        for number in range(1, self.met):
            term *= (trials - number + 1) / number * share / (1.0 - share)
            total += term
        return min(1.0, total)


@dataclass(frozen=True, slots=True)
class Spread:
    """Ids of one slot in the whole stream. `least` and `most`: what the number of distinct ids cannot be below or above."""

    groups: tuple[Group, ...]
    least: int
    most: float

    @property
    def num_ids(self) -> float:
        return sum(group.num for group in self.groups)

    def num_rows(self, admission: Admission, ttl_s: int | None, span_s: float) -> float:
        """Ids that have a row at the end of the stream, or at any time of one that goes on like this.

        `span_s` is the time in which the stream's sightings came; those of an id are taken to come at random over all of it.
        """
        left = math.exp(-ttl_s / span_s) if ttl_s is not None and 0 < ttl_s < span_s else 0.0
        if isinstance(admission, AdmitProbability):
            refused = 1.0 - admission.probability
            return sum(
                group.num * (1.0 - group.power(refused) - group.power(left) + group.power(refused * left))
                for group in self.groups
            )
        needed = 1
        if isinstance(admission, AdmitMinCount):
            # counts that are halved each window hold the sightings of about two
            windows = 1.0 if admission.window_s is None or span_s <= 0 else min(1.0, 2 * admission.window_s / span_s)
            needed = math.ceil(admission.min_count / windows) if admission.min_count > 1 else 1
        return sum(group.num * group.reaches(needed) * (1.0 - group.power(left)) for group in self.groups)

    def num_waiting(self, admission: Admission, span_s: float) -> float:
        """Ids that are counted and have not come often enough."""
        if not isinstance(admission, AdmitMinCount) or admission.min_count == 1:
            return 0.0
        return max(0.0, self.num_ids - self.num_rows(admission, None, span_s))

    def num_touched(self, share: float) -> float:
        """Distinct ids in a part of the stream that is this share of it, 0 to 1."""
        missed = math.exp(-share)
        return sum(group.num * (1.0 - group.power(missed)) for group in self.groups)


def spread_of(values: Iterable[Hashable], fraction: float, most_ids: float | None = None) -> Spread:
    """From the values in a sample that is this fraction of the stream, above 0 and at most 1.

    `most_ids`: there are no more, as a catalogue says.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must be above 0 and at most 1, received {fraction}")
    num_by_count = Counter(Counter(values).values())
    least, once, twice = sum(num_by_count.values()), num_by_count[1], num_by_count[2]
    most = least + once * (1.0 / fraction - 1.0)
    if most_ids is not None:
        most = max(least, min(most, most_ids))
    groups = [Group(num, count, _mean(num_by_count, count, fraction)) for count, num in sorted(num_by_count.items())]
    unmet = max(
        once * (1.0 / math.sqrt(fraction) - 1.0), once * once / (2.0 * twice) if twice and fraction < 1 else 0.0
    )
    unmet = min(unmet, most - least)
    if unmet > 0:
        groups.append(Group(unmet, 1, max(1.0, once * (1.0 / fraction - 1.0) / unmet)))
    return Spread(tuple(groups), least, most)


def _mean(num_by_count: Counter[int], count: int, fraction: float) -> float:
    """Sightings of an id that was met `count` times: those, and what the next larger count says of the rest of the stream."""
    num, next_num = num_by_count[count], num_by_count[count + 1]
    if min(num, next_num) < _ENOUGH:
        return count / fraction
    return count + (1.0 / fraction - 1.0) * (count + 1) * next_num / num
