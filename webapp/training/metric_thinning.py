"""How many points of a run's curves are kept: the newest all, those before evenly over their time, so that a run's beginning stays."""

from __future__ import annotations

from django.db import connection

NEWEST_KEPT = 1_200
"""Twenty minutes, of a run that reports each second."""

OLDER_KEPT = 3_000
SLACK = 800
"""A run is thinned when it has so many more than it is to keep."""

_LONG = "SELECT run_id FROM training_runmetric GROUP BY run_id HAVING count(*) > %s"

_THIN = """
WITH placed AS (
    SELECT id, extract(epoch FROM at) AS at_s, "values" ? 'slices' AS has_slices, row_number() OVER (ORDER BY id DESC) AS place
    FROM training_runmetric WHERE run_id = %(run)s
), older AS (SELECT * FROM placed WHERE place > %(newest)s
), ends AS (SELECT min(at_s) AS low, max(at_s) + 0.001 AS high FROM older
), ranked AS (
    SELECT id, row_number() OVER (PARTITION BY width_bucket(at_s, low, high, %(older)s) ORDER BY has_slices DESC, id) AS nth
    FROM older, ends
)
DELETE FROM training_runmetric WHERE id IN (SELECT id FROM ranked WHERE nth > 1)
"""


def metrics_thin() -> int:
    """Answers how many points went. Where there is a choice, a point with slices stays."""
    num_gone = 0
    with connection.cursor() as cursor:
        cursor.execute(_LONG, [NEWEST_KEPT + OLDER_KEPT + SLACK])
        for (run_id,) in cursor.fetchall():
            cursor.execute(_THIN, {"run": run_id, "newest": NEWEST_KEPT, "older": OLDER_KEPT})
            num_gone += cursor.rowcount
    return num_gone
