"""The doors of a replica: gRPC, and for `Recommend` a stream beside it.

Requests are answered one after the other on one event loop, without a thread of their own: they are bound by the interpreter. Beside pools
of 2 and of 8 threads it answered as many a second (400 to 440 of four callers) in the same processor time, and a lone caller's slowest
hundredth took 4 ms, not 8 to 10. What waits, or takes long because it explains, has threads.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, NoReturn, TypeVar

import grpc
import grpc.aio

from engine.errors import EngineError
from engine.serving.client import PROBLEMS_KEY
from engine.serving.codec import caught_up_to_wire, reply_to_wire, request_from_wire, status_to_wire
from engine.serving.codec_evaluation import count_from_wire, counted_to_wire, evaluation_from_wire
from engine.serving.failures import failure_of
from engine.serving.known import Kind
from engine.serving.known import to_json as known_to_json
from engine.serving.replica import Replica
from engine.serving.stream.server import StreamServer
from engine.serving.wire import replica_pb2 as wire
from engine.serving.wire import replica_pb2_grpc

Answer = TypeVar("Answer")

MAX_REQUEST_BYTES: Final = 32 * 2**20
"""Room for 12,000 ids of 256 characters and a context; more is refused before it is held in memory."""

_OPTIONS: Final = [
    # SO_REUSEPORT would let a second replica take half of the first one's calls instead of failing.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
]

logger = logging.getLogger(__name__)

_Context = Any  # grpc.aio.ServicerContext is generic in a way that its own stubs disagree about


class ReplicaServicer(replica_pb2_grpc.ReplicaServicer):
    """Translates messages and, in one place, errors."""

    def __init__(self, replica: Replica, threads: ThreadPoolExecutor, stream: StreamServer) -> None:
        self._replica = replica
        self._threads = threads
        self._stream = stream

    async def Recommend(  # noqa: N802 - the name is the protocol's
        self, request: wire.RecommendRequest, context: _Context
    ) -> wire.RecommendReply:
        left_s = context.time_remaining()
        if left_s is not None and left_s <= 0:
            await _abort(context, grpc.StatusCode.DEADLINE_EXCEEDED, "the request waited for its whole time")

        answer = partial(recommended, self._replica, request, left_s)
        return await (self._in_thread(context, answer) if request.explain else _answered(context, answer))

    async def Doors(  # noqa: N802 - the name is the protocol's
        self, request: wire.DoorsRequest, context: _Context
    ) -> wire.DoorsReply:
        del request, context  # empty; nothing can go wrong
        return wire.DoorsReply(stream_port=self._stream.port)

    async def Status(  # noqa: N802 - the name is the protocol's
        self, request: wire.StatusRequest, context: _Context
    ) -> wire.StatusReply:
        del request  # empty
        return await self._in_thread(context, lambda: status_to_wire(self._replica.status()))

    async def CatchUp(  # noqa: N802 - the name is the protocol's
        self, request: wire.CatchUpRequest, context: _Context
    ) -> wire.CatchUpReply:
        offsets, timeout_s = dict(request.catalog_offsets), request.timeout_ms / 1000
        return await self._in_thread(
            context, lambda: caught_up_to_wire(self._replica.catch_up(request.project, offsets, timeout_s))
        )

    async def Evaluate(  # noqa: N802 - the name is the protocol's
        self, request: wire.EvaluateRequest, context: _Context
    ) -> wire.RecommendReply:
        left_s = context.time_remaining()

        def answer() -> wire.RecommendReply:
            reply = self._replica.evaluate(evaluation_from_wire(request), left_s)
            return reply_to_wire(reply, in_columns=request.request.in_columns)

        return await self._in_thread(context, answer)

    async def CountItems(  # noqa: N802 - the name is the protocol's
        self, request: wire.CountRequest, context: _Context
    ) -> wire.CountReply:
        return await self._in_thread(
            context, lambda: counted_to_wire(self._replica.count_items(count_from_wire(request)))
        )

    async def Known(  # noqa: N802 - the name is the protocol's
        self, request: wire.KnownRequest, context: _Context
    ) -> wire.KnownReply:
        return await self._in_thread(context, lambda: self._known(request))

    def _known(self, request: wire.KnownRequest) -> wire.KnownReply:
        kind: Kind = "user" if request.kind == "user" else "item"
        known = self._replica.known(request.project, kind, request.id)
        return wire.KnownReply(known_json=known_to_json(known), replica=self._replica.name)

    async def _in_thread(self, context: _Context, answer: Callable[[], Answer]) -> Answer:
        under_way = asyncio.get_running_loop().run_in_executor(self._threads, answer)
        await asyncio.wait([under_way])
        return await _answered(context, under_way.result)


def recommended(replica: Replica, request: wire.RecommendRequest, left_s: float | None) -> wire.RecommendReply:
    """Raises `EngineError`."""
    return reply_to_wire(replica.recommend(request_from_wire(request), left_s), in_columns=request.in_columns)


class ReplicaServer:
    """Serves a replica on `address` (`host:port`; port 0 takes a free one, which `port` then tells), from an event loop in a thread of its
    own. `num_threads` is for what does not run on the loop."""

    def __init__(self, replica: Replica, address: str = "127.0.0.1:0", *, num_threads: int = 4) -> None:
        """Raises `EngineError` when the address cannot be had."""
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix="serve")
        self._loop = _new_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="serve-loop", daemon=True)
        self._thread.start()
        self._stopped = threading.Event()
        try:
            self.port = self._on_loop(self._bind(replica, address))
        except RuntimeError as error:
            self._end()
            raise EngineError(f"a replica cannot listen on {address}: {error}", address=address) from error

    def start(self) -> None:
        self._on_loop(self._start())

    def stop(self, grace_s: float = 5.0) -> None:
        """Take no new calls, let those under way end within `grace_s`, and return. Stopping twice is harmless."""
        if not self._stopped.is_set():
            self._on_loop(self._stop(grace_s))
            self._end()

    def wait(self) -> None:
        """Return when the server has stopped."""
        self._stopped.wait()

    async def _bind(self, replica: Replica, address: str) -> int:
        self._host = address.rpartition(":")[0].strip("[]")
        self._stream = StreamServer(partial(recommended, replica), self._threads, max_request_bytes=MAX_REQUEST_BYTES)
        self._server = grpc.aio.server(options=_OPTIONS)
        servicer = ReplicaServicer(replica, self._threads, self._stream)
        replica_pb2_grpc.add_ReplicaServicer_to_server(servicer, self._server)
        return self._server.add_insecure_port(address)

    async def _start(self) -> None:
        await self._stream.start(self._host)
        await self._server.start()

    async def _stop(self, grace_s: float) -> None:
        await asyncio.gather(self._stream.stop(grace_s), self._server.stop(grace_s))

    def _on_loop(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._threads.shutdown(wait=False)
        self._stopped.set()


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where there is one: less time for a call."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _answered(context: _Context, answer: Callable[[], Answer]) -> Answer:
    try:
        return answer()
    except EngineError as error:
        failure = failure_of(error)
        metadata = ((PROBLEMS_KEY, failure.problems_json),) if failure.problems_json else ()
        await _abort(context, failure.code, failure.message, metadata)
    except Exception as error:
        logger.exception("a request failed")
        await _abort(context, grpc.StatusCode.INTERNAL, type(error).__name__)


async def _abort(
    context: _Context, code: grpc.StatusCode, message: str, metadata: tuple[tuple[str, bytes], ...] = ()
) -> NoReturn:
    await context.abort(code, message, metadata)
    raise AssertionError("abort raises")
