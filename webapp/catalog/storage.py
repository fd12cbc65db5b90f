"""Whole batches in and out of PostgreSQL in one statement each. Call inside a transaction.

Ids are sorted before they are written: two batches that share ids take their row locks in the same order and never
wait for each other in a circle. (Where a join comes in between, the statement sorts, for a join may turn the order round.)
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Collection, Mapping
from typing import Any, Literal

import orjson
import psycopg
from django.db import IntegrityError, connection

from webapp.accounts.models import Project

Kind = Literal["user", "item"]

_ACCEPT = """
INSERT INTO catalog_acceptedevent (project_id, digest)
SELECT %s, digest FROM unnest(%s::uuid[]) AS digest
ON CONFLICT (project_id, digest) DO NOTHING
RETURNING digest
"""

_ACCEPT_NEW = "COPY catalog_acceptedevent (project_id, digest) FROM STDIN (FORMAT BINARY)"
_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_COPY_END = struct.pack(">h", -1)
_DIGEST_BYTES = 16

_CREATE_ITEMS = """
INSERT INTO catalog_item (project_id, external_id, properties, created_at, updated_at)
SELECT %(project)s, new.id, '{}', now(), now() FROM unnest(%(ids)s::text[]) AS new (id)
WHERE NOT EXISTS (SELECT FROM catalog_item WHERE project_id = %(project)s AND external_id = new.id)
ORDER BY new.id
ON CONFLICT (project_id, external_id) DO NOTHING
RETURNING external_id
"""

_WRITE_USERS = """
INSERT INTO catalog_user (project_id, external_id, properties, created_at, updated_at)
SELECT %(project)s, new.id, new.properties::jsonb, now(), now()
FROM unnest(%(ids)s::text[], %(properties)s::text[]) AS new (id, properties)
ON CONFLICT (project_id, external_id) DO UPDATE SET properties = EXCLUDED.properties, updated_at = EXCLUDED.updated_at
"""

# Where nothing is said of being hidden, it stays what it is; `told` are the ids of which something is.
_WRITE_ITEMS = """
WITH written AS (
    INSERT INTO catalog_item AS kept (project_id, external_id, properties, hidden, created_at, updated_at)
    SELECT %(project)s, new.id, new.properties::jsonb, new.hidden, now(), now()
    FROM unnest(%(ids)s::text[], %(properties)s::text[], %(hidden)s::boolean[]) AS new (id, properties, hidden)
    ON CONFLICT (project_id, external_id) DO UPDATE SET properties = EXCLUDED.properties, updated_at = EXCLUDED.updated_at,
        hidden = CASE WHEN kept.external_id = ANY(%(told)s::text[]) THEN EXCLUDED.hidden ELSE kept.hidden END
    RETURNING external_id, hidden)
SELECT external_id FROM written WHERE hidden
"""

_REJECT = """
INSERT INTO catalog_rejectedrow (project_id, source, row_number, row, problems, received_at)
SELECT %s, %s, refused.row_number, refused.row::jsonb, refused.problems::jsonb, now()
FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS refused (row_number, row, problems)
"""

_FORGET_REJECTED = """
DELETE FROM catalog_rejectedrow WHERE project_id = %(project)s AND (received_at, id) <= (
    SELECT received_at, id FROM catalog_rejectedrow WHERE project_id = %(project)s
    ORDER BY received_at DESC, id DESC OFFSET %(keep)s LIMIT 1)
"""


class RepeatedEventIds(Exception):
    """At least one of the ids was accepted before; the transaction is broken, and nothing of it may be kept."""


def event_digest(event_id: str) -> bytes:
    """What is remembered of an event id: the first 128 bits of its SHA-256, which PostgreSQL can make as well."""
    return hashlib.sha256(event_id.encode()).digest()[:_DIGEST_BYTES]


def accept_new_event_ids(project: Project, event_ids: Collection[str]) -> set[str]:
    """All of `event_ids`, each given once, when none was ever accepted. Raises `RepeatedEventIds`, which breaks the transaction.

    The usual case at less than half the price of `accept_event_ids`: a COPY has no second look at the index for each row,
    and writes a page of rows at a time. Waits for another transaction that accepts the same.
    """
    # One row: two fields, a bigint of 8 bytes and a uuid of 16. Only the digest differs from row to row.
    row = struct.pack(">hiqi", 2, 8, project.pk, _DIGEST_BYTES)
    rows = row + row.join(sorted(map(event_digest, event_ids)))
    try:
        with connection.cursor() as cursor, cursor.copy(_ACCEPT_NEW) as copy:
            copy.write(_COPY_HEADER + rows + _COPY_END)
    except (psycopg.errors.UniqueViolation, IntegrityError) as error:
        raise RepeatedEventIds from error
    return set(event_ids)


def accept_event_ids(project: Project, event_ids: Collection[str]) -> set[str]:
    """Those of `event_ids` never accepted before; they are now. Waits for another transaction that accepts the same."""
    id_of = {event_digest(event_id).hex(): event_id for event_id in event_ids}
    with connection.cursor() as cursor:
        cursor.execute(_ACCEPT, [project.pk, sorted(id_of)])
        return {id_of[row[0].hex] for row in cursor.fetchall()}


def create_absent_items(project: Project, item_ids: Collection[str]) -> list[str]:
    """Create the items that are not there, without properties; answers their ids, in order."""
    with connection.cursor() as cursor:
        cursor.execute(_CREATE_ITEMS, {"project": project.pk, "ids": sorted(item_ids)})
        return sorted(row[0] for row in cursor.fetchall())


def write_users(project: Project, properties_of: Mapping[str, dict[str, Any]]) -> None:
    """Create or replace users; `properties_of` maps an id to its whole new properties."""
    ids = sorted(properties_of)
    values: dict[str, Any] = {"project": project.pk, "ids": ids, "properties": _documents(properties_of, ids)}
    with connection.cursor() as cursor:
        cursor.execute(_WRITE_USERS, values)


def write_items(
    project: Project, properties_of: Mapping[str, dict[str, Any]], hidden_of: Mapping[str, bool]
) -> set[str]:
    """Create or replace items; `properties_of` maps an id to its whole new properties. Answers which of them are hidden now.

    An item that is not in `hidden_of` is as hidden as it was; a new one is not.
    """
    ids = sorted(properties_of)
    values: dict[str, Any] = {
        "project": project.pk,
        "ids": ids,
        "properties": _documents(properties_of, ids),
        "hidden": [hidden_of.get(one, False) for one in ids],
        "told": sorted(hidden_of),
    }
    with connection.cursor() as cursor:
        cursor.execute(_WRITE_ITEMS, values)
        return {row[0] for row in cursor.fetchall()}


def _documents(properties_of: Mapping[str, dict[str, Any]], ids: list[str]) -> list[str]:
    return [orjson.dumps(properties_of[one]).decode() for one in ids]


def keep_rejected(project: Project, source: str, rejected: list[tuple[int, str, str]], keep: int) -> None:
    """Keep refused rows (row number, row as JSON, problems as JSON); of all, the project's newest `keep` stay."""
    numbers, rows, problems = zip(*rejected, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_REJECT, [project.pk, source, list(numbers), list(rows), list(problems)])
        cursor.execute(_FORGET_REJECTED, {"project": project.pk, "keep": keep})
