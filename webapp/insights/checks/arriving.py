"""Events that stop, that are rejected, that come twice, or that come from one user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from statistics import median
from typing import Final

from engine.spec.schema import EventRole
from webapp.insights.evidence import DAY_MS, HOUR_MS, Evidence
from webapp.insights.found import Found
from webapp.insights.models import Insight

DROP_HOURS: Final = 2
LEAST_EXPECTED: Final = 50
DROPPED_TO: Final = 0.3
LEAST_DAYS: Final = 2
REJECTED_SHARE: Final = 0.01
MANY_REJECTED: Final = 0.1
REPEATED_SHARE: Final = 0.02
HEAVY_SHARE: Final = 0.05
HEAVY_TIMES: Final = 20
LEAST_EVENTS: Final = 500


def rejected_rows(evidence: Evidence) -> Iterator[Found]:
    """Rows that the API and imports turned away in the last day, beside those taken."""
    taken = sum(evidence.num_since(name, evidence.now_ms - DAY_MS) for name in evidence.hours)
    rejected = evidence.num_rejected_day
    share = rejected / (taken + rejected) if rejected else 0.0
    if share >= REJECTED_SHARE:
        severity = Insight.Severity.BAD if share >= MANY_REJECTED else Insight.Severity.WARN
        yield Found("rejected_rows", "", severity, share, {"share": share, "num": rejected})


def dropped_types(evidence: Evidence) -> Iterator[Found]:
    """The last whole hours beside the same hours of the days before; without such days, beside the hours before."""
    last = evidence.now_ms // HOUR_MS * HOUR_MS
    for name, hours in evidence.hours.items():
        num = _between(hours, last - DROP_HOURS * HOUR_MS, last)
        usual, words = _usual(hours, last)
        if usual >= LEAST_EXPECTED and num < DROPPED_TO * usual:
            share = num / usual
            severity = Insight.Severity.BAD if share < DROPPED_TO / 3 else Insight.Severity.WARN
            values = {"type": name, "num": num, "usual": usual, "hours": DROP_HOURS, "beside": words, "fall": 1 - share}
            yield Found("dropped_type", name, severity, 1 - share, values)


def silent_types(evidence: Evidence) -> Iterator[Found]:
    """Types that are declared, and of which none came in a week in which others did."""
    since = evidence.now_ms - 7 * DAY_MS
    if sum(evidence.num_since(name, since) for name in evidence.hours) < LEAST_EVENTS:
        return
    for name, declared in evidence.schema.events.items():
        if not evidence.num_since(name, since):
            readers = [one.name for one in evidence.models if any(t.event_type == name for t in one.definition.tasks)]
            severity = Insight.Severity.WARN if readers else Insight.Severity.NOTE
            is_impression = declared.role is EventRole.IMPRESSION
            yield Found(
                "silent_type", name, severity, 0.3, {"type": name, "models": readers, "is_impression": is_impression}
            )


def repeated_events(evidence: Evidence) -> Iterator[Found]:
    """The same user, item, type and time under different event ids: one event sent twice."""
    for name, events in evidence.of_type().items():
        seen = Counter((event.user_id, event.item_ids, event.timestamp_ms) for event in events)
        num = sum(times - 1 for times in seen.values())
        share = num / len(events)
        if len(events) >= 100 and share >= REPEATED_SHARE:
            values = {"type": name, "share": share, "num": num, "num_seen": len(events)}
            yield Found("repeated_events", name, Insight.Severity.WARN, share, values)


def heavy_users(evidence: Evidence) -> Iterator[Found]:
    """One user with a large part of all events: a robot, a test, or an id that everybody shares."""
    users = Counter(event.user_id for event in evidence.events)
    total = len(evidence.events)
    if total < LEAST_EVENTS or len(users) < 20:
        return
    usual = median(users.values())
    for user_id, num in users.most_common(3):
        if num >= HEAVY_SHARE * total and num >= HEAVY_TIMES * usual:
            values = {"user_id": user_id, "share": num / total, "times": num / usual}
            yield Found("heavy_user", user_id, Insight.Severity.WARN, num / total, values)


def _usual(hours: dict[int, int], last: int) -> tuple[float, str]:
    """How many are usual, and beside what."""
    length = DROP_HOURS * HOUR_MS
    first = min(hours)
    days = [day for day in range(1, 8) if last - length - day * DAY_MS >= first]
    if len(days) >= LEAST_DAYS:
        same = [_between(hours, last - length - day * DAY_MS, last - day * DAY_MS) for day in days]
        return float(median(same)), f"at this time on the {len(days)} days before"
    before = [_between(hours, at, at + length) for at in range(last - 4 * length, last - length, length) if at >= first]
    return (float(median(before)), "in the hours before") if len(before) >= 2 else (0.0, "")


def _between(hours: dict[int, int], since: int, until: int) -> int:
    return sum(num for hour, num in hours.items() if since <= hour < until)
