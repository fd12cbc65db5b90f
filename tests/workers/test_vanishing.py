"""Deleted and hidden items are gone from the next request on: the API and a real replica, which nobody polls.

The replica has no loop here, so all it knows of a change is what it read because it was asked to catch up.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.serving.replica import Replica
from engine.serving.server import ReplicaServer
from engine.streams.log import EventLog
from tests.webapp.client import Api
from webapp.accounts.models import Project, Scope
from webapp.accounts.services import api_key_create
from webapp.registry.services import schema_publish
from workers.serving import ServingTurn

SOURCES = [{"kind": "latest", "quota": 100}, {"kind": "random", "quota": 100}]
SCHEMA: dict[str, Any] = {
    "items": {"topic": {"type": "string"}, "price": {"type": "float"}},
    "events": {"impression": {"role": "impression"}, "click": {}},
}


@pytest.fixture
def api(project: Project, log: EventLog) -> Api:
    schema_publish(project=project, document=SCHEMA)
    _, secret = api_key_create(project=project, name="test", scopes=list(Scope))
    api = Api(secret)
    api.put("/items", [{"id": f"item-{number}", "properties": {"price": number}} for number in range(20)])
    document = {"retrieval": {"sources": SOURCES}, "filter": "item.price < $limit", "parameters": {"limit": 15.0}}
    answer = api.put("/deployments/home", {"document": document})
    assert answer.status_code == 200, answer.json()
    return api


@pytest.fixture
def replica(api: Api, log: EventLog, tmp_path: Path) -> Iterator[Replica]:
    replica = Replica(log, tmp_path, name="replica-1")
    server = ReplicaServer(replica, "127.0.0.1:0")
    turn = ServingTurn(replica, name="replica-1", address=f"127.0.0.1:{server.port}")
    server.start()
    turn.turn()
    yield replica
    turn.leave()
    server.stop()


def answered(api: Api, **asked: Any) -> set[str]:
    answer = api.post("/recommend", {"user_id": "ann", "k": 50, "deployment": "home", **asked})
    assert answer.status_code == 200, answer.json()
    return {item["item_id"] for item in answer.json()["items"]}


def test_hidden_and_deleted_items_are_gone_from_the_next_request_on(api: Api, replica: Replica) -> None:
    assert answered(api) == {f"item-{number}" for number in range(15)}
    assert api.patch("/items/item-3", {"hidden": True}).json()["replicas_pending"] == []
    assert "item-3" not in answered(api)
    assert "item-3" not in answered(api, candidates=["item-3", "item-4"])
    assert api.delete("/items/item-4").status_code == 204
    assert answered(api) == {f"item-{number}" for number in range(15)} - {"item-3", "item-4"}
    assert api.put("/items", [{"id": "item-5", "hidden": True}]).json()["replicas_pending"] == []
    assert "item-5" not in answered(api)


def test_filter_follows_the_request_and_what_items_have_become(api: Api, replica: Replica) -> None:
    assert answered(api, parameters={"limit": 2}) == {"item-0", "item-1"}
    assert answered(api, filter='item.id in ["item-1", "item-9", "item-19"]') == {"item-1", "item-9"}
    api.patch("/items/item-1", {"properties": {"price": 100}})
    replica.poll()
    assert answered(api, parameters={"limit": 2}) == {"item-0"}
    refused = api.post("/recommend", {"user_id": "ann", "deployment": "home", "filter": "item.prize < 3"})
    assert refused.status_code == 400
    assert "item.price" in str(refused.json())
