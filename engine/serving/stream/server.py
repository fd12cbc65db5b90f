"""Where a replica answers calls that come as frames.

Calls are answered one after the other on the loop, as gRPC's are (`engine/serving/server.py` says why), in the order in which they came
over all connections; between two of them the loop reads. So a call that its caller let go, or whose time has passed, costs nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

from google.protobuf.message import DecodeError

from engine.errors import EngineError
from engine.serving.failures import Code, Failure, failure_of
from engine.serving.stream.frames import NO_DEADLINE, PREFACE, BrokenFrame, Frame, Frames, Kind, framed
from engine.serving.wire import replica_pb2 as wire

MAX_WAITING: Final = 10_000
"""Calls that may wait for their turn, of all connections together; more are refused."""
_MOST_UNREAD_BYTES: Final = 64 * 2**20
_STOP_LOOK_S: Final = 0.01

logger = logging.getLogger(__name__)


class Answering(Protocol):
    """Answers a request whose caller waits `left_s` more. Raises `EngineError`."""

    def __call__(self, request: wire.RecommendRequest, left_s: float | None) -> wire.RecommendReply: ...


class _Call(NamedTuple):
    connection: _Connection
    number: int
    body: bytes
    ends_s: float | None


class StreamServer:
    """All calls are made on one event loop. What explains itself takes long, and is answered by `threads`. `clock` answers seconds."""

    def __init__(
        self,
        answer: Answering,
        threads: Executor,
        *,
        max_request_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_request_bytes = max_request_bytes
        self.port = 0
        self._answer = answer
        self._threads = threads
        self._clock = clock
        self._connections: set[_Connection] = set()
        self._waiting: OrderedDict[tuple[_Connection, int], _Call] = OrderedDict()
        self._num_in_threads = 0
        self._server: asyncio.Server | None = None

    async def start(self, host: str) -> None:
        """Listen on a free port of `host`, which `port` then tells. Raises OSError when it cannot be had."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), host, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self, grace_s: float) -> None:
        """Take no more connections, answer what waits within `grace_s`, and close."""
        if self._server is not None:
            self._server.close()
        ends_s = self._clock() + grace_s
        while (self._waiting or self._num_in_threads) and self._clock() < ends_s:
            await asyncio.sleep(_STOP_LOOK_S)
        for connection in list(self._connections):
            connection.close()

    def joined(self, connection: _Connection) -> None:
        self._connections.add(connection)

    def left(self, connection: _Connection) -> None:
        """Nobody waits for its calls any more."""
        self._connections.discard(connection)
        for key in [key for key in self._waiting if key[0] is connection]:
            del self._waiting[key]

    def take(self, connection: _Connection, frame: Frame) -> None:
        """Raises `BrokenFrame` for one that only a server sends."""
        if frame.kind is Kind.LET_GO:
            self._waiting.pop((connection, frame.call), None)
            return
        if frame.kind is not Kind.ASK:
            raise BrokenFrame(f"a caller sends {Kind.ASK.name} or {Kind.LET_GO.name}, received {frame.kind.name}")
        if len(self._waiting) >= MAX_WAITING:
            connection.fail(frame.call, Failure(Code.RESOURCE_EXHAUSTED, f"{MAX_WAITING} calls wait already"))
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._turn)
        ends_s = None if frame.word == NO_DEADLINE else self._clock() + frame.word / 1000
        self._waiting[connection, frame.call] = _Call(connection, frame.call, frame.body, ends_s)

    def _turn(self) -> None:
        if not self._waiting:
            return
        _, call = self._waiting.popitem(last=False)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._turn)
        left_s = None if call.ends_s is None else call.ends_s - self._clock()
        if left_s is not None and left_s <= 0:
            call.connection.fail(call.number, Failure(Code.DEADLINE_EXCEEDED, "the request waited for its whole time"))
            return
        try:
            request = wire.RecommendRequest.FromString(call.body)
        except DecodeError:
            call.connection.fail(call.number, Failure(Code.INTERNAL, "the request is no RecommendRequest"))
            return
        if request.explain:
            self._in_thread(call, request, left_s)
        else:
            _answered(call, partial(self._answer, request, left_s))

    def _in_thread(self, call: _Call, request: wire.RecommendRequest, left_s: float | None) -> None:
        self._num_in_threads += 1
        under_way = asyncio.get_running_loop().run_in_executor(self._threads, self._answer, request, left_s)

        def done(future: asyncio.Future[wire.RecommendReply]) -> None:
            self._num_in_threads -= 1
            _answered(call, future.result)

        under_way.add_done_callback(done)


class _Connection(asyncio.Protocol):
    def __init__(self, server: StreamServer) -> None:
        self._server = server
        self._frames = Frames(server.max_request_bytes, PREFACE)
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._server.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._server.left(self)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._frames.take(data):
                self._server.take(self, frame)
        except BrokenFrame as error:
            logger.warning("a connection is closed: %s", error.message)
            self._transport.abort()

    def send(self, data: bytes) -> None:
        """One who asks and does not read is given up."""
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > _MOST_UNREAD_BYTES:
            logger.warning("a connection is closed: %d bytes of answers were not read", _MOST_UNREAD_BYTES)
            self._transport.abort()
            return
        self._transport.write(data)

    def fail(self, call: int, failure: Failure) -> None:
        self.send(framed(call, Kind.FAILURE, failure.number, failure.to_json()))

    def close(self) -> None:
        """After what is written."""
        self._transport.close()


def _answered(call: _Call, answer: Callable[[], wire.RecommendReply]) -> None:
    try:
        body = answer().SerializeToString()
    except EngineError as error:
        call.connection.fail(call.number, failure_of(error))
    except Exception as error:
        logger.exception("a request failed")
        call.connection.fail(call.number, Failure(Code.INTERNAL, type(error).__name__))
    else:
        call.connection.send(framed(call.number, Kind.ANSWER, body=body))
