"""A deletion is carried out by whoever holds what is deleted, each says what went, and the receipt says all of it.

The joiner and the replica are real ones over the test's PostgreSQL; nothing but `poll` moves them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.joining.process import JoinerProcess
from engine.serving.known import UserKnown
from engine.serving.replica import Replica
from engine.serving.server import ReplicaServer
from engine.spec.erasure import Erased
from engine.spec.erasure import Erasure as Order
from engine.spec.example import Example
from engine.spec.schema import Schema
from engine.streams import topics
from engine.streams.log import EventLog
from tests.webapp.client import Api
from webapp.accounts.models import Project, Scope
from webapp.accounts.services import api_key_create, project_create
from webapp.audit.models import AuditEntry
from webapp.catalog.models import RejectedRow
from webapp.erasure.models import Erasure, Part, Place
from webapp.erasure.selectors import erasures_open
from webapp.registry.services import schema_publish
from workers.erasing import JoinerErasures, ReplicaErasures, Telling
from workers.folders import joiner_folder
from workers.serving import ServingTurn
from workers.tasks.erasures import erasures as follow_all

SCHEMA: dict[str, Any] = {
    "users": {"country": {"type": "string"}},
    "items": {},
    "events": {"impression": {"role": "impression"}, "click": {}},
}

DOCUMENT = {"retrieval": {"sources": [{"kind": "latest", "quota": 100}]}}


@pytest.fixture
def api(project: Project, log: EventLog, settings: Any, tmp_path: Path) -> Api:
    settings.DATA_DIR = tmp_path / "data"
    schema_publish(project=project, document=SCHEMA)
    _, secret = api_key_create(project=project, name="shopkeeper", scopes=list(Scope))
    api = Api(secret)
    api.put("/users", [{"id": "ann", "properties": {"country": "SE"}}, {"id": "bob"}])
    api.put("/items", [{"id": f"i{number}"} for number in range(4)])
    assert api.put("/deployments/home", {"document": DOCUMENT}).status_code == 200
    clicks = [{"type": "click", "user_id": user, "item_id": f"i{one}"} for user in ("ann", "bob") for one in range(3)]
    shown = {"type": "impression", "user_id": "ann", "items": [{"item_id": "i3"}], "recommendation_id": "r1"}
    refused = {"type": "blink", "user_id": "ann", "item_id": "i1"}
    assert api.post("/events", [*clicks, shown, refused]).json()["accepted"] == 7
    return api


@pytest.fixture
def joiner(api: Api, project: Project, log: EventLog) -> JoinerProcess:
    joiner = JoinerProcess(
        log,
        project.slug,
        Schema.parse(SCHEMA),
        joiner_folder(project),
        time.time,
        on_erased=JoinerErasures(project),
    )
    joiner.poll()
    return joiner


@pytest.fixture
def replica(api: Api, log: EventLog, settings: Any) -> Iterator[Replica]:
    replica = Replica(log, settings.DATA_DIR, name="replica-1")
    server = ReplicaServer(replica, "127.0.0.1:0")
    turn = ServingTurn(replica, name="replica-1", address=f"127.0.0.1:{server.port}")
    server.start()
    turn.turn()
    replica.poll()
    yield replica
    turn.leave()
    server.stop()


def receipt(api: Api, address: str) -> dict[tuple[str, str], dict[str, Any]]:
    answer = api.get(address.removeprefix("/api/v1"))
    assert answer.status_code == 200, answer.json()
    return {(part["place"], part["name"]): part for part in answer.json()["parts"]}


def history(replica: Replica, project: Project, user_id: str) -> list[str]:
    known = replica.known(project.slug, "user", user_id)
    assert isinstance(known, UserKnown)
    return [deed.item_id for deed in known.history]


def test_a_deleted_user_is_forgotten_everywhere_and_the_receipt_says_what_went(
    api: Api, project: Project, joiner: JoinerProcess, replica: Replica, log: EventLog
) -> None:
    assert history(replica, project, "ann") == ["i2", "i1", "i0"]
    joiner.checkpoint()
    answer = api.delete("/users/ann")
    assert answer.status_code == 204
    before = receipt(api, answer["Location"])
    assert before["catalogue", ""]["counts"] == {"rows": 1}
    assert before["refused", ""]["counts"] == {"rejected_rows": 1, "dead_events": 0}
    assert {name for name, part in before.items() if part["state"] == "pending"} == {
        ("joiner", ""),
        ("replica", "replica-1"),
        ("folders", ""),
    }
    follow_all()
    joiner.poll()
    replica.poll()
    ReplicaErasures(replica, "replica-1").turn()
    said = receipt(api, answer["Location"])
    assert said["joiner", ""]["counts"] == {
        "history_items": 3,
        "pending_impressions": 1,
        "early_actions": 0,
        "counters": 0,
    }
    assert (said["replica", "replica-1"]["state"], said["replica", "replica-1"]["counts"]) == (
        "done",
        {"history": 3, "watched": 0},
    )
    assert (history(replica, project, "ann"), history(replica, project, "bob")) == ([], ["i2", "i1", "i0"])
    assert not RejectedRow.objects.filter(project=project).exists()
    # the joiner's checkpoint of before still holds her
    follow_all()
    assert "1 of the joiner's" in receipt(api, answer["Location"])["folders", ""]["note"]
    for _ in range(2):
        joiner.checkpoint()
    follow_all()
    last = receipt(api, answer["Location"])
    assert last["folders", ""]["state"] == "done"
    assert {part["state"] for part in last.values()} == {"done", "stays"}
    assert Erasure.objects.get().state == Erasure.State.DONE
    assert not erasures_open().exists()
    assert last["log", ""]["until"] is not None
    assert AuditEntry.objects.filter(project=project, action="user_erase", target="user ann").exists()
    # passed on to whoever learns
    origins = [Example.from_bytes(one.value).origin.value for one in log.read(topics.examples(project.slug), 0, 0)]
    assert origins[-1] == "erasure"


def test_a_restarted_replica_forgets_what_its_folder_still_has(
    api: Api, project: Project, replica: Replica, log: EventLog, settings: Any
) -> None:
    replica.close()
    address = api.delete("/users/ann")["Location"]
    again = Replica(log, settings.DATA_DIR, name="replica-1")
    for spec in replica.deployments():
        again.deploy(spec)
    assert history(again, project, "ann") == []
    ReplicaErasures(again, "replica-1").turn()
    assert receipt(api, address)["replica", "replica-1"]["counts"]["history"] == 3
    # and after another restart it knows that it has
    again.close()
    third = Replica(log, settings.DATA_DIR, name="replica-1")
    for spec in replica.deployments():
        third.deploy(spec)
    assert [one.erasure.id for one in third.erased()[project.slug]] == ["ann"]


def test_a_deleted_item_is_in_nobodys_history(
    api: Api, project: Project, joiner: JoinerProcess, replica: Replica
) -> None:
    answer = api.delete("/items/i1")
    joiner.poll()
    replica.poll()
    ReplicaErasures(replica, "replica-1").turn()
    assert history(replica, project, "bob") == ["i2", "i0"]
    assert receipt(api, answer["Location"])["replica", "replica-1"]["state"] == "done"
    # acted on again it is there again, as a new one
    api.post("/events", [{"type": "click", "user_id": "bob", "item_id": "i1"}])
    replica.poll()
    assert history(replica, project, "bob") == ["i1", "i2", "i0"]


def test_one_whom_only_events_name_is_erased_over_the_api(api: Api, project: Project) -> None:
    assert api.delete("/users/cleo").status_code == 404
    answer = api.post("/erasures", {"kind": "user", "id": "cleo"})
    assert answer.status_code == 201
    assert receipt(api, answer["Location"])["catalogue", ""]["counts"] == {"rows": 0}
    assert api.post("/erasures", {"kind": "dog", "id": "x"}).status_code == 400
    assert [one["entity_id"] for one in api.get("/erasures").json()["erasures"]] == ["cleo"]


def test_another_project_sees_no_receipt_and_says_nothing_to_one(api: Api, project: Project) -> None:
    address = api.delete("/users/ann")["Location"].removeprefix("/api/v1")
    rival = project_create(slug="rival", name="Rival")
    _, secret = api_key_create(project=rival, name="test", scopes=list(Scope))
    assert Api(secret).get(address).status_code == 404
    assert Api(secret).get("/erasures").json()["erasures"] == []
    token = Erasure.objects.get().token.hex
    Telling(rival, Place.JOINER).tell([Erased(Order(token, "user", "ann"), 0, {"history_items": 9})])
    assert receipt(api, address)["joiner", ""]["state"] == "pending"


def test_what_is_said_twice_counts_once_and_an_item_waits_for_all_partitions(api: Api, project: Project) -> None:
    address = api.delete("/items/i1")["Location"]
    erasure = Erasure.objects.get()
    Erasure.objects.update(positions={"0": 7, "1": 9})
    order = Order(erasure.token.hex, "item", "i1")
    for _ in range(2):
        Telling(project, Place.TRAINER, "ranker v1").tell([Erased(order, 0, {"rows": 1})])
    part = receipt(api, address)["trainer", "ranker v1"]
    assert (part["state"], part["counts"]) == ("pending", {"rows": 1})
    Telling(project, Place.TRAINER, "ranker v1").tell([Erased(order, 0, {"rows": 1}), Erased(order, 1, {"rows": 1})])
    part = receipt(api, address)["trainer", "ranker v1"]
    assert (part["state"], part["counts"]) == ("done", {"rows": 2})


def test_a_replica_that_dies_is_not_waited_for(
    api: Api, project: Project, joiner: JoinerProcess, replica: Replica, log: EventLog
) -> None:
    replica.close()
    address = api.delete("/users/ann")["Location"]
    ServingTurn(replica, name="replica-1", address="127.0.0.1:1").leave()
    joiner.poll()
    for _ in range(2):
        joiner.checkpoint()
    follow_all()
    said = receipt(api, address)
    assert (said["replica", "replica-1"]["state"], "not running" in said["replica", "replica-1"]["note"]) == (
        "stays",
        True,
    )
    assert said["folders", ""]["state"] == "stays"
    assert "1 of replica-1's" in said["folders", ""]["note"]
    assert Erasure.objects.get().state == Erasure.State.DONE
    assert Part.objects.filter(state=Part.State.PENDING).count() == 0
