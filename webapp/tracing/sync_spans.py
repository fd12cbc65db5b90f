"""A day of parameter sync in few rows: what trainers and replicas noted each ten seconds, added up over six minutes when these are over.

Sums and maxima stay exact. What is not in a span yet is read from the rows of ten seconds.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from webapp.registry.models import ModelVersion
from webapp.tracing.models import SPAN_S, ReplicaHistory, ReplicaSpan, TrainerHistory, TrainerSpan

SPAN = timedelta(seconds=SPAN_S)
LATE = timedelta(seconds=60)
"""So long after its end a span is made: what is noted of it has come by then."""

KEPT = timedelta(days=1, hours=1)
EPOCH = datetime.fromtimestamp(0, UTC)

_TRAINER = """
WITH row AS (
    SELECT date_bin(%(span)s, at, %(epoch)s) AS begun, num_bytes, rows_by_slot FROM tracing_trainerhistory
    WHERE model_version_id = %(version)s AND at < %(until)s AND at >= GREATEST(
        %(oldest)s, (SELECT max(at) + %(span)s FROM tracing_trainerspan WHERE model_version_id = %(version)s))
), slot AS (
    SELECT begun, number, sum(num::bigint) AS num FROM row, jsonb_each_text(rows_by_slot) AS each_slot (number, num)
    GROUP BY begun, number
), by_slot AS (
    SELECT begun, jsonb_object_agg(number, num) AS nums FROM slot GROUP BY begun
), whole AS (
    SELECT begun, sum(num_bytes) AS num_bytes FROM row GROUP BY begun
)
INSERT INTO tracing_trainerspan (model_version_id, at, num_bytes, rows_by_slot)
SELECT %(version)s, begun, num_bytes, COALESCE(nums, '{}'::jsonb) FROM whole LEFT JOIN by_slot USING (begun)
ON CONFLICT DO NOTHING
"""

_REPLICA = """
INSERT INTO tracing_replicaspan (model_version_id, at, replica, num_behind, age_s, num_rows_applied, num_bytes_applied)
SELECT %(version)s, date_bin(%(span)s, at, %(epoch)s) AS begun, replica,
       max(num_behind), max(age_s), sum(num_rows_applied), sum(num_bytes_applied)
FROM tracing_replicahistory
WHERE model_version_id = %(version)s AND at < %(until)s AND at >= GREATEST(
    %(oldest)s, (SELECT max(at) + %(span)s FROM tracing_replicaspan WHERE model_version_id = %(version)s))
GROUP BY begun, replica
ON CONFLICT DO NOTHING
"""


def history_roll_up(*, now: datetime | None = None) -> int:
    """Add up what has ended since the last time; answers how many rows it made."""
    moment = now or timezone.now()
    until, oldest = span_begin(moment - LATE), span_begin(moment - KEPT)
    num_made = 0
    for statement, history in ((_TRAINER, TrainerHistory), (_REPLICA, ReplicaHistory)):
        # Each version by its index: the rows of all are many.
        noted = history.objects.filter(model_version=OuterRef("pk"), at__gte=oldest, at__lt=until)
        for version_id in ModelVersion.objects.filter(Exists(noted)).values_list("pk", flat=True):
            values: dict[str, Any] = {
                "version": version_id,
                "span": SPAN,
                "epoch": EPOCH,
                "until": until,
                "oldest": oldest,
            }
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(statement, values)
                num_made += cursor.rowcount
    return num_made


def history_spans_prune(*, now: datetime | None = None) -> int:
    """Forget what is older than `KEPT`; answers how many rows."""
    before = (now or timezone.now()) - KEPT
    return sum(kind.objects.filter(at__lt=before).delete()[0] for kind in (TrainerSpan, ReplicaSpan))


def span_begin(moment: datetime) -> datetime:
    """Of the six minutes in which it lies."""
    return datetime.fromtimestamp(moment.timestamp() // SPAN_S * SPAN_S, UTC)
