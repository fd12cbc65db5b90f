"""Intervals that stay true however often they are looked at.

The unit is the user: what one user is shown and does is one cluster, so a rate is a ratio of sums over users, Σx / Σy, whose variance is
that of its linearisation z = (x - m·y) / mean(y) (the delta method for ratios; Deng, Knoblich and Lu, KDD 2018). A metric of each user is
the same with y = 1.

Intervals are asymptotic confidence sequences by the normal mixture (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central
limit theory and asymptotic confidence sequences", Annals of Statistics 2024, theorem 2.2; the mixture is Robbins', as in Howard, Ramdas,
McAuliffe and Sekhon, Annals of Statistics 2021, and in the mSPRT of Johari, Koomen, Pekelis and Walsh, Operations Research 2022):

    estimate ± s · sqrt( 2 (n ρ² + 1) / (n ρ²) · ln( sqrt(n ρ² + 1) / α ) )

with s the estimate's standard error and n the number of users. With probability 1 - α the truth is inside at all n at once, so an
experiment may be looked at continuously and stopped when an interval leaves zero. ρ² = (-2 ln α + ln(1 - 2 ln α)) / n* makes them
narrowest at about n* = `TUNED_FOR_USERS` users. Being asymptotic they are answered from `MIN_USERS` and `MIN_ACTIONS` of an arm on: the
spread of what hardly ever happened is not known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

TUNED_FOR_USERS: Final = 5_000
MIN_USERS: Final = 100
MIN_ACTIONS: Final = 10


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over the users of an arm of x (what is counted), y (what it is a share of; 1 for a metric of each user) and their products."""

    num: int
    x: float
    y: float
    xx: float
    xy: float
    yy: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean or ratio over `num` users who did `num_actions`, and its variance (the square of its standard error); infinite where it
    cannot be told."""

    value: float
    variance: float
    num: int
    num_actions: float


@dataclass(frozen=True, slots=True)
class Interval:
    """`value` is inside [`low`, `high`]."""

    value: float
    low: float
    high: float


def estimate(moments: Moments) -> Estimate | None:
    """Σx / Σy with the delta method's variance; None while nothing was shown."""
    num = moments.num
    if num == 0 or moments.y <= 0:
        return None
    ratio = moments.x / moments.y
    if num < 2:
        return Estimate(ratio, math.inf, num, moments.x)
    mean_y = moments.y / num
    residual = moments.xx - 2 * ratio * moments.xy + ratio * ratio * moments.yy
    return Estimate(ratio, max(0.0, residual) / (num - 1) / num / (mean_y * mean_y), num, moments.x)


def interval(of: Estimate, alpha: float) -> Interval | None:
    """Where the truth is, at all times; None before `MIN_USERS` and `MIN_ACTIONS`."""
    if of.num < MIN_USERS or of.num_actions < MIN_ACTIONS:
        return None
    half = _width(of.num, alpha) * math.sqrt(of.variance)
    return Interval(of.value, of.value - half, of.value + half)


def contrast(treatment: Estimate, control: Estimate, alpha: float, *, factor: float = 1.0) -> Interval | None:
    """Where treatment - `factor` · control is, at all times; None before `MIN_USERS` of each and twice `MIN_ACTIONS` of both: an
    arm in which nothing happens may be judged by the other."""
    num_actions = treatment.num_actions + control.num_actions
    if min(treatment.num, control.num) < MIN_USERS or num_actions < 2 * MIN_ACTIONS:
        return None
    value = treatment.value - factor * control.value
    variance = treatment.variance + factor * factor * control.variance
    half = _width(treatment.num + control.num, alpha) * math.sqrt(variance)
    return Interval(value, value - half, value + half)


def _width(num: int, alpha: float) -> float:
    """Of the interval's half, in standard errors."""
    log_alpha = -2 * math.log(alpha)
    scaled = num * (log_alpha + math.log(1 + log_alpha)) / TUNED_FOR_USERS
    return math.sqrt(2 * (scaled + 1) / scaled * math.log(math.sqrt(scaled + 1) / alpha))
