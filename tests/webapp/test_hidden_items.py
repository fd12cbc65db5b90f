"""Hiding and deleting items over REST, and what replicas must have said before it is answered."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import pytest
from django.utils import timezone

from engine.serving.codec import caught_up_to_wire
from engine.serving.requests import CatchUpReply
from engine.serving.wire import replica_pb2 as wire
from engine.spec.event import CatalogChange
from engine.streams import topics
from engine.streams.log import EventLog
from tests.webapp.client import Api
from tests.webapp.replica_server import Answers, served
from webapp.accounts.models import Project
from webapp.catalog.selectors import servable_item_ids
from webapp.registry.services import schema_publish
from webapp.serving.models import Replica

SCHEMA: dict[str, Any] = {
    "users": {},
    "items": {"title": {"type": "string"}},
    "events": {"click": {"role": "action"}},
}


@pytest.fixture(autouse=True)
def _schema(project: Project) -> None:
    schema_publish(project=project, document=SCHEMA)


class Follower(Answers):
    """A replica that says whether it has read the catalogue so far; with a `gate` it says nothing until that opens."""

    def __init__(self, reached: bool, gate: threading.Event | None = None) -> None:
        super().__init__()
        self.reached = reached
        self.gate = gate
        self.asked: list[tuple[str, dict[int, int]]] = []

    def CatchUp(self, request: wire.CatchUpRequest, context: grpc.ServicerContext) -> wire.CatchUpReply:
        self.asked.append((request.project, dict(request.catalog_offsets)))
        if self.gate is not None:
            self.gate.wait(10)
        return caught_up_to_wire(CatchUpReply(self.reached, {}, "replica"))


@pytest.fixture
def replicas() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def alive(replicas: ExitStack, name: str, follower: Follower, *, drained: bool = False) -> Follower:
    now = timezone.now()
    address = replicas.enter_context(served(follower))
    Replica.objects.create(
        name=name, address=address, started_at=now, heartbeat_at=now, drained_at=now if drained else None
    )
    return follower


def changes(log: EventLog, project: Project) -> list[tuple[str, dict[str, Any], bool, bool]]:
    found = [CatalogChange.from_bytes(record.value) for record in log.read(topics.catalog(project.slug), 0, 0)]
    return [(change.id, change.properties, change.deleted, change.hidden) for change in found]


def test_it_hides_an_item_and_shows_it_again(api: Api, project: Project, log: EventLog) -> None:
    written = api.put("/items/tea", {"properties": {"title": "Tea"}}).json()
    assert (written["hidden"], written["replicas_pending"]) == (False, [])
    assert api.patch("/items/tea", {"hidden": True}).json()["hidden"] is True
    assert api.get("/items/tea").json()["hidden"] is True
    assert api.patch("/items/tea", {"hidden": False}).json()["properties"] == {"title": "Tea"}
    assert changes(log, project) == [
        ("tea", {"title": "Tea"}, False, False),
        ("tea", {"title": "Tea"}, False, True),
        ("tea", {"title": "Tea"}, False, False),
    ]


def test_it_leaves_an_item_hidden_that_is_written_without_a_word_of_it(
    api: Api, project: Project, log: EventLog
) -> None:
    api.put("/items/tea", {"hidden": True})
    assert api.put("/items/tea", {"properties": {"title": "Tea"}}).json()["hidden"] is True
    assert api.patch("/items/tea", {"properties": {"title": "Green tea"}}).json()["hidden"] is True
    assert api.put("/items", [{"id": "tea"}, {"id": "jam"}]).status_code == 200
    assert [(item["id"], item["hidden"]) for item in api.get("/items").json()["items"]] == [
        ("jam", False),
        ("tea", True),
    ]
    assert [change[3] for change in changes(log, project)] == [True, True, True, True, False]


def test_it_hides_and_shows_many_items_at_once(api: Api, project: Project, log: EventLog) -> None:
    api.put("/items", [{"id": "tea", "hidden": True}, {"id": "jam"}, {"id": "oil", "hidden": True}])
    api.put("/items", [{"id": "tea", "hidden": False}, {"id": "jam", "hidden": True}, {"id": "oil"}])
    hidden = {item["id"]: item["hidden"] for item in api.get("/items").json()["items"]}
    assert hidden == {"tea": False, "jam": True, "oil": True}
    assert {change[0]: change[3] for change in changes(log, project)} == hidden


@pytest.mark.parametrize("hidden", ["true", 1, "no", []])
def test_it_refuses_to_guess_whether_an_item_is_hidden(api: Api, hidden: Any) -> None:
    answer = api.put("/items/tea", {"hidden": hidden})
    assert answer.status_code == 400
    assert answer.json()["extra"]["problems"][0]["field"] == "hidden"
    row = api.put("/items", [{"id": "tea", "hidden": hidden}, {"id": "jam"}]).json()["results"][0]
    assert (row["status"], row["problems"][0]["field"]) == ("rejected", "hidden")


def test_it_knows_what_may_be_answered_without_a_replica(api: Api, project: Project) -> None:
    api.put("/items", [{"id": "tea", "hidden": True}, {"id": "jam"}, {"id": "oil"}])
    api.delete("/items/oil")
    assert servable_item_ids(project=project, item_ids=["tea", "jam", "oil", "nil"]) == {"jam"}


def test_it_has_no_hidden_users(api: Api) -> None:
    assert api.put("/users/ann", {"hidden": True}).status_code == 400
    assert api.put("/users", [{"id": "ann", "hidden": True}]).status_code == 400


def test_it_answers_that_an_item_is_gone_when_every_replica_has_said_so(
    api: Api, project: Project, replicas: ExitStack
) -> None:
    followers = [alive(replicas, f"replica-{number}", Follower(reached=True)) for number in range(2)]
    api.put("/items/tea", {})
    assert api.patch("/items/tea", {"hidden": True}).json()["replicas_pending"] == []
    assert api.delete("/items/tea").status_code == 204
    for follower in followers:
        # Offset 0 is that of the first write, which nobody needs to wait for.
        assert follower.asked == [(project.slug, {0: 1}), (project.slug, {0: 2})]


def test_it_waits_for_replicas_when_the_client_prefers_to(api: Api, project: Project, replicas: ExitStack) -> None:
    behind = alive(replicas, "behind", Follower(reached=False))
    body = {"properties": {"title": "Tea"}}
    assert api.put("/items/tea", body).json()["replicas_pending"] == []
    assert behind.asked == []
    wait = {"prefer": "wait=1, return=minimal"}
    assert api.send("put", "/items/tea", body, headers=wait).json()["replicas_pending"] == ["behind"]
    assert api.send("patch", "/items/tea", body, headers=wait).json()["replicas_pending"] == ["behind"]
    assert api.send("put", "/items", [{"id": "jam"}], headers=wait).json()["replicas_pending"] == ["behind"]
    assert behind.asked == [(project.slug, {0: offset}) for offset in (1, 2, 3)]


def test_it_names_the_replicas_that_did_not_confirm(api: Api, replicas: ExitStack) -> None:
    alive(replicas, "behind", Follower(reached=False))
    alive(replicas, "there", Follower(reached=True))
    alive(replicas, "drained", Follower(reached=False), drained=True)
    now = timezone.now()
    Replica.objects.create(name="gone", address="127.0.0.1:1", started_at=now, heartbeat_at=now)
    api.put("/items", [{"id": "tea"}, {"id": "jam"}])
    assert api.patch("/items/tea", {"hidden": True}).json()["replicas_pending"] == ["behind", "gone"]
    assert api.put("/items", [{"id": "jam", "hidden": True}]).json()["replicas_pending"] == ["behind", "gone"]
    answer = api.delete("/items/tea")
    assert (answer.status_code, answer.json()) == (202, {"replicas_pending": ["behind", "gone"]})
    assert api.get("/items/tea").status_code == 404


def test_it_waits_a_second_and_no_longer_for_replicas(api: Api, replicas: ExitStack) -> None:
    gate = threading.Event()
    replicas.callback(gate.set)
    for number in range(3):
        alive(replicas, f"slow-{number}", Follower(reached=True, gate=gate))
    api.put("/items/tea", {})
    began_s = time.monotonic()
    answer = api.delete("/items/tea")
    assert (answer.status_code, len(answer.json()["replicas_pending"])) == (202, 3)
    assert time.monotonic() - began_s < 3
