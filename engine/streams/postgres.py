"""The event log in PostgreSQL: durable, shared by processes, ordered by a row lock per partition.

An append takes the locks of the partitions it writes (in ascending order, so that two appends never wait for each
other in a circle), advances their `next_offset`, inserts, and commits. The lock is held until the commit is visible,
so offsets have no gaps and become visible in order: a rolled-back append gives its offsets back. Few records for one partition of
a topic that this process has appended to before go in one statement that does all of that (`postgres_statement.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, LiteralString, TypeVar

import psycopg

from engine.errors import LogError, LogUnavailable, OffsetOutOfRange, UnknownTopic
from engine.streams.fencing import outdated
from engine.streams.log import Position, Record, StoredRecord
from engine.streams.partitioning import by_partition
from engine.streams.postgres_connections import ConnectionPool
from engine.streams.postgres_copy import copied_rows
from engine.streams.postgres_schema import SCHEMA_SQL
from engine.streams.postgres_statement import append_statement, is_alive, lone_partition

__all__ = ["SCHEMA_SQL", "PostgresLog"]

POLL_INTERVAL_S = 0.05

_Answer = TypeVar("_Answer")

_READ = """
SELECT p.earliest, r."offset", r.key, r.value, r.timestamp_ms
FROM freshet_log.topic t
JOIN freshet_log.partition p ON p.topic_id = t.id
LEFT JOIN LATERAL (
    SELECT "offset", key, value, timestamp_ms FROM freshet_log.record
    WHERE topic_id = p.topic_id AND partition = p.number AND "offset" >= GREATEST(%s, p.earliest)
    ORDER BY "offset" LIMIT %s
) r ON true
WHERE t.name = %s AND p.number = %s
ORDER BY r."offset"
"""

_OFFSET_AT = """
SELECT COALESCE((
    SELECT "offset" FROM freshet_log.record
    WHERE topic_id = p.topic_id AND partition = p.number AND "offset" >= p.earliest AND timestamp_ms >= %s
    ORDER BY "offset" LIMIT 1), p.next_offset)
