"""The gRPC door of a replica."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn, TypeVar

import grpc
import orjson

from engine.errors import EngineError, InvalidDocument, ReplicaUnavailable
from engine.serving.client import PROBLEMS_KEY
from engine.serving.codec import caught_up_to_wire, reply_to_wire, request_from_wire, status_to_wire
from engine.serving.replica import Replica
from engine.serving.wire import replica_pb2 as wire
from engine.serving.wire import replica_pb2_grpc

Answer = TypeVar("Answer")

MAX_REQUEST_BYTES = 32 * 2**20
"""Room for 12,000 ids of 256 characters and a context; more is refused before it is held in memory."""

logger = logging.getLogger(__name__)


class ReplicaServicer(replica_pb2_grpc.ReplicaServicer):
    """Translates messages and, in one place, errors."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    def Recommend(  # noqa: N802 - the name is the protocol's
        self, request: wire.RecommendRequest, context: grpc.ServicerContext
    ) -> wire.RecommendReply:
        return _answered(context, lambda: reply_to_wire(self._replica.recommend(request_from_wire(request))))

    def Status(  # noqa: N802 - the name is the protocol's
        self, request: wire.StatusRequest, context: grpc.ServicerContext
    ) -> wire.StatusReply:
        del request  # empty
        return _answered(context, lambda: status_to_wire(self._replica.status()))

    def CatchUp(  # noqa: N802 - the name is the protocol's
        self, request: wire.CatchUpRequest, context: grpc.ServicerContext
    ) -> wire.CatchUpReply:
        offsets, timeout_s = dict(request.catalog_offsets), request.timeout_ms / 1000
        return _answered(
            context, lambda: caught_up_to_wire(self._replica.catch_up(request.project, offsets, timeout_s))
        )


class ReplicaServer:
    """Serves a replica on `address` (`host:port`; port 0 takes a free one, which `port` then tells)."""

    def __init__(self, replica: Replica, address: str = "127.0.0.1:0", *, num_threads: int = 8) -> None:
        """Raises `EngineError` when the address cannot be had."""
        # SO_REUSEPORT would let a second replica take half of the first one's calls instead of failing.
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MAX_REQUEST_BYTES)]
        self._server = grpc.server(ThreadPoolExecutor(num_threads, thread_name_prefix="serve"), options=options)
        replica_pb2_grpc.add_ReplicaServicer_to_server(ReplicaServicer(replica), self._server)
        try:
            self.port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise EngineError(f"a replica cannot listen on {address}: {error}", address=address) from error

    def start(self) -> None:
        self._server.start()

    def stop(self, grace_s: float = 5.0) -> None:
        """Take no new calls, let those under way end within `grace_s`, and return."""
        self._server.stop(grace_s).wait()

    def wait(self) -> None:
        """Return when the server has stopped."""
        self._server.wait_for_termination()


def _answered(context: grpc.ServicerContext, answer: Callable[[], Answer]) -> Answer:
    try:
        return answer()
    except ReplicaUnavailable as error:
        _abort(context, grpc.StatusCode.NOT_FOUND, error.message)
    except InvalidDocument as error:
        problems = orjson.dumps([problem.as_dict() for problem in error.problems])
        context.set_trailing_metadata(((PROBLEMS_KEY, problems),))
        _abort(context, grpc.StatusCode.INVALID_ARGUMENT, error.message)
    except EngineError as error:
        _abort(context, grpc.StatusCode.INTERNAL, error.message)
    except Exception as error:
        logger.exception("a request failed")
        _abort(context, grpc.StatusCode.INTERNAL, type(error).__name__)


def _abort(context: grpc.ServicerContext, code: grpc.StatusCode, message: str) -> NoReturn:
    context.abort(code, message)
    raise AssertionError("abort raises")
