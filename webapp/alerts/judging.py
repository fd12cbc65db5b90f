"""From values to alerts: a pure state machine. Above the threshold for long enough fires; well below it for long enough ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from webapp.alerts.kinds import CALM_FOR_S, CLEAR_SHARE


@dataclass(frozen=True, slots=True)
class Limits:
    """Fires after `for_s` seconds above `threshold`; ends after `calm_for_s` seconds at or below `clear_at`."""

    threshold: float
    for_s: float
    calm_for_s: float = CALM_FOR_S

    @property
    def clear_at(self) -> float:
        return self.threshold * CLEAR_SHARE


@dataclass(frozen=True, slots=True)
class Standing:
    """Of a subject in trouble: since when, since when it fires (None: not yet), and since when it has been calm (None: it is not)."""

    since: datetime
    fired_at: datetime | None = None
    calm_since: datetime | None = None


class Change(StrEnum):
    FIRED = "fired"
    RESOLVED = "resolved"


def judge(
    standing: Standing | None, value: float | None, limits: Limits, now: datetime
) -> tuple[Standing | None, Change | None]:
    """How it stands after a measurement, and what changed by it. `value` None: there is nothing to measure any more, which is calm."""
    if standing is None or standing.fired_at is None:
        return _judge_unfired(standing, value, limits, now)
    if value is not None and value > limits.clear_at:
        return replace(standing, calm_since=None), None
    calm_since = standing.calm_since or now
    if now - calm_since >= timedelta(seconds=limits.calm_for_s):
        return None, Change.RESOLVED
    return replace(standing, calm_since=calm_since), None


def _judge_unfired(
    standing: Standing | None, value: float | None, limits: Limits, now: datetime
) -> tuple[Standing | None, Change | None]:
    if value is None or value <= limits.threshold:
        return None, None
    standing = standing or Standing(now)
    if now - standing.since < timedelta(seconds=limits.for_s):
        return standing, None
    return replace(standing, fired_at=now), Change.FIRED