FROM freshet_log.topic t JOIN freshet_log.partition p ON p.topic_id = t.id WHERE t.name = %s AND p.number = %s
"""

_PARTITIONS = """
SELECT p.number, p.earliest, p.next_offset
FROM freshet_log.topic t JOIN freshet_log.partition p ON p.topic_id = t.id WHERE t.name = %s ORDER BY p.number
"""

_ADVANCE = """
UPDATE freshet_log.partition SET next_offset = next_offset + %s
WHERE topic_id = %s AND number = %s RETURNING next_offset, epoch
"""

# In the order in which appends take these locks. An append under way is waited for: it was there before the epoch changed.
_LOCK_PARTITIONS = """
SELECT p.topic_id, p.epoch
FROM freshet_log.topic t JOIN freshet_log.partition p ON p.topic_id = t.id WHERE t.name = %s ORDER BY p.number
FOR UPDATE OF p
"""

_INSERT = """
COPY freshet_log.record (topic_id, partition, "offset", key, value, timestamp_ms) FROM STDIN (FORMAT BINARY)
"""


# A process that is put to sleep in the midst of an append must not hold the partitions' locks until it wakes up.
_BEGIN_APPEND = """
BEGIN; SET LOCAL statement_timeout = '30s'; SET LOCAL idle_in_transaction_session_timeout = '30s'
"""


class PostgresLog:
    """Implements `engine.streams.log.EventLog` and `FencingLog` over the tables of `SCHEMA_SQL`, which must exist.

    `sleep` and `monotonic` serve `read(timeout_s=...)`, which looks again each `POLL_INTERVAL_S`.
    """

    def __init__(
        self,
        dsn: str,
        *,
        max_connections: int = 8,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.dsn = dsn
        self._pool = ConnectionPool(dsn, max_connections=max_connections)
        self._sleep = sleep
        self._monotonic = monotonic
        self._num_partitions: dict[str, int] = {}

    def create_topic(self, topic: str, num_partitions: int = 1) -> None:
        if num_partitions < 1:
            raise LogError(f"topic {topic!r} needs at least one partition", received=num_partitions)

        def work(connection: psycopg.Connection) -> None:
            with connection.transaction():
                row = connection.execute(
                    "INSERT INTO freshet_log.topic (name) VALUES (%s) ON CONFLICT (name) DO NOTHING RETURNING id",
                    (topic,),
                ).fetchone()
                if row is not None:
                    connection.execute(
                        "INSERT INTO freshet_log.partition (topic_id, number) "
                        "SELECT %s, number FROM generate_series(0, %s - 1) AS number",
                        (row[0], num_partitions),
                    )

        self._repeatable(work)

    def partitions(self, topic: str) -> list[int]:
        return [number for number, _, _ in self._partition_rows(topic)]

    def append(self, topic: str, records: Sequence[Record]) -> list[Position]:
        place = self.one_place(topic, records)
        if place is not None and (placed := self._append_few(topic, records, *place)):
            return placed
        return self._append(topic, records, None)

    def one_place(self, topic: str, records: Sequence[Record]) -> tuple[int, int] | None:
        """The partition that one statement may append all of them to, and how many the topic has; None when one statement cannot,
        or when nothing of this topic is known yet. Raises `LogError` for a record that no backend could hold.
        """
        num_partitions = self._num_partitions.get(topic)
        if num_partitions is None:
            return None
        partition = lone_partition(records, num_partitions)
        return None if partition is None else (partition, num_partitions)

    def append_in_epoch(self, topic: str, records: Sequence[Record], epoch: int) -> list[Position]:
        return self._append(topic, records, epoch)

    def raise_epoch(self, topic: str, epoch: int) -> None:
        def work(connection: psycopg.Connection) -> None:
            with connection.transaction():
                rows = connection.execute(_LOCK_PARTITIONS, (topic,)).fetchall()
                if not rows:
                    raise UnknownTopic(f"topic {topic!r} does not exist", topic=topic)
                newer = max(kept for _, kept in rows)
                if newer > epoch:
                    raise outdated(topic, epoch, newer)
                connection.execute(
                    "UPDATE freshet_log.partition SET epoch = %s WHERE topic_id = %s", (epoch, rows[0][0])
                )

        self._repeatable(work)

    def _append(self, topic: str, records: Sequence[Record], epoch: int | None) -> list[Position]:
        try:
            return self._append_once(topic, records, epoch, fresh=False)
        except _NotCommittedError:
            # Nothing reached the log (a stale connection, a restarted server), so a second try cannot repeat anything.
            try:
                return self._append_once(topic, records, epoch, fresh=True)
            except _NotCommittedError as error:
                message = f"the event log could not be reached: {error}"
                raise LogUnavailable(message, outcome="not appended") from error

    def read(
        self, topic: str, partition: int, offset: int, max_records: int = 1000, timeout_s: float = 0.0
    ) -> list[StoredRecord]:
        deadline = self._monotonic() + timeout_s
        while True:
            rows = self._fetch(_READ, (offset, max(0, max_records), topic, partition))
            if not rows:
                raise UnknownTopic(f"topic {topic!r} with partition {partition} does not exist", topic=topic)
            earliest = rows[0][0]
            if offset < earliest:
                raise OffsetOutOfRange(
                    f"{topic}/{partition}: offset {offset} is no longer held; the earliest is {earliest}",
                    earliest=earliest,
                )
            if rows[0][1] is not None:
                return [StoredRecord(partition, *row[1:]) for row in rows]
            left_s = deadline - self._monotonic()
            if left_s <= 0:
                return []
            self._sleep(min(POLL_INTERVAL_S, left_s))

    def earliest_offsets(self, topic: str) -> dict[int, int]:
        return {number: earliest for number, earliest, _ in self._partition_rows(topic)}

    def end_offsets(self, topic: str) -> dict[int, int]:
        return {number: end for number, _, end in self._partition_rows(topic)}

    def offset_at(self, topic: str, partition: int, timestamp_ms: int) -> int:
        rows = self._fetch(_OFFSET_AT, (timestamp_ms, topic, partition))
        if not rows:
            raise UnknownTopic(f"topic {topic!r} with partition {partition} does not exist", topic=topic)
        return int(rows[0][0])

    def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        unknown = set(offsets) - set(self.partitions(topic))
        if unknown:
            raise UnknownTopic(f"topic {topic!r} has no partition {min(unknown)}", topic=topic)
        numbers = sorted(offsets)

        def work(connection: psycopg.Connection) -> None:
            connection.execute(
                "INSERT INTO freshet_log.committed (group_name, topic_id, partition, next_offset) "
                "SELECT %s, t.id, o.partition, o.next_offset "
                "FROM freshet_log.topic t, unnest(%s::integer[], %s::bigint[]) AS o (partition, next_offset) "
                "WHERE t.name = %s "
                "ON CONFLICT (group_name, topic_id, partition) DO UPDATE SET next_offset = EXCLUDED.next_offset",
                (group, numbers, [offsets[number] for number in numbers], topic),
            )

        self._repeatable(work)

    def committed(self, group: str, topic: str) -> dict[int, int]:
        self._partition_rows(topic)
        rows = self._fetch(
            "SELECT c.partition, c.next_offset FROM freshet_log.committed c "
            "JOIN freshet_log.topic t ON t.id = c.topic_id WHERE c.group_name = %s AND t.name = %s",
            (group, topic),
        )
        return dict(rows)

    def trim(self, topic: str, partition: int, before_offset: int) -> None:
        def work(connection: psycopg.Connection) -> None:
            # Two statements, each its own transaction: the first is short and makes the records unreadable, the
            # second may be long and holds no lock that an append waits for.
            row = connection.execute(
                "UPDATE freshet_log.partition p SET earliest = GREATEST(p.earliest, LEAST(%s, p.next_offset)) "
                "FROM freshet_log.topic t WHERE t.id = p.topic_id AND t.name = %s AND p.number = %s "
                "RETURNING p.topic_id, p.earliest",
                (before_offset, topic, partition),
            ).fetchone()
            if row is None:
                raise UnknownTopic(f"topic {topic!r} with partition {partition} does not exist", topic=topic)
            connection.execute(
                'DELETE FROM freshet_log.record WHERE topic_id = %s AND partition = %s AND "offset" < %s',
                (row[0], partition, row[1]),
            )

        self._repeatable(work)

    def close(self) -> None:
        self._pool.close()

    def _partition_rows(self, topic: str) -> list[tuple[int, int, int]]:
        rows = self._fetch(_PARTITIONS, (topic,))
        if not rows:
            raise UnknownTopic(f"topic {topic!r} does not exist", topic=topic)
        return rows

    def _fetch(self, query: LiteralString, parameters: tuple[Any, ...]) -> list[Any]:
        return self._repeatable(lambda connection: connection.cursor(binary=True).execute(query, parameters).fetchall())

    def _repeatable(self, work: Callable[[psycopg.Connection], _Answer]) -> _Answer:
        """Do work that may be done twice with the same effect; once more on a new connection if the first one broke."""
        try:
            try:
                with self._pool.connection() as connection:
                    return work(connection)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                with self._pool.connection(fresh=True) as connection:
                    return work(connection)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise LogUnavailable(f"the event log's database does not answer: {error}") from error
        except psycopg.Error as error:
            raise LogError(f"the event log's database answered: {error}") from error

    def _append_few(
        self, topic: str, records: Sequence[Record], partition: int, num_partitions: int
    ) -> list[Position] | None:
        """In one statement; None when that cannot be, and then nothing was appended."""
        sending = False
        try:
            with self._pool.connection() as connection:
                if not is_alive(connection):
                    return None
                sending = True
                return append_statement(connection, topic, records, partition, num_partitions)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if sending and error.sqlstate is None:
                raise _unknown(topic, records) from error
            return None  # no connection, or the server says that it gave the statement up
        except psycopg.Error as error:
            raise _refused(error) from error

    def _append_once(self, topic: str, records: Sequence[Record], epoch: int | None, *, fresh: bool) -> list[Position]:
        committing = False
        try:
            with self._pool.connection(fresh=fresh) as connection:
                connection.execute(_BEGIN_APPEND)
                try:
                    positions, num_partitions = _insert(connection, topic, records, epoch)
                    committing = True
                    connection.execute("COMMIT")
                    self._num_partitions[topic] = num_partitions
                except BaseException:
                    if not connection.closed and not committing:
                        connection.execute("ROLLBACK")
                    raise
                return positions
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if committing:
                raise _unknown(topic, records) from error
            raise _NotCommittedError(str(error)) from error
        except psycopg.Error as error:
            raise _refused(error) from error


def _unknown(topic: str, records: Sequence[Record]) -> LogUnavailable:
    message = (
        f"the connection broke while appending {len(records)} records to {topic!r}; they may or may not be in the log"
    )
    return LogUnavailable(message, outcome="unknown")


def _refused(error: psycopg.Error) -> LogError:
    return LogError(f"the event log's database refused the append: {error}", outcome="not appended")


class _NotCommittedError(Exception):
    """The connection broke before the append's COMMIT was sent."""


