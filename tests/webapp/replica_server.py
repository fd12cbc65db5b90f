"""A gRPC server that speaks the replica's protocol and answers what a test hands it, without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
import orjson

from engine.serving.codec import reply_to_wire, request_from_wire, status_to_wire
from engine.serving.codec_evaluation import counted_to_wire, evaluation_from_wire
from engine.serving.requests import (
    CountReply,
    EvaluateRequest,
    ModelPosition,
    RecommendReply,
    RecommendRequest,
    ScoredItem,
    StatusReply,
)
from engine.serving.wire import replica_pb2 as wire
from engine.serving.wire import replica_pb2_grpc

REPLY = RecommendReply(
    items=[ScoredItem("tea", 0.9, "two_tower"), ScoredItem("jam", 0.4, "trending")],
    models=[ModelPosition("retrieval", "retrieval", 1, 7, 0.25, 1_769_860_800_000, {0: 42})],
    degraded=None,
    features_json=orjson.dumps({"user": {}, "history": ["oil"], "items": {"tea": {"title": "Tea"}, "jam": {}}}),
    took_ms=1.5,
    replica="replica-1",
)


@dataclass
class Answers(replica_pb2_grpc.ReplicaServicer):
    """What to answer, and the requests that came. `drafted` is answered to an `Evaluate` of another document; None: as `reply`."""

    reply: RecommendReply | None = REPLY
    status: StatusReply | None = None
    requests: list[RecommendRequest] = field(default_factory=list)
    drafted: RecommendReply | None = None
    evaluations: list[EvaluateRequest] = field(default_factory=list)
    counts: CountReply = field(default_factory=lambda: CountReply(0, ()))

    def Recommend(self, request: wire.RecommendRequest, context: grpc.ServicerContext) -> wire.RecommendReply:
        self.requests.append(request_from_wire(request))
        if self.reply is None:
            context.abort(grpc.StatusCode.UNAVAILABLE, "going down")
        return reply_to_wire(self.reply)

    def Evaluate(self, request: wire.EvaluateRequest, context: grpc.ServicerContext) -> wire.RecommendReply:
        asked = evaluation_from_wire(request)
        self.evaluations.append(asked)
        reply = self.drafted if self.drafted is not None and asked.document is not None else self.reply
        if reply is None:
            context.abort(grpc.StatusCode.UNAVAILABLE, "going down")
        return reply_to_wire(reply)

    def CountItems(self, request: wire.CountRequest, context: grpc.ServicerContext) -> wire.CountReply:
        num = len(request.expressions)
        return counted_to_wire(CountReply(self.counts.num_items, self.counts.counts[:num]))

    def Doors(self, request: wire.DoorsRequest, context: grpc.ServicerContext) -> wire.DoorsReply:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "gRPC alone")
        return wire.DoorsReply()

    def Known(self, request: wire.KnownRequest, context: grpc.ServicerContext) -> wire.KnownReply:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "as a replica of before")
        return wire.KnownReply()

    def CatchUp(self, request: wire.CatchUpRequest, context: grpc.ServicerContext) -> wire.CatchUpReply:
        return wire.CatchUpReply(reached=True, replica="replica-1")

    def Status(self, request: wire.StatusRequest, context: grpc.ServicerContext) -> wire.StatusReply:
        if self.status is None:
            context.abort(grpc.StatusCode.UNAVAILABLE, "going down")
        return status_to_wire(self.status)


@contextmanager
def served(answers: Answers) -> Iterator[str]:
    """The address (`host:port`) of a server on loopback that answers so."""
    server = grpc.server(ThreadPoolExecutor(2))
    replica_pb2_grpc.add_ReplicaServicer_to_server(answers, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait()
