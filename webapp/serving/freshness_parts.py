"""Freshness over a window of time, in parts: an hour and less as it was measured, more from what is kept together for long windows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from webapp.registry.models import ModelVersion
from webapp.serving.freshness_points import stretches
from webapp.serving.freshness_spans import spans_of
from webapp.tracing.models import SPAN_S
from webapp.tracing.sync_spans import SPAN

EXACT_S = 3600
"""Windows up to this are read point by point; a replica writes some 700 points an hour."""


@dataclass(slots=True)
class Part:
    """What was measured until `ends_at`: how many canaries took how many seconds, the most that one took, how many were given up, and
    for how long the oldest was waited for.
    """

    ends_at: datetime
    counts: Counter[float] = field(default_factory=Counter)
    max_s: float | None = None
    num_given_up: int = 0
    waiting_s: float | None = None

    def add(self, counts: Mapping[float, int], max_s: float | None, num_given_up: int, waiting_s: float | None) -> None:
        self.counts.update(counts)
        self.max_s = _most(self.max_s, max_s)
        self.num_given_up += num_given_up
        self.waiting_s = _most(self.waiting_s, waiting_s)

    def percentile(self, share: float) -> float | None:
        """By nearest rank; None when nothing arrived."""
        left = max(1, math.ceil(share * self.counts.total()))
        for value, number in sorted(self.counts.items()):
            left -= number
            if left <= 0:
                return value if self.max_s is None else min(value, self.max_s)
        return None


class _Parts:
    """Parts of `step_s` from `origin` on, made as they are added to; the last ends at `until`."""

    def __init__(self, origin: datetime, step_s: float, until: datetime) -> None:
        self.origin, self.step_s, self.until = origin, step_s, until
        self._by_number: dict[int, Part] = {}

    def at(self, number: int) -> Part:
        if number not in self._by_number:
            ends_at = self.origin + timedelta(seconds=(number + 1) * self.step_s)
            self._by_number[number] = Part(min(ends_at, self.until))
        return self._by_number[number]

    def add_points(self, model_version: ModelVersion, since: datetime) -> None:
        for one in stretches(
            model_version_id=model_version.pk,
            origin=self.origin,
            stretch_s=self.step_s,
            since=since,
            until=self.until,
        ):
            counts = Counter(one.wall_s)
            self.at(one.number).add(counts, max(counts, default=None), one.num_given_up, one.waiting_s)

    def add_spans(self, model_version: ModelVersion) -> datetime:
        """Answers up to when they tell."""
        told_until = self.origin
        for span in spans_of(model_version=model_version, since=self.origin, until=self.until):
            number = int((span.at - self.origin).total_seconds() // self.step_s)
            self.at(number).add(span.counts_s(), span.max_s, span.num_given_up, span.waiting_s)
            told_until = span.at + SPAN
        return told_until

    def in_order(self) -> list[Part]:
        return [part for _, part in sorted(self._by_number.items())]


def freshness_parts(
    *, model_version: ModelVersion, window_s: int, num_parts: int, now: datetime | None = None
) -> list[Part]:
    """At most `num_parts` parts up to now, in order; those in which nobody measured are absent.

    In windows above `EXACT_S` a value is to within 1 %; the slowest of a part, and how many met which edge of the histogram, are exact.
    """
    until = now or timezone.now()
    if window_s <= EXACT_S:
        parts = _Parts(until - timedelta(seconds=window_s), window_s / num_parts, until)
        parts.add_points(model_version, parts.origin)
        return parts.in_order()
    # Whole spans lie in whole parts when both begin at the same multiples.
    step_s = math.ceil(window_s / num_parts / SPAN_S) * SPAN_S
    end_s = (int(until.timestamp()) // step_s + 1) * step_s
    parts = _Parts(datetime.fromtimestamp(end_s - window_s // step_s * step_s, UTC), step_s, until)
    parts.add_points(model_version, parts.add_spans(model_version))
    return parts.in_order()


def _most(one: float | None, other: float | None) -> float | None:
    return max((value for value in (one, other) if value is not None), default=None)
