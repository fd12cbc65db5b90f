"""The web app's way to a replica from an event loop. Imports neither TensorFlow nor NumPy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import grpc
import grpc.aio

from engine.errors import ReplicaUnavailable
from engine.serving.client import CHANNEL_OPTIONS, MAX_REPLY_BYTES, translated
from engine.serving.codec import reply_from_wire, request_to_wire
from engine.serving.failures import Code, Failure, error_of
from engine.serving.requests import RecommendReply, RecommendRequest
from engine.serving.stream.client import ReplicaStream, connect
from engine.serving.wire import replica_pb2 as wire
from engine.serving.wire import replica_pb2_grpc

CONNECT_TIMEOUT_S: Final = 1.0
WITHOUT_STREAM_S: Final = 30.0
"""A replica that has no stream is asked by gRPC for so long before it is asked again whether it has one."""


class AsyncReplicaClient:
    """One channel to one replica (`host:port`), for the event loop on which it is made, and a stream beside it that takes less time.

    `recommend` raises as `engine.serving.client.ReplicaClient` does. A call whose task is cancelled is let go by the replica. `clock`
    answers seconds.
    """

    def __init__(self, address: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.address = address
        self._clock = clock
        self._channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
        stub = replica_pb2_grpc.ReplicaStub(self._channel)
        self._recommend, self._doors = stub.Recommend, stub.Doors
        self._stream: ReplicaStream | None = None
        self._opening: asyncio.Task[ReplicaStream | None] | None = None
        self._without_until_s = 0.0
        self._is_closed = False

    async def recommend(self, request: RecommendRequest, timeout_s: float) -> RecommendReply:
        if self._is_closed:
            raise ReplicaUnavailable(f"the client of replica {self.address} is closed", address=self.address)
        message = request_to_wire(request)
        ends_s = self._clock() + timeout_s
        stream = self._stream
        if stream is None or not stream.is_open:
            stream = await self._opened(timeout_s)
            timeout_s = max(0.001, ends_s - self._clock())
        if stream is None:
            return await self._recommend_by_grpc(message, timeout_s)
        reply = await stream.ask(message.SerializeToString(), timeout_s)
        return reply_from_wire(wire.RecommendReply.FromString(reply))

    async def close(self) -> None:
        """Calls still under way end with `ReplicaUnavailable`."""
        self._is_closed = True
        if self._opening is not None:
            self._opening.cancel()
        if self._stream is not None:
            self._stream.close()
        await self._channel.close()

    async def _recommend_by_grpc(self, message: wire.RecommendRequest, timeout_s: float) -> RecommendReply:
        try:
            return reply_from_wire(await self._recommend(message, timeout=timeout_s))
        except grpc.aio.AioRpcError as error:
            raise translated(error, self.address) from error

    async def _opened(self, timeout_s: float) -> ReplicaStream | None:
        """None: the replica has no stream. All calls that come meanwhile wait for the same opening, each for its own time."""
        if self._clock() < self._without_until_s:
            return None
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._open())
            self._opening.add_done_callback(self._has_opened)
        opening = self._opening
        done, _ = await asyncio.wait([opening], timeout=timeout_s)
        if not done:
            raise error_of(Failure(Code.DEADLINE_EXCEEDED, ""), self.address)
        if opening.cancelled():
            raise ReplicaUnavailable(f"the client of replica {self.address} is closed", address=self.address)
        return opening.result()

    def _has_opened(self, opening: asyncio.Task[ReplicaStream | None]) -> None:
        self._opening = None
        if opening.cancelled() or opening.exception() is not None:
            return
        self._stream = opening.result()
        if self._stream is None:
            self._without_until_s = self._clock() + WITHOUT_STREAM_S
        elif self._is_closed:
            self._stream.close()

    async def _open(self) -> ReplicaStream | None:
        try:
            doors = await self._doors(wire.DoorsRequest(), timeout=CONNECT_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            if error.code() is Code.UNIMPLEMENTED:  # of an older release
                return None
            raise translated(error, self.address) from error
        if not doors.stream_port:
            return None
        host = self.address.rpartition(":")[0].strip("[]")
        opening = connect(self.address, host, doors.stream_port, max_reply_bytes=MAX_REPLY_BYTES)
        try:
            return await asyncio.wait_for(opening, CONNECT_TIMEOUT_S)
        except TimeoutError as error:
            raise ReplicaUnavailable(
                f"replica {self.address} cannot be reached: no connection to its stream", address=self.address
            ) from error
