"""POST /recommend, /rank and /similar on the event loop: what the door answers, refuses, logs and leaves to others."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace

import orjson
import pytest
from django.test import Client

from engine.serving.requests import Ask
from engine.spec.event import Event
from engine.spec.schema import EventRole
from engine.spec.served import SHADOW_TYPE
from engine.streams import topics
from engine.streams.log import EventLog
from tests.webapp.client import DEFINITION, PATIENT
from tests.webapp.door.conftest import DoorClient
from tests.webapp.replica_server import REPLY, Answers
from webapp.accounts.models import ApiKey, Project
from webapp.accounts.services import api_key_create, api_key_revoke
from webapp.catalog.impressions import impressions_flush
from webapp.experiments.services import Design, experiment_start
from webapp.registry.services import model_publish
from webapp.serving.door.application import Door
from webapp.serving.models import Deployment
from webapp.serving.services import deployment_put

pytestmark = pytest.mark.django_db(transaction=True)


def impressions(log: EventLog, project: Project) -> list[Event]:
    assert impressions_flush()
    return [Event.from_bytes(record.value) for record in log.read(topics.events(project.slug), 0, 0)]


def test_it_answers_as_the_api_behind_it_does(client: DoorClient, answers: Answers, project: Project) -> None:
    _, secret = api_key_create(project=project, name="k", scopes=["recommend"])
    body = {"user_id": "u1", "k": 2, "exclude": ["oil"]}
    told = client.post("/recommend", body)
    behind = Client(headers={"x-api-key": secret}).post("/api/v1/recommend", body, content_type="application/json")
    assert told.status == behind.status_code == 200
    own = {"recommendation_id": "", "next": ""}
    assert {**told.body, **own} == {**behind.json(), **own}
    assert answers.requests[0] == answers.requests[1]
    theirs = {name.lower(): value for name, value in behind.headers.items()}
    assert len(told.headers.pop("x-request-id")) == 32
    assert told.headers | {"content-length": ""} == theirs | {"content-length": ""}


def test_it_logs_the_impression_with_what_served_it(
    client: DoorClient, answers: Answers, project: Project, log: EventLog
) -> None:
    told = client.post("/recommend", {"user_id": "u1"})
    (event,) = impressions(log, project)
    assert (event.role, event.user_id) == (EventRole.IMPRESSION, "u1")
    assert event.recommendation_id == told.body["recommendation_id"]
    assert event.features == REPLY.features
    assert event.served is not None
    assert (event.served.deployment, event.served.sources, event.served.propensities) == (
        "main",
        ("two_tower", "trending"),
        (1.0, 1.0),
    )


def test_it_hands_everything_else_on(client: DoorClient) -> None:
    assert client.post("/recommend", {}, method="GET").status == 299
    assert client.post("/recommend/", {}).status == 299
    assert client.post("/events", {}).status == 299


def test_it_asks_for_the_ranking_of_given_items(client: DoorClient, answers: Answers) -> None:
    answers.reply = replace(REPLY, unknown=("ghost",))
    told = client.post("/rank", {"user_id": "u1", "candidates": ["jam", "ghost", "tea", "jam"]})
    assert told.status == 200
    assert told.body["unknown"] == ["ghost"]
    assert "next" not in told.body
    asked = answers.requests[0]
    assert (asked.ask, asked.candidates, asked.k, asked.num_logged) == (Ask.RANK, ("jam", "ghost", "tea"), 3, 25)


@pytest.mark.parametrize(("shown", "logged"), [(None, [["tea", "jam"]]), (1, [["tea"]]), (0, [])])
def test_it_logs_of_a_ranking_what_is_shown(
    client: DoorClient, answers: Answers, project: Project, log: EventLog, shown: int | None, logged: list[list[str]]
) -> None:
    body = {"user_id": "u1", "candidates": ["jam", "tea"]}
    told = client.post("/rank", body if shown is None else {**body, "shown": shown})
    assert [item["item_id"] for item in told.body["items"]] == ["tea", "jam"]
    events = impressions(log, project)
    assert [[item.item_id for item in event.items] for event in events] == logged
    assert [len(event.served.propensities) for event in events if event.served] == [len(items) for items in logged]


def test_it_asks_for_what_is_like_an_item(client: DoorClient, answers: Answers) -> None:
    assert client.post("/similar", {"item_id": "tea", "k": 3}).status == 200
    asked = answers.requests[0]
    assert (asked.ask, asked.item_id, asked.user_id, asked.k) == (Ask.SIMILAR, "tea", "", 3)


def test_it_passes_on_all_that_a_request_says(client: DoorClient, answers: Answers) -> None:
    answers.reply = replace(REPLY, explanation_json=b'{"sources":{}}')
    told = client.post(
        "/recommend",
        {
            "session": [{"type": "click", "item_id": "oil", "timestamp": "2026-01-31T12:00:00Z"}],
            "filter": "item.category in $wanted",
            "parameters": {"wanted": ["a", "b"], "most": 3},
            "boosts": [{"when": "item.title is null", "multiply": 0.5}],
            "diversity": {"kind": "mmr", "by": "category"},
            "explore": False,
            "fields": ["title"],
            "explain": True,
            "seed": 7,
            "timeout_ms": 2000,
        },
    )
    assert told.status == 200
    assert told.body["explanation"] == {"sources": {}}
    assert [item["propensity"] for item in told.body["items"]] == [1.0, 1.0]
    asked = answers.requests[0]
    assert [(one.type, one.item_id, one.timestamp_ms) for one in asked.session] == [("click", "oil", 1_769_860_800_000)]
    assert (asked.filter, asked.parameters) == ("item.category in $wanted", {"wanted": ["a", "b"], "most": 3})
    assert asked.overrides is not None
    assert asked.overrides.boosts[0]["multiply"] == 0.5
    assert asked.overrides.diversity is not None and asked.overrides.diversity["by"] == "category"
    assert asked.overrides.exploration == {"kind": "none"}
    assert (asked.fields, asked.explain, asked.seed) == (("title",), True, 7)


def test_it_scrolls_without_repeating(client: DoorClient, answers: Answers) -> None:
    first = client.post("/recommend", {"user_id": "u1"}).body["next"]
    second = client.post("/recommend", {"user_id": "u1", "next": first}).body["next"]
    client.post("/recommend", {"user_id": "u1", "next": second})
    assert answers.requests[0].shown == ()
    assert len(answers.requests[1].shown) == 2
    assert answers.requests[2].shown == answers.requests[1].shown
    other = client.post("/recommend", {"user_id": "u2", "next": first})
    assert (other.status, other.body["extra"]["problems"][0]["field"]) == (400, "next")


def test_it_tells_the_experiment_when_asked(client: DoorClient, answers: Answers, project: Project) -> None:
    main = Deployment.objects.get(project=project, name="main")
    other = deployment_put(project=project, name="other", retrieval=main.retrieval, ranking=None, document=PATIENT)
    experiment_start(project=project, name="split", arms=[(main, 5000), (other, 5000)])
    told = client.post("/recommend", {"user_id": "u1", "return_experiment": True}).body
    assert told["experiment"]["name"] == "split"
    assert "experiment" not in client.post("/recommend", {"user_id": "u1"}).body
    named = client.post("/recommend", {"user_id": "u1", "scenario": "other", "return_experiment": True}).body
    assert (named["deployment"], named["experiment"]) == ("other", None)


def test_it_asks_shadows_and_shows_nobody_what_they_say(
    client: DoorClient, answers: Answers, project: Project, log: EventLog
) -> None:
    main = Deployment.objects.get(project=project, name="main")
    other = deployment_put(project=project, name="other", retrieval=main.retrieval, ranking=None, document=PATIENT)
    experiment_start(project=project, name="dark", arms=[(main, 10_000)], design=Design(shadows=[(other, 10_000)]))
    told = client.post("/recommend", {"user_id": "u1"}).body
    client.shadows_settled()
    assert told["deployment"] == "main"
    assert sorted(asked.deployment for asked in answers.requests) == ["main", "other"]
    shadow, shown = sorted(impressions(log, project), key=lambda event: event.role is EventRole.IMPRESSION)
    assert (shown.recommendation_id, shown.role) == (told["recommendation_id"], EventRole.IMPRESSION)
    assert (shadow.type, shadow.role) == (SHADOW_TYPE, EventRole.OTHER)
    assert shadow.served is not None
    assert (shadow.served.deployment, shadow.served.shadow_of) == ("other", told["recommendation_id"])
    assert shadow.features == REPLY.features


def test_it_judges_without_a_replica(client: DoorClient, deployment: Deployment) -> None:
    good = client.post("/recommend", {"user_id": "u1", "filter": "item.title = 'Tea'", "validate_only": True})
    assert (good.status, good.body["is_valid"], good.body["num_replicas"]) == (200, True, 0)
    bad = client.post(
        "/recommend",
        {
            "user_id": "u1",
            "filter": "item.colour = $hue",
            "fields": ["weight"],
            "session": [{"type": "dance", "item_id": "tea"}],
            "validate_only": True,
        },
    )
    fields = [problem["field"] for problem in bad.body["extra"]["problems"]]
    assert bad.status == 400
    assert {"filter", "fields.0", "session.0.type"} <= set(fields)


def test_it_names_what_the_schema_does_not_declare(client: DoorClient, answers: Answers) -> None:
    for said, field in (({"context": {"weather": 1}}, "weather"), ({"user_properties": {"age": 1}}, "age")):
        told = client.post("/recommend", {"user_id": "u1", **said})
        assert (told.status, [one["field"] for one in told.body["extra"]["problems"]]) == (400, [field])
    assert answers.requests == []


def test_it_reads_packed_and_long_bodies(client: DoorClient, answers: Answers) -> None:
    body = orjson.dumps({"user_id": "u1", "exclude": [f"item-{number}" for number in range(10_000)]})
    assert client.post("/recommend", body).status == 200
    assert client.post("/recommend", gzip.compress(body), content_encoding="gzip").status == 200
    assert len(answers.requests[0].exclude) == len(answers.requests[1].exclude) == 10_000


REFUSED: list[tuple[bytes, dict[str, str], int, str]] = [
    (b"{", {}, 400, "parse_error"),
    (b'{"user_id": NaN}', {}, 400, "parse_error"),
    (b'{"user_id": 5}', {}, 400, "invalid"),
    (b"a=1", {"content_type": "text/plain"}, 415, "unsupported_media_type"),
    (b"{}", {"content_encoding": "br"}, 415, "unsupported_media_type"),
    (b"nonsense", {"content_encoding": "gzip"}, 400, "parse_error"),
    (b" " * (5 * 2**20), {}, 413, "too_large"),
    (gzip.compress(b" " * (5 * 2**20)), {"content_encoding": "gzip"}, 413, "too_large"),
    (b"{}", {"host": "evil.example"}, 400, "bad_request"),
    (b"{}", {"authorization": "Bearer fk_0123456789_wrong"}, 401, "authentication_failed"),
    (b"{}", {"authorization": "Basic abc"}, 401, "not_authenticated"),
]


def test_it_refuses_in_the_api_s_shape(client: DoorClient, answers: Answers) -> None:
    for body, headers, status, code in REFUSED:
        told = client.post("/recommend", body, **headers)
        assert (told.status, told.body["code"]) == (status, code)
        assert set(told.body) == {"code", "message", "extra"}
        assert told.headers["content-security-policy"]
    assert answers.requests == []


def test_it_asks_for_the_scope(opened: Callable[..., DoorClient], answers: Answers) -> None:
    told = opened("ingest", "manage").post("/recommend", {"user_id": "u1"})
    assert (told.status, told.body["code"], told.body["extra"]) == (403, "forbidden", {"scopes": ["recommend"]})


def test_it_refuses_a_revoked_key_at_once(client: DoorClient, answers: Answers) -> None:
    assert client.post("/recommend", {"user_id": "u1"}).status == 200
    api_key_revoke(api_key=ApiKey.objects.get(name="door"))
    assert client.post("/recommend", {"user_id": "u1"}).status == 401


def test_it_notes_when_a_key_was_used(client: DoorClient, answers: Answers) -> None:
    client.post("/recommend", {"user_id": "u1"})
    client.settled()
    assert ApiKey.objects.get(name="door").last_used_at is not None


def test_it_repeats_a_request_s_own_id(client: DoorClient, answers: Answers) -> None:
    assert client.post("/recommend", {"user_id": "u1"}, x_request_id="abc-1").headers["x-request-id"] == "abc-1"
    assert client.post("/recommend", {"user_id": "u1"}, x_request_id="a b").headers["x-request-id"] != "a b"


def test_it_sees_no_other_project(
    client: DoorClient, answers: Answers, other_project: Project, opened: Callable[..., DoorClient]
) -> None:
    version = model_publish(project=other_project, name="theirs", document=DEFINITION)
    deployment_put(project=other_project, name="secret", retrieval=version, ranking=None, document=PATIENT)
    assert client.post("/recommend", {"user_id": "u1", "deployment": "secret"}).status == 404
    assert client.post("/recommend", {"user_id": "u1"}).body["deployment"] == "main"
    assert {asked.project for asked in answers.requests} == {"shop"}


def test_it_flushes_what_was_served_before_it_stops(
    client: DoorClient, answers: Answers, project: Project, log: EventLog
) -> None:
    deployment = Deployment.objects.get(project=project, name="main")
    deployment.document = {"impressions": {"logging": "behind"}}
    deployment.revision += 1
    deployment.save()
    for number in range(20):
        assert client.post("/recommend", {"user_id": f"u{number}"}).body["degraded"] is None
    assert len(impressions(log, project)) == 20
    assert isinstance(client.door, Door)
