"""What replicas measured, read a stretch of time at once: the database joins the lists, and one reader parses them together."""

from __future__ import annotations

from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

import orjson
from django.db import connection

_STRETCHES = """
SELECT floor(extract(epoch FROM at - %(origin)s) / %(stretch_s)s)::int AS stretch,
       string_agg(wall_s::text, ','), sum(num_given_up), max(waiting_s)
FROM serving_freshnesspoint WHERE model_version_id = %(version)s AND at >= %(since)s AND at < %(until)s
GROUP BY stretch ORDER BY stretch
"""

_WHOLE = """
WITH point AS MATERIALIZED (
    SELECT at, wall_s, event_s, num_given_up, waiting_s FROM serving_freshnesspoint
    WHERE model_version_id = %(version)s AND at >= %(since)s
)
SELECT string_agg(wall_s::text, ','), string_agg(event_s::text, ','), coalesce(sum(num_given_up), 0),
       max(waiting_s) FILTER (WHERE at >= (SELECT max(at) FROM point) - make_interval(secs => %(newest_s)s))
FROM point
"""


class Stretch(NamedTuple):
    """The `number`-th stretch of time: each canary's seconds from receipt, unordered, and the longest wait in it."""

    number: int
    wall_s: list[float]
    num_given_up: int
    waiting_s: float | None


class Whole(NamedTuple):
    """All that was measured in a window; `waiting_s` is the longest wait that the newest points tell of."""

    wall_s: list[float]
    event_s: list[float]
    num_given_up: int
    waiting_s: float | None


def stretches(
    *, model_version_id: int, origin: datetime, stretch_s: float, since: datetime, until: datetime
) -> list[Stretch]:
    """From `since` on and before `until`, in order, counted from `origin`; those in which nobody measured are absent."""
    values: dict[str, Any] = {
        "version": model_version_id,
        "origin": origin,
        "stretch_s": stretch_s,
        "since": since,
        "until": until,
    }
    with connection.cursor() as cursor:
        cursor.execute(_STRETCHES, values)
        return [Stretch(number, _joined(wall), given_up, wait) for number, wall, given_up, wait in cursor.fetchall()]


def whole(*, model_version_id: int, since: datetime, newest_s: float) -> Whole:
    """`newest_s`: points within so many seconds of the newest one tell who is still waited for."""
    values: dict[str, Any] = {"version": model_version_id, "since": since, "newest_s": newest_s}
    with connection.cursor() as cursor:
        cursor.execute(_WHOLE, values)
        wall, event, num_given_up, waiting_s = cursor.fetchall()[0]
    return Whole(_joined(wall), _joined(event), int(num_given_up), waiting_s)


def _joined(lists: str | None) -> list[float]:
    """Of JSON lists with commas between."""
    found: list[list[Any]] = orjson.loads(f"[{lists or ''}]")
    return list(chain.from_iterable(found))
