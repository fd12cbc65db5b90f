"""Appends of few records from an event loop: no thread is woken for them, and none has to wait for its turn.

The statement is `postgres_statement.APPEND_SQL`, prepared on a connection of its own, which the loop watches. An append on a thread
takes two turns of the interpreter more, and longer than PostgreSQL takes for it where processors are busy.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import struct
from collections.abc import Sequence
from typing import Final

import psycopg
from psycopg import pq

from engine.errors import LogUnavailable
from engine.streams.log import Position, Record
from engine.streams.postgres_connections import connected
from engine.streams.postgres_statement import APPEND_SQL

_NAME: Final = b"append"
_INT4, _INT8, _TEXT, _BYTEA = 23, 20, 25, 17
_TYPES: Final = (_INT8, _TEXT, _INT4, _INT8, _INT8, 1009, 1001, 1016)
_BINARY: Final = [pq.Format.BINARY] * len(_TYPES)
_numbers = itertools.count(1)
_NUMBERED: Final = re.sub("%b", lambda _: f"${next(_numbers)}", APPEND_SQL).encode()
_INT4_OF, _INT8_OF = struct.Struct(">i").pack, struct.Struct(">q").pack
_ARRAY_HEAD: Final = struct.Struct(">iiiii")


class LoopAppends:
    """One connection, for the event loop that is running. Not thread-safe; one append at a time.

    `open` first. A connection that breaks is not opened again: `is_open` says so.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._loop = asyncio.get_running_loop()
        self._connection: psycopg.Connection | None = None
        self._socket = -1
        self._is_closed = False
        self._answer: asyncio.Future[pq.abc.PGresult | None] | None = None
        self._result: pq.abc.PGresult | None = None

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    async def open(self) -> None:
        """Raises `psycopg.Error`."""
        connection = await self._loop.run_in_executor(None, self._connected)
        if self._is_closed:
            connection.close()
            return
        self._connection, self._socket = connection, connection.fileno()
        self._loop.add_reader(self._socket, self._readable)

    async def append(
        self, topic: str, records: Sequence[Record], partition: int, num_partitions: int
    ) -> list[Position] | None:
        """Append all of them to `partition`, durable when this answers; None when nothing was appended, for the server gave the
        statement up, or the topic does not have `num_partitions` partitions.

        Raises `LogUnavailable` when the connection broke first: whether they are in the log is not known.
        """
        connection = self._connection
        if connection is None:
            return None
        assert self._answer is None, "one append at a time"
        self._answer = self._loop.create_future()
        try:
            connection.pgconn.send_query_prepared(
                _NAME, _parameters(topic, records, partition, num_partitions), _BINARY, pq.Format.BINARY
            )
            self._send()
        except psycopg.Error as error:
            self._broke(error)
        try:
            result = await self._answer
        except asyncio.CancelledError as error:
            self._broke(error)  # what it answers would be taken for the next one's
            raise
        finally:
            self._answer = None
        if result is None or result.status != pq.ExecStatus.TUPLES_OK or result.ntuples != 1:
            return None
        first = int.from_bytes(result.get_value(0, 0) or b"", "big")
        return [Position(partition, first + place) for place in range(len(records))]

    def close(self) -> None:
        """An append under way ends with `LogUnavailable`."""
        self._is_closed = True
        self._broke(psycopg.OperationalError("the connection was closed"))

    def _connected(self) -> psycopg.Connection:
        connection = connected(self._dsn)
        result = connection.pgconn.prepare(_NAME, _NUMBERED, _TYPES)
        if result.status != pq.ExecStatus.COMMAND_OK:
            connection.close()
            raise psycopg.OperationalError(result.get_error_message())
        connection.pgconn.nonblocking = 1
        return connection

    def _send(self) -> None:
        """What libpq could not hand over at once goes when the socket takes more."""
        connection = self._connection
        if connection is not None and connection.pgconn.flush():
            self._loop.add_writer(self._socket, self._writable)

    def _writable(self) -> None:
        if self._connection is None:
            return
        self._loop.remove_writer(self._socket)
        try:
            self._send()
        except psycopg.Error as error:
            self._broke(error)

    def _readable(self) -> None:
        if self._connection is None:
            return
        pgconn = self._connection.pgconn
        try:
            pgconn.consume_input()
            while not pgconn.is_busy():
                result = pgconn.get_result()
                if result is None:
                    break
                self._result = result
            else:
                return
        except psycopg.Error as error:
            self._broke(error)
            return
        result, self._result = self._result, None
        is_open = pgconn.status == pq.ConnStatus.OK
        if self._answer is not None and not self._answer.done() and (is_open or _says_why(result)):
            self._answer.set_result(result)
        if not is_open:
            self._broke(psycopg.OperationalError(pgconn.get_error_message()))

    def _broke(self, error: BaseException) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # before its number is somebody else's
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            connection.close()
        if self._answer is not None and not self._answer.done():
            message = f"the connection broke during an append ({error}); its records may or may not be in the log"
            self._answer.set_exception(LogUnavailable(message, outcome="unknown"))


def _says_why(result: pq.abc.PGresult | None) -> bool:
    """Whether the server itself ended the statement: what libpq says of a connection that broke has no such code."""
    return result is not None and result.error_field(pq.DiagnosticField.SQLSTATE) is not None


def _parameters(topic: str, records: Sequence[Record], partition: int, num_partitions: int) -> list[bytes]:
    num = _INT8_OF(len(records))
    return [
        num,
        topic.encode(),
        _INT4_OF(partition),
        _INT8_OF(num_partitions),
        num,
        _array(_TEXT, [record.key.encode() for record in records]),
        _array(_BYTEA, [record.value for record in records]),
        _array(_INT8, [_INT8_OF(record.timestamp_ms) for record in records]),
    ]


def _array(element: int, values: Sequence[bytes]) -> bytes:
    """A one-dimensional array as PostgreSQL takes it in its binary format."""
    parts = [_ARRAY_HEAD.pack(1, 0, element, len(values), 1)]
    for value in values:
        parts += (_INT4_OF(len(value)), value)
    return b"".join(parts)
