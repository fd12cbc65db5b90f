"""Questions to a replica whose answers nobody is shown: the first replica that answers, in a thread that may wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from engine.errors import ReplicaUnavailable
from engine.serving.client import ReplicaClient
from engine.serving.requests import CountReply, CountRequest, EvaluateRequest, RecommendReply
from webapp.serving.clients import replica_client
from webapp.serving.selectors import replica_addresses

Answer = TypeVar("Answer")

TIMEOUT_S = 5.0
"""An explanation takes several times as long as an answer, and a person waits for it."""


def evaluated(asked: EvaluateRequest) -> RecommendReply:
    """Raises `ReplicaUnavailable` when none answers, `InvalidDocument` for what the replica refuses, `EngineError` when it fails."""
    return _asked(lambda client: client.evaluate(asked, TIMEOUT_S))


def items_counted(asked: CountRequest) -> CountReply:
    """Raises as `evaluated`."""
    return _asked(lambda client: client.count_items(asked, TIMEOUT_S))


def _asked(ask: Callable[[ReplicaClient], Answer]) -> Answer:
    refused = ReplicaUnavailable(
        "No replica is alive. Start one, or look at the parameter sync page for why it stopped."
    )
    for address in replica_addresses():
        try:
            return ask(replica_client(address))
        except ReplicaUnavailable as error:
            refused = error
    raise refused