def _insert(
    connection: psycopg.Connection, topic: str, records: Sequence[Record], epoch: int | None
) -> tuple[list[Position], int]:
    """Their places, and how many partitions the topic has."""
    row = connection.execute(
        "SELECT t.id, count(*) FROM freshet_log.topic t JOIN freshet_log.partition p ON p.topic_id = t.id "
        "WHERE t.name = %s GROUP BY t.id",
        (topic,),
    ).fetchone()
    if row is None:
        raise UnknownTopic(f"topic {topic!r} does not exist", topic=topic)
    topic_id, num_partitions = row
    positions: list[Position] = [Position(0, 0)] * len(records)
    for partition, rows in by_partition(records, num_partitions).items():
        advanced = connection.execute(_ADVANCE, (len(rows), topic_id, partition)).fetchone()
        if advanced is None:
            raise UnknownTopic(f"topic {topic!r} was removed while appending to it", topic=topic)
        next_offset, newer = advanced
        if epoch is not None and newer > epoch:
            raise outdated(topic, epoch, newer)
        first = next_offset - len(rows)
        with connection.cursor().copy(_INSERT) as copy:
            for piece in copied_rows(topic_id, partition, first, [records[number] for number in rows]):
                copy.write(piece)
        for offset, number in enumerate(rows, first):
            positions[number] = Position(partition, offset)
    return positions, num_partitions
