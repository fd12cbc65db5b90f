"""POST /recommend: which replica is asked, what is answered, and the impression that is logged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from engine.errors import LogError
from engine.spec.event import Event
from engine.spec.schema import EventRole
from engine.streams import topics
from engine.streams.log import EventLog
from engine.streams.postgres import PostgresLog
from tests.webapp.client import DEFINITION, PATIENT, RANKING_DEFINITION, Api
from tests.webapp.replica_server import REPLY, Answers, served
from webapp.accounts.models import Project
from webapp.core.remembered import forget_everything
from webapp.experiments.services import experiment_start, experiment_stop
from webapp.registry.services import model_publish, schema_publish
from webapp.serving.models import Deployment
from webapp.serving.recommending import lately
from webapp.serving.services import deployment_put, replica_report


@pytest.fixture
def deployment(project: Project) -> Deployment:
    version = model_publish(project=project, name="retrieval", document=DEFINITION)
    return deployment_put(project=project, name="main", retrieval=version, ranking=None, document=PATIENT)


@pytest.fixture
def answers(deployment: Deployment) -> Iterator[Answers]:
    one = Answers()
    with served(one) as address:
        alive("replica-1", address)
        yield one


def alive(name: str, address: str) -> None:
    replica_report(name=name, address=address, started_at=timezone.now(), positions=[])
    forget_everything()


def impressions(log: EventLog, project: Project) -> list[Event]:
    return [Event.from_bytes(record.value) for record in log.read(topics.events(project.slug), 0, 0)]


def test_it_answers_items_with_the_parameters_that_chose_them(api: Api, answers: Answers) -> None:
    answer = api.post("/recommend", {"user_id": "u1", "k": 2, "exclude": ["oil"]})
    body = answer.json()
    assert answer.status_code == 200
    assert len(body.pop("recommendation_id")) == 32
    assert body.pop("next")
    assert body == {
        "items": [
            {"item_id": "tea", "score": 0.9, "source": "two_tower"},
            {"item_id": "jam", "score": 0.4, "source": "trending"},
        ],
        "deployment": "main",
        "revision": 1,
        "models": [
            {
                "role": "retrieval",
                "name": "retrieval",
                "version": 1,
                "sequence": 7,
                "age_s": 0.25,
                "events_through": {"0": 42},
                "event_time": "2026-01-31T12:00:00.000Z",
            }
        ],
        "degraded": None,
        "replica": "replica-1",
        "took_ms": 1.5,
    }
    asked = answers.requests[0]
    assert (asked.project, asked.deployment, asked.user_id, asked.k, asked.exclude) == (
        "shop",
        "main",
        "u1",
        2,
        ("oil",),
    )


def test_it_logs_the_impression_with_its_features(api: Api, answers: Answers, project: Project, log: EventLog) -> None:
    recommendation_id = api.post("/recommend", {"user_id": "u1"}).json()["recommendation_id"]
    (event,) = impressions(log, project)
    assert (event.type, event.role, event.user_id) == ("impression", EventRole.IMPRESSION, "u1")
    assert event.recommendation_id == recommendation_id
    assert [(shown.item_id, shown.position, shown.score) for shown in event.items] == [("tea", 0, 0.9), ("jam", 1, 0.4)]
    assert event.features == REPLY.features


def test_it_logs_the_context_that_an_impression_may_have(
    api: Api, answers: Answers, project: Project, log: EventLog
) -> None:
    place, price = {"place": {"type": "string"}}, {"price": {"type": "float"}}
    document = {
        "events": {"view": {"role": "impression", "properties": place}, "buy": {"role": "action", "properties": price}}
    }
    schema_publish(project=project, document=document)
    api.post("/recommend", {"user_id": "u1", "context": {"place": "top", "price": 3}})
    (event,) = impressions(log, project)
    assert (event.type, event.properties) == ("view", {"place": "top"})
    assert answers.requests[0].context == {"place": "top", "price": 3.0}


def test_it_logs_nothing_when_the_schema_has_no_impressions(
    api: Api, answers: Answers, project: Project, log: EventLog
) -> None:
    schema_publish(project=project, document={"events": {"click": {"role": "action"}}})
    assert api.post("/recommend", {"user_id": "u1"}).status_code == 200
    assert impressions(log, project) == []


def test_it_answers_even_when_the_log_does_not_take_the_impression(
    api: Api, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: PostgresLog, topic: str, records: object) -> None:
        raise LogError("the disk is full")

    monkeypatch.setattr(PostgresLog, "append", refuse)
    answer = api.post("/recommend", {"user_id": "u1"})
    assert (answer.status_code, answer.json()["degraded"]) == (200, "impression_not_logged")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "user_id"),
        ({"user_id": ""}, "user_id"),
        ({"user_id": "a\x00"}, "user_id"),
        ({"user_id": "x" * 257}, "user_id"),
        ({"user_id": 5}, "user_id"),
        ({"user_id": "u1", "k": 0}, "k"),
        ({"user_id": "u1", "k": 501}, "k"),
        ({"user_id": "u1", "exclude": ["x"] * 10_001}, "exclude"),
        ({"user_id": "u1", "exclude": ["ok", 7]}, "exclude.1"),
        ({"user_id": "u1", "context": []}, "context"),
        ({"user_id": "u1", "context": {str(number): 1 for number in range(101)}}, "context"),
        ({"user_id": "u1", "context": {"a": "x" * 20_000}}, "context"),
        ({"user_id": "u1", "context": {"weather": "wet"}}, "weather"),
        ({"user_id": "u1", "limit": 5}, "limit"),
    ],
)
def test_it_names_the_broken_field(api: Api, answers: Answers, body: dict[str, Any], field: str) -> None:
    answer = api.post("/recommend", body)
    assert answer.status_code == 400
    assert [problem["field"] for problem in answer.json()["extra"]["problems"]] == [field]
    assert answers.requests == []


def test_it_says_when_nothing_is_deployed(api: Api) -> None:
    answer = api.post("/recommend", {"user_id": "u1"})
    assert (answer.status_code, answer.json()["code"]) == (404, "no_deployment")


def test_it_says_when_no_replica_is_alive(api: Api, deployment: Deployment) -> None:
    answer = api.post("/recommend", {"user_id": "u1"})
    assert (answer.status_code, answer.json()["code"]) == (503, "replica_unavailable")


def test_it_passes_over_a_replica_that_does_not_answer(api: Api, answers: Answers) -> None:
    broken = Answers(reply=None)
    with served(broken) as address:
        alive("replica-2", address)
        statuses = [api.post("/recommend", {"user_id": "u1"}).status_code for _ in range(4)]
    assert statuses == [200] * 4
    assert len(broken.requests) == 2
    assert len(answers.requests) == 4


def test_it_lets_replicas_take_turns(api: Api, answers: Answers) -> None:
    second = Answers(reply=replace(REPLY, replica="replica-2"))
    with served(second) as address:
        alive("replica-2", address)
        seen = [api.post("/recommend", {"user_id": "u1"}).json()["replica"] for _ in range(4)]
    assert sorted(seen) == ["replica-1"] * 2 + ["replica-2"] * 2
    assert seen[0] != seen[1]


def test_it_forgets_a_replica_that_fell_silent(api: Api, answers: Answers) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE serving_replica SET heartbeat_at = heartbeat_at - interval '11 s'")
    forget_everything()
    assert api.post("/recommend", {"user_id": "u1"}).status_code == 503


def test_it_asks_postgresql_for_nothing_once_it_is_warm(api: Api, answers: Answers) -> None:
    with CaptureQueriesContext(connection) as cold:
        api.post("/recommend", {"user_id": "u1"})
    with CaptureQueriesContext(connection) as warm:
        api.post("/recommend", {"user_id": "u1"})
    assert len(warm) == 0
    assert len(cold) <= 6


def test_it_splits_traffic_as_the_experiment_says(api: Api, answers: Answers, project: Project) -> None:
    ranking = model_publish(project=project, name="ranking", document=RANKING_DEFINITION)
    control = Deployment.objects.get(project=project, name="main")
    candidate = deployment_put(
        project=project, name="candidate", retrieval=control.retrieval, ranking=ranking, document=PATIENT
    )
    experiment = experiment_start(project=project, name="ranked", arms=[(control, 5000), (candidate, 5000)])
    users = [f"user-{number}" for number in range(60)]
    once = [api.post("/recommend", {"user_id": user}).json()["deployment"] for user in users]
    again = [api.post("/recommend", {"user_id": user}).json()["deployment"] for user in users]
    assert once == again
    assert 12 <= once.count("candidate") <= 48  # beyond five standard deviations otherwise
    assert api.post("/recommend", {"user_id": users[0], "deployment": "main"}).json()["deployment"] == "main"
    experiment_stop(experiment=experiment)
    assert {api.post("/recommend", {"user_id": user}).json()["deployment"] for user in users[:10]} == {"main"}
    assert api.post("/recommend", {"user_id": "u1", "deployment": "nowhere"}).status_code == 404


def test_it_answers_what_it_answered_lately_while_no_replica_does(
    api: Api, project: Project, answers: Answers, log: EventLog
) -> None:
    for item_id in ("tea", "jam"):
        api.put(f"/items/{item_id}", {"properties": {}})
    api.post("/recommend", {"user_id": "u1", "k": 2})
    api.delete("/items/jam")
    answers.reply = None
    answer = api.post("/recommend", {"user_id": "u2", "k": 2})
    assert answer.status_code == 200
    body = answer.json()
    assert body["items"] == [{"item_id": "tea", "score": 1.0, "source": "lately_answered"}]
    assert (body["degraded"], body["models"]) == ("no_replica", [])
    last = impressions(log, project)[-1]
    assert (last.recommendation_id, last.features) == (body["recommendation_id"], None)
    refused = api.post("/recommend", {"user_id": "u2", "exclude": ["tea"]})
    assert (refused.status_code, refused.json()["code"]) == (503, "replica_unavailable")


def test_it_answers_what_the_log_says_was_shown_when_the_process_has_answered_nothing_yet(
    api: Api, project: Project, answers: Answers
) -> None:
    for item_id in ("tea", "jam"):
        api.put(f"/items/{item_id}", {"properties": {}})
    api.post("/recommend", {"user_id": "u1", "k": 2})
    lately.forget()
    answers.reply = None
    answer = api.post("/recommend", {"user_id": "u2", "k": 1})
    assert answer.json()["items"] == [{"item_id": "jam", "score": 1.0, "source": "lately_answered"}]
    assert answer.json()["degraded"] == "no_replica"
