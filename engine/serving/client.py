"""The web app's way to a replica. Imports neither TensorFlow nor NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar, cast

import grpc

from engine.errors import EngineError, ReplicaUnavailable
from engine.serving.codec import (
    catch_up_to_wire,
    caught_up_from_wire,
    reply_from_wire,
    request_to_wire,
    status_from_wire,
)
from engine.serving.codec_evaluation import count_to_wire, counted_from_wire, evaluation_to_wire
from engine.serving.failures import Failure, error_of
from engine.serving.known import Kind, Known
from engine.serving.known import from_json as known_from_json
from engine.serving.requests import (
    CatchUpReply,
    CountReply,
    CountRequest,
    EvaluateRequest,
    RecommendReply,
    RecommendRequest,
    StatusReply,
)
from engine.serving.wire import replica_pb2 as wire
from engine.serving.wire import replica_pb2_grpc

Answer = TypeVar("Answer")

PROBLEMS_KEY = "freshet-problems-bin"
"""Trailing metadata of an INVALID_ARGUMENT: the broken rules as a JSON list of {field, rule, received}."""

MAX_REPLY_BYTES = 256 * 2**20
"""500 items with long texts among their properties are far beyond gRPC's own 4 MiB."""

_GRACE_S = 0.2
"""So much later than it was told to a replica may say that it has not caught up."""

CHANNEL_OPTIONS = [
    # A replica that restarts must be found again within a breath; gRPC's own wait grows to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", MAX_REPLY_BYTES),
]


class ReplicaClient:
    """One channel to one replica (`host:port`), safe to share between threads.

    Every call raises `ReplicaUnavailable` when the replica does not answer within `timeout_s` or does not serve the
    deployment, `InvalidDocument` when it refuses the request, and `EngineError` when it fails.
    """

    def __init__(self, address: str, timeout_s: float = 1.0) -> None:
        self.address = address
        self._timeout_s = timeout_s
        self._channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
        stub = replica_pb2_grpc.ReplicaStub(self._channel)
        self._recommend = stub.Recommend
        self._status = stub.Status
        self._catch_up = stub.CatchUp
        self._evaluate = stub.Evaluate
        self._count_items = stub.CountItems
        self._known = stub.Known

    def recommend(self, request: RecommendRequest, timeout_s: float | None = None) -> RecommendReply:
        """`timeout_s` overrides the client's own for this call."""
        message = request_to_wire(request)
        return reply_from_wire(self._call(lambda: self._recommend(message, timeout=timeout_s or self._timeout_s)))

    def status(self, timeout_s: float | None = None) -> StatusReply:
        timeout = timeout_s or self._timeout_s
        return status_from_wire(self._call(lambda: self._status(wire.StatusRequest(), timeout=timeout)))

    def catch_up(self, project: str, catalog_offsets: Mapping[int, int], timeout_s: float = 1.0) -> CatchUpReply:
        """Answers when the replica has applied the records of the project's `catalog` at these offsets (partition -> offset), or after
        `timeout_s`, and says whether it has. A replica that holds nothing of the project has."""
        message = catch_up_to_wire(project, catalog_offsets, timeout_s)
        return caught_up_from_wire(self._call(lambda: self._catch_up(message, timeout=timeout_s + _GRACE_S)))

    def evaluate(self, asked: EvaluateRequest, timeout_s: float | None = None) -> RecommendReply:
        """As `recommend`, for nobody's answer."""
        message = evaluation_to_wire(asked)
        return reply_from_wire(self._call(lambda: self._evaluate(message, timeout=timeout_s or self._timeout_s)))

    def count_items(self, asked: CountRequest, timeout_s: float | None = None) -> CountReply:
        message = count_to_wire(asked)
        return counted_from_wire(self._call(lambda: self._count_items(message, timeout=timeout_s or self._timeout_s)))

    def known(self, project: str, kind: Kind, entity_id: str, timeout_s: float | None = None) -> Known:
        """What the replica holds of one user or item."""
        message = wire.KnownRequest(project=project, kind=kind, id=entity_id)
        reply = self._call(lambda: self._known(message, timeout=timeout_s or self._timeout_s))
        return known_from_json(kind, reply.known_json)

    def close(self) -> None:
        """Calls still under way end with `ReplicaUnavailable`."""
        self._channel.close()

    def __enter__(self) -> ReplicaClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, call: Callable[[], Answer]) -> Answer:
        try:
            return call()
        except grpc.RpcError as error:
            raise translated(error, self.address) from error
        except ValueError as error:  # what grpc raises for a call on a closed channel
            raise ReplicaUnavailable(f"the client of replica {self.address} is closed", address=self.address) from error


def translated(error: grpc.RpcError, address: str) -> EngineError:
    """What a failed call to a replica means, as `error_of` says."""
    # pairs whether the call was awaited or not; only the latter's have names for their parts
    metadata = dict(cast("Iterable[tuple[str, bytes]]", error.trailing_metadata() or ()))
    return error_of(Failure(error.code(), error.details() or "", metadata.get(PROBLEMS_KEY, b"")), address)
