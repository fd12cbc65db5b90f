"""A version's parameter sync over the last minutes or hours, brought together by the database from rows of ten seconds, and those that
are added up already from rows of six minutes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from webapp.registry.models import ModelVersion
from webapp.tracing.models import ROW_S, SPAN_S, Resync
from webapp.tracing.sync_spans import SPAN

NUM_BINS = 60
RESYNCS_SHOWN = 20

# Rows of ten seconds, and in their place spans where these are told of and lie whole in bins.
_TRAINER_ROWS = """
SELECT at, num_bytes, rows_by_slot FROM tracing_trainerspan
WHERE model_version_id = %(version)s AND at >= %(start)s AND %(by_spans)s
UNION ALL
SELECT at, num_bytes, rows_by_slot FROM tracing_trainerhistory
WHERE model_version_id = %(version)s AND at >= GREATEST(%(start)s, (
    SELECT max(at) + %(span)s FROM tracing_trainerspan WHERE model_version_id = %(version)s AND %(by_spans)s))
"""

_REPLICA_ROWS = """
SELECT at, replica, num_behind, age_s, num_rows_applied, num_bytes_applied FROM tracing_replicaspan
WHERE model_version_id = %(version)s AND at >= %(start)s AND %(by_spans)s
UNION ALL
SELECT at, replica, num_behind, age_s, num_rows_applied, num_bytes_applied FROM tracing_replicahistory
WHERE model_version_id = %(version)s AND at >= GREATEST(%(start)s, (
    SELECT max(at) + %(span)s FROM tracing_replicaspan WHERE model_version_id = %(version)s AND %(by_spans)s))
"""

_PUBLISHED = f"""
SELECT date_bin(%(bin)s, at, %(start)s) AS bin, sum(num_bytes) FROM ({_TRAINER_ROWS}) AS noted GROUP BY bin
"""  # noqa: S608

_TOUCHED = f"""
SELECT date_bin(%(bin)s, at, %(start)s) AS bin, slot, sum(num::bigint)
FROM ({_TRAINER_ROWS}) AS noted, jsonb_each_text(rows_by_slot) AS each_slot (slot, num) GROUP BY bin, slot
"""  # noqa: S608

_REPLICAS = f"""
SELECT date_bin(%(bin)s, at, %(start)s) AS bin, replica,
       max(num_behind), max(age_s), sum(num_rows_applied), sum(num_bytes_applied)
FROM ({_REPLICA_ROWS}) AS noted GROUP BY bin, replica
"""  # noqa: S608

Series = dict[str, list[float | None]]


@dataclass(frozen=True, slots=True)
class SyncHistory:
    """Bins of `bin_s` that begin at `at_ms`; where nothing was noted there is None. By replica: deltas behind and age (the most of the
    bin), rows and bytes applied a second. By slot number: touched rows published a second. `bytes_s`: bytes published a second.
    """

    bin_s: int
    at_ms: list[int]
    behind: Series = field(default_factory=dict)
    age_s: Series = field(default_factory=dict)
    rows_applied_s: Series = field(default_factory=dict)
    bytes_applied_s: Series = field(default_factory=dict)
    touched_s: dict[int, list[float]] = field(default_factory=dict)
    bytes_s: list[float] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not self.behind and not self.touched_s


def sync_history(*, model_version: ModelVersion, window_s: int, now: datetime | None = None) -> SyncHistory:
    """`NUM_BINS` bins up to now, or fewer and none shorter than what is kept."""
    bin_s = max(ROW_S, -(-window_s // NUM_BINS // ROW_S) * ROW_S)
    now_s = (now or timezone.now()).timestamp()
    end_s = int(now_s) // bin_s * bin_s + bin_s
    starts_s = range(end_s - (window_s // bin_s) * bin_s, end_s, bin_s)
    place = {one: number for number, one in enumerate(starts_s)}
    # What lasts still has had less time.
    last_s = max(float(ROW_S), now_s - starts_s[-1])

    def lasts_s(number: int) -> float:
        return last_s if number == len(starts_s) - 1 else float(bin_s)

    history = SyncHistory(bin_s, [one * 1000 for one in starts_s], bytes_s=[0.0] * len(starts_s))
    values = {
        "bin": timedelta(seconds=bin_s),
        "start": datetime.fromtimestamp(starts_s.start, UTC),
        "version": model_version.pk,
        "span": SPAN,
        "by_spans": bin_s % SPAN_S == 0,
    }
    for moment, num_bytes in _rows(_PUBLISHED, values):
        number = place[_seconds(moment)]
        history.bytes_s[number] = float(num_bytes) / lasts_s(number)
    for moment, slot, num_rows in _rows(_TOUCHED, values):
        of_slot = history.touched_s.setdefault(int(slot), [0.0] * len(starts_s))
        number = place[_seconds(moment)]
        of_slot[number] = float(num_rows) / lasts_s(number)
    for moment, replica, behind, age_s, num_rows, num_bytes in _rows(_REPLICAS, values):
        number = place[_seconds(moment)]
        for series, value in (
            (history.behind, behind),
            (history.age_s, age_s),
            (history.rows_applied_s, float(num_rows) / lasts_s(number)),
            (history.bytes_applied_s, float(num_bytes) / lasts_s(number)),
        ):
            series.setdefault(replica, [None] * len(starts_s))[number] = None if value is None else float(value)
    return history


def resyncs_of(*, model_version: ModelVersion, limit: int = RESYNCS_SHOWN) -> Sequence[Resync]:
    """The newest, newest first."""
    return list(Resync.objects.filter(model_version=model_version).order_by("-id")[:limit])


def verified_of(*, model_version: ModelVersion) -> dict[str, int]:
    """By replica the newest sequence after which its digests were found equal to the trainer's, as noted in the last minutes."""
    query = """
        SELECT DISTINCT ON (replica) replica, verified_sequence FROM tracing_replicahistory
        WHERE model_version_id = %(version)s AND at >= %(since)s ORDER BY replica, at DESC
    """
    return dict(_rows(query, {"version": model_version.pk, "since": timezone.now() - timedelta(minutes=5)}))


def _rows(query: str, values: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
