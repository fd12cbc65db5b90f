"""The web app's way to a replica from an event loop. Imports neither TensorFlow nor NumPy."""

from __future__ import annotations

import grpc
import grpc.aio

from engine.errors import ReplicaUnavailable
from engine.serving.client import CHANNEL_OPTIONS, translated
from engine.serving.codec import reply_from_wire, request_to_wire
from engine.serving.requests import RecommendReply, RecommendRequest
from engine.serving.wire import replica_pb2_grpc


class AsyncReplicaClient:
    """One channel to one replica (`host:port`), for the event loop on which it is made.

    `recommend` raises as `engine.serving.client.ReplicaClient` does. A call whose task is cancelled is cancelled at the replica.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._recommend = replica_pb2_grpc.ReplicaStub(self._channel).Recommend

    async def recommend(self, request: RecommendRequest, timeout_s: float) -> RecommendReply:
        message = request_to_wire(request)
        try:
            return reply_from_wire(await self._recommend(message, timeout=timeout_s))
        except grpc.aio.AioRpcError as error:
            raise translated(error, self.address) from error
        except grpc.aio.UsageError as error:  # what grpc raises for a call on a closed channel
            raise ReplicaUnavailable(f"the client of replica {self.address} is closed", address=self.address) from error

    async def close(self) -> None:
        """Calls still under way end with `ReplicaUnavailable`."""
        await self._channel.close()
