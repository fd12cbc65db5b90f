"""A run's curves as its page draws them: bounded on the server however long the run is, evenly over the time that is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from django.db import connection

from webapp.training.models import Run

MAX_POINTS: Final = 500

_POINTS = """
WITH shown AS (
    SELECT id, extract(epoch FROM at) AS at_s FROM training_runmetric
    WHERE run_id = %(run)s AND id > %(after)s{only}
    AND at >= coalesce(%(since)s::timestamptz, '-infinity') AND at <= coalesce(%(until)s::timestamptz, 'infinity')
), ends AS (SELECT min(at_s) AS low, max(at_s) + 0.001 AS high, count(*) AS num FROM shown)
SELECT id, at, num_examples, {kept} FROM training_runmetric WHERE id IN (
    SELECT max(id) FROM shown, ends GROUP BY CASE WHEN num <= %(limit)s THEN id ELSE width_bucket(at_s, low, high, %(limit)s) END
) ORDER BY id
"""
_CURVES = _POINTS.format(only="", kept="\"values\" - 'slices'")
_SLICES = _POINTS.format(only=" AND \"values\" ? 'slices'", kept="\"values\" -> 'slices' -> %(slice)s")


@dataclass(frozen=True, slots=True)
class Point:
    """`values` by name of metric, or by value of a slice."""

    id: int
    at: datetime
    num_examples: int
    values: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {**self.values, "at_s": round(self.at.timestamp(), 3), "num_examples": self.num_examples}


def run_points(
    *,
    run: Run,
    after_id: int = 0,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = MAX_POINTS,
) -> list[Point]:
    """Points with an id above `after_id` and a time between `since` and `until`, oldest first. Of more than `limit`, of each
    of as many equal parts of their time the newest, so that the newest of all is always there. Slices are left out."""
    return _points(_CURVES, run=run.pk, after=after_id, since=since, until=until, limit=max(1, limit))


def slice_points(*, run: Run, name: str, limit: int = MAX_POINTS) -> list[Point]:
    """As `run_points`, of the points that have slices: `values` is the metrics by name, by value of the slice `name`."""
    points = _points(_SLICES, run=run.pk, after=0, since=None, until=None, limit=limit, slice=name)
    return [point for point in points if point.values]


def _points(statement: str, **parameters: Any) -> list[Point]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [Point(row[0], row[1], row[2], _document(row[3])) for row in cursor.fetchall()]


def columns(points: Sequence[Point], keys: Iterable[str] | None = None) -> dict[str, list[float | None]]:
    """By name a column as long as `points`, with `at_s` and `num_examples`; numbers keep seven significant digits. `keys` limits it."""
    wanted = set(keys) if keys is not None else {key for point in points for key in point.values}
    found: dict[str, list[float | None]] = {
        "at_s": [round(point.at.timestamp(), 3) for point in points],
        "num_examples": [point.num_examples for point in points],
    }
    for key in sorted(wanted - found.keys()):
        column = [_short(point.values.get(key)) for point in points]
        if any(value is not None for value in column):
            found[key] = column
    return found


def _short(value: Any) -> float | None:
    if isinstance(value, float):
        return float(f"{value:.7g}")
    return value if isinstance(value, int) else None


def _document(value: Any) -> dict[str, Any]:
    """Django hands JSON of a statement of its own over as text."""
    found = orjson.loads(value) if isinstance(value, str | bytes) else value
    return found if isinstance(found, dict) else {}
