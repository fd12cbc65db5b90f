"""One connection to a replica's stream, for the event loop on which it is made. Imports neither TensorFlow nor NumPy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from engine.errors import EngineError, ReplicaUnavailable
from engine.serving.failures import Code, Failure, error_of, failure_from_json
from engine.serving.stream.frames import MAX_CALL, NO_DEADLINE, PREFACE, BrokenFrame, Frame, Frames, Kind, framed

SILENCE_S: Final = 5.0
"""A connection on which nothing has come for so long while calls ran out of time is given up: the other end may be gone for good."""
_MOST_UNSENT_BYTES: Final = 64 * 2**20


class ReplicaStream(asyncio.Protocol):
    """Made by `connect`. Not thread-safe. `clock` answers seconds."""

    def __init__(self, address: str, max_reply_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.address = address
        self._frames = Frames(max_reply_bytes)
        self._clock = clock
        self._transport: Any = None
        self._loop = asyncio.get_running_loop()
        self._num_calls = 0
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._heard_s = clock()

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes, timeout_s: float) -> bytes:
        """The serialized reply to a serialized request.

        Raises:
            ReplicaUnavailable: none within `timeout_s`, or the connection ended.
            InvalidDocument: the replica refuses the request.
            EngineError: it failed at it.
        """
        if not self.is_open:
            raise self._ended("the connection ended")
        if self._transport.get_write_buffer_size() > _MOST_UNSENT_BYTES:
            raise self._ended("it does not take what is sent")
        if not self._waiting:
            self._heard_s = self._clock()  # nobody had anything to say until now
        self._num_calls = call = (self._num_calls + 1) % MAX_CALL
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._waiting[call] = answer
        left_ms = min(max(1, round(timeout_s * 1000)), NO_DEADLINE - 1)
        self._transport.write(framed(call, Kind.ASK, left_ms, request))
        late = self._loop.call_later(timeout_s, self._give_up, call)
        try:
            return await answer
        finally:
            late.cancel()
            if self._waiting.pop(call, None) is not None:
                self._let_go(call)

    def close(self) -> None:
        """Calls still under way end with `ReplicaUnavailable`."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.write(PREFACE)

    def connection_lost(self, exc: Exception | None) -> None:
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            if not answer.done():
                answer.set_exception(self._ended(str(exc) if exc else "the connection ended"))

    def data_received(self, data: bytes) -> None:
        self._heard_s = self._clock()
        try:
            for frame in self._frames.take(data):
                self._take(frame)
        except BrokenFrame:
            self._transport.abort()

    def _take(self, frame: Frame) -> None:
        answer = self._waiting.pop(frame.call, None)
        if answer is None or answer.done():
            return
        if frame.kind is Kind.ANSWER:
            answer.set_result(frame.body)
        else:
            answer.set_exception(self._error(frame))

    def _error(self, frame: Frame) -> EngineError:
        try:
            return error_of(failure_from_json(frame.word, frame.body), self.address)
        except EngineError as error:
            return error

    def _give_up(self, call: int) -> None:
        answer = self._waiting.pop(call, None)
        if answer is None or answer.done():
            return
        answer.set_exception(error_of(Failure(Code.DEADLINE_EXCEEDED, ""), self.address))
        if self._clock() - self._heard_s > SILENCE_S:
            self._transport.abort()
        else:
            self._let_go(call)

    def _let_go(self, call: int) -> None:
        if self.is_open:
            self._transport.write(framed(call, Kind.LET_GO))

    def _ended(self, why: str) -> ReplicaUnavailable:
        return ReplicaUnavailable(f"replica {self.address} cannot be reached: {why}", address=self.address)


async def connect(address: str, host: str, port: int, *, max_reply_bytes: int) -> ReplicaStream:
    """A connection to the stream of the replica at `address`. Raises `ReplicaUnavailable`."""
    loop = asyncio.get_running_loop()
    try:
        _, stream = await loop.create_connection(lambda: ReplicaStream(address, max_reply_bytes), host, port)
    except OSError as error:
        raise ReplicaUnavailable(f"replica {address} cannot be reached: {error}", address=address) from error
    return stream
