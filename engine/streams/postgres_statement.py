"""An append of few records to one partition of a PostgreSQL log as one statement: one exchange and one commit.

A transaction of several exchanges keeps the partition locked while its client thinks; this one ends by itself. Whether it came
through cannot be known when the connection breaks before the answer.
"""

from __future__ import annotations

import select
from collections.abc import Sequence
from typing import LiteralString

import psycopg

from engine.streams.log import Position, Record
from engine.streams.partitioning import by_partition

MAX_RECORDS = 256
MAX_BYTES = 4 * 2**20
"""Beyond these COPY is faster, and its longer transaction weighs less."""

APPEND_SQL: LiteralString = """
WITH placed AS (
    UPDATE freshet_log.partition p SET next_offset = p.next_offset + %b::bigint
    FROM freshet_log.topic t
    WHERE t.name = %b AND p.topic_id = t.id AND p.number = %b::integer
        AND (SELECT count(*) FROM freshet_log.partition every WHERE every.topic_id = t.id) = %b::bigint
    RETURNING p.topic_id, p.number, p.next_offset - %b::bigint AS first
), inserted AS (
    INSERT INTO freshet_log.record (topic_id, partition, "offset", key, value, timestamp_ms)
    SELECT placed.topic_id, placed.number, placed.first + r.place - 1, r.key, r.value, r.timestamp_ms
    FROM placed, unnest(%b::text[], %b::bytea[], %b::bigint[]) WITH ORDINALITY AS r (key, value, timestamp_ms, place)
)
SELECT first FROM placed
"""


def is_alive(connection: psycopg.Connection) -> bool:
    """Whether nothing came in on an idle connection: a server that ends one says so, or closes it."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)


def lone_partition(records: Sequence[Record], num_partitions: int) -> int | None:
    """The partition that all of the records belong to; None when they are too many for one statement, or of several.

    Raises `LogError` for a record that no backend could hold.
    """
    if not 0 < len(records) <= MAX_RECORDS or sum(len(record.value) for record in records) > MAX_BYTES:
        return None
    partitions = list(by_partition(records, num_partitions))
    return partitions[0] if len(partitions) == 1 else None


def append_statement(
    connection: psycopg.Connection, topic: str, records: Sequence[Record], partition: int, num_partitions: int
) -> list[Position] | None:
    """Append all of them to `partition`; None, and nothing appended, when the topic does not have `num_partitions` partitions.

    `connection` is in autocommit mode. Raises `psycopg.Error`.
    """
    num = len(records)
    row = connection.execute(
        APPEND_SQL,
        (
            num,
            topic,
            partition,
            num_partitions,
            num,
            [record.key for record in records],
            [record.value for record in records],
            [record.timestamp_ms for record in records],
        ),
        prepare=True,
        binary=True,
    ).fetchone()
    return None if row is None else [Position(partition, row[0] + place) for place in range(num)]
