"""Counts and recommendations into PostgreSQL and out of it, a bite in one statement each. Call inside a transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import orjson
from django.db import connection

from webapp.experiments.feedback_counting import CountKey, ShadowKey, ShadowSums, Shown, UserKey

# As one document: as arrays each value would be quoted by itself, which takes longer than all else that is done with it.
_REMEMBER = """
INSERT INTO experiments_shownlately
    (project_id, key, shown_ms, "user", deployment, revision, experiment, arm, items, sources, acted, shadows, partition, "offset")
SELECT %s, key, shown_ms, "user", deployment, revision, experiment, arm, items, sources, '{}', '{}', partition, "offset"
FROM json_to_recordset(%s::json) AS new (
    key bigint, shown_ms bigint, "user" bigint, deployment text, revision integer, experiment text, arm text, items jsonb,
    sources jsonb, partition integer, "offset" bigint
)
ON CONFLICT (project_id, key) DO NOTHING
RETURNING key
"""

_RECALL = """
SELECT key, shown_ms, "user", deployment, revision, experiment, arm, items::text, sources::text, acted::text, shadows::text,
    followed::text, partition, "offset"
FROM experiments_shownlately WHERE project_id = %s AND key = ANY(%s)
"""

_NOTE = """
UPDATE experiments_shownlately AS old
SET acted = new.acted::jsonb, shadows = new.shadows::jsonb, followed = new.followed::jsonb
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[]) AS new (key, acted, shadows, followed)
WHERE old.project_id = %s AND old.key = new.key
"""

_COUNT = """
INSERT INTO experiments_feedbackcount
    (project_id, hour, deployment, revision, experiment, arm, source, position, type, num)
SELECT %s, * FROM unnest(
    %s::timestamptz[], %s::text[], %s::integer[], %s::text[], %s::text[], %s::text[], %s::smallint[], %s::text[], %s::bigint[]
)
ON CONFLICT (project_id, deployment, hour, revision, experiment, arm, source, position, type)
DO UPDATE SET num = experiments_feedbackcount.num + EXCLUDED.num
"""

_COUNT_USERS = """
INSERT INTO experiments_armusercount (project_id, experiment, arm, "user", type, num)
SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::text[], %s::bigint[])
ON CONFLICT (project_id, experiment, arm, "user", type) DO UPDATE SET num = experiments_armusercount.num + EXCLUDED.num
"""

_SHADOW_SUMS = (
    "num_requests", "num_places", "num_shared", "num_acted", "num_acted_shared",
    "sum_reciprocal_shown", "sum_reciprocal_shadow",
)  # fmt: skip
_COUNT_SHADOWS = """
INSERT INTO experiments_shadowcount (project_id, hour, deployment, shown, {columns})
VALUES (%s, %s, %s, %s, {values})
ON CONFLICT (project_id, deployment, hour, shown) DO UPDATE SET {added}
""".format(
    columns=", ".join(_SHADOW_SUMS),
    values=", ".join(["%s"] * len(_SHADOW_SUMS)),
    added=", ".join(f"{name} = experiments_shadowcount.{name} + EXCLUDED.{name}" for name in _SHADOW_SUMS),
)

_FORGET_OLD = "DELETE FROM experiments_shownlately WHERE project_id = %s AND shown_ms < %s"
# Ids grow, so where the newest is not that far from the oldest there cannot be so many, and they need not be counted.
_FORGET_BEYOND = """
DELETE FROM experiments_shownlately WHERE project_id = %(project)s
    AND (SELECT max(id) - min(id) FROM experiments_shownlately WHERE project_id = %(project)s) >= %(keep)s
    AND id <= (
        SELECT id FROM experiments_shownlately WHERE project_id = %(project)s ORDER BY id DESC OFFSET %(keep)s LIMIT 1)
"""


def remember(project_id: int, found: Collection[Shown]) -> set[int]:
    """Keep these for actions to come; answers the keys of those that were not known yet."""
    if not found:
        return set()
    rows = [
        {
            "key": one.key,
            "shown_ms": one.shown_ms,
            "user": one.user,
            "deployment": one.deployment,
            "revision": one.revision,
            "experiment": one.experiment,
            "arm": one.arm,
            "items": one.items,
            "sources": one.sources,
            "partition": one.partition,
            "offset": one.offset,
        }
        for one in found
    ]
    with connection.cursor() as cursor:
        cursor.execute(_REMEMBER, [project_id, orjson.dumps(rows).decode()])
        return {key for (key,) in cursor.fetchall()}


def recall(project_id: int, keys: Collection[int]) -> dict[int, Shown]:
    """What is remembered of these."""
    if not keys:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_RECALL, [project_id, list(keys)])
        return {
            row[0]: Shown(*row[:7], *(orjson.loads(text or "null") for text in row[7:12]), *row[12:])
            for row in cursor.fetchall()
        }


def note(project_id: int, changed: Collection[Shown]) -> None:
    """Keep what was acted on, and what shadows said."""
    if not changed:
        return
    acted = [orjson.dumps(one.acted).decode() for one in changed]
    shadows = [orjson.dumps(one.shadows).decode() for one in changed]
    followed = [orjson.dumps(one.followed).decode() for one in changed]
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, [[one.key for one in changed], acted, shadows, followed, project_id])


def add_counts(project_id: int, counts: Mapping[CountKey, int]) -> None:
    if not counts:
        return
    keys = sorted(counts)
    hours = [_time(key.hour_ms) for key in keys]
    columns = [list(column) for column in zip(*(key[1:] for key in keys), strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [project_id, hours, *columns, [counts[key] for key in keys]])


def add_users(project_id: int, users: Mapping[UserKey, int]) -> None:
    if not users:
        return
    keys = sorted(users)
    columns = [list(column) for column in zip(*keys, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_USERS, [project_id, *columns, [users[key] for key in keys]])


def add_shadows(project_id: int, shadows: Mapping[ShadowKey, ShadowSums]) -> None:
    with connection.cursor() as cursor:
        for key, sums in sorted(shadows.items(), key=lambda each: each[0]):
            added = [float(getattr(sums, name)) for name in _SHADOW_SUMS]
            cursor.execute(_COUNT_SHADOWS, [project_id, _time(key.hour_ms), key.deployment, key.shown, *added])


def forget(project_id: int, *, before_ms: int, keep: int) -> int:
    """Let go of what is out of its window, and of the oldest beyond `keep`; answers how many of the latter."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET_OLD, [project_id, before_ms])
        cursor.execute(_FORGET_BEYOND, {"project": project_id, "keep": keep})
        return int(cursor.rowcount)


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
