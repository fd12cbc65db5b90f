"""Counts of events into PostgreSQL, and marks of the items they were about, a bite in one statement each. Call inside a transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from django.db import connection


class CountKey(NamedTuple):
    """`at_ms` is when the span of `span_s` seconds begins."""

    span_s: int
    at_ms: int
    type: str


_COUNT = """
INSERT INTO insights_eventcount (project_id, span_s, at, type, num)
SELECT %s, * FROM unnest(%s::smallint[], %s::timestamptz[], %s::text[], %s::bigint[])
ON CONFLICT (project_id, span_s, at, type) DO UPDATE SET num = insights_eventcount.num + EXCLUDED.num
"""

# Those that somebody else is writing just now are marked by their next event: nobody waits for anybody.
_MARK_SEEN = """
UPDATE catalog_item SET seen_at = now() WHERE id IN (
    SELECT id FROM catalog_item WHERE project_id = %s AND external_id = ANY(%s::text[]) AND seen_at IS NULL
    ORDER BY external_id FOR UPDATE SKIP LOCKED)
"""

_FORGET = "DELETE FROM insights_eventcount WHERE span_s = %s AND at < now() - make_interval(secs => %s)"


def add_counts(project_id: int, counts: Mapping[CountKey, int]) -> None:
    if not counts:
        return
    keys = sorted(counts)
    columns = (
        [key.span_s for key in keys],
        [datetime.fromtimestamp(key.at_ms / 1000, tz=UTC) for key in keys],
        [key.type for key in keys],
        [counts[key] for key in keys],
    )
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [project_id, *columns])


def mark_seen(project_id: int, item_ids: Collection[str]) -> None:
    """Note of these items that there are events about them."""
    if not item_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(_MARK_SEEN, [project_id, sorted(item_ids)])


def forget_counts(span_s: int, older_than_s: float) -> int:
    """Of every project; answers how many counts went."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, [span_s, older_than_s])
        return int(cursor.rowcount)
