"""Leases: who may do a piece of long work now, by PostgreSQL's clock alone."""

from __future__ import annotations

from django.db import connection

# A free or expired lease changes hands in the one statement that also reads it: two callers never both win.
# The row is never deleted, so that the token, which fences off an earlier holder, only grows. It is no less than the time in ms:
# what was written under a token is kept elsewhere too (deltas in Kafka, folders), and a database made anew or restored from an
# older copy must not hand out smaller ones.
_ACQUIRE = """
INSERT INTO core_lease AS held (name, holder, token, acquired_at, heartbeat_at, expires_at)
VALUES (%s, %s, (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
    clock_timestamp(), clock_timestamp(), clock_timestamp() + make_interval(secs => %s))
ON CONFLICT (name) DO UPDATE SET
    holder = EXCLUDED.holder,
    token = greatest(held.token + 1, EXCLUDED.token),
    acquired_at = clock_timestamp(),
    heartbeat_at = clock_timestamp(),
    expires_at = clock_timestamp() + make_interval(secs => %s)
WHERE held.expires_at <= clock_timestamp() OR held.holder = EXCLUDED.holder
RETURNING token
"""

_RENEW = """
UPDATE core_lease
SET heartbeat_at = clock_timestamp(), expires_at = clock_timestamp() + make_interval(secs => %s)
WHERE name = %s AND holder = %s AND token = %s AND expires_at > clock_timestamp()
"""

_RELEASE = """
UPDATE core_lease SET expires_at = clock_timestamp()
WHERE name = %s AND holder = %s AND token = %s AND expires_at > clock_timestamp()
"""


def lease_acquire(*, name: str, holder: str, ttl_s: float) -> int | None:
    """The fencing token of the lease now held for `ttl_s`, or None while somebody else holds it.

    The token grows with every acquisition. A holder that acquires again gets a new token, and its old one is void.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ACQUIRE, [name, holder, ttl_s, ttl_s])
        row = cursor.fetchone()
    return int(row[0]) if row else None


def lease_renew(*, name: str, holder: str, token: int, ttl_s: float) -> bool:
    """Hold on for another `ttl_s`. False when the lease expired or went to another: the work must stop."""
    with connection.cursor() as cursor:
        cursor.execute(_RENEW, [ttl_s, name, holder, token])
        return bool(cursor.rowcount)


def lease_release(*, name: str, holder: str, token: int) -> None:
    """Give the lease back; nothing happens when it is no longer this holder's."""
    with connection.cursor() as cursor:
        cursor.execute(_RELEASE, [name, holder, token])
