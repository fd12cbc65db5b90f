"""The product over Kafka, chosen by a setting alone, beside the same over PostgreSQL; and a broker that is away."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from engine.spec.event import Event
from engine.spec.served import SHADOW_TYPE
from engine.streams import groups, topics
from engine.streams.kafka import KafkaLog
from engine.streams.postgres import PostgresLog
from tests.webapp.client import DEFINITION, PATIENT, Api
from tests.webapp.replica_server import Answers, served
from webapp.accounts.models import Account, Membership, Project
from webapp.accounts.services import account_create
from webapp.catalog.models import AcceptedEvent
from webapp.core.log import close_event_logs, event_log
from webapp.core.remembered import forget_everything
from webapp.experiments.feedback_taking import feedback_take
from webapp.registry.services import model_publish
from webapp.serving.services import deployment_put, replica_report
from webapp.training.services import run_start


@pytest.fixture
def over_kafka(
    _database_log: None, kafka_servers: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The session's broker, in which this test's topics and groups have a prefix of their own."""
    monkeypatch.setenv("KAFKA_TOPIC_PREFIX", f"{uuid.uuid4().hex}.")
    monkeypatch.setenv("KAFKA_GROUP_PREFIX", f"{uuid.uuid4().hex}.")
    settings.LOG_URL = f"kafka://{kafka_servers}"
    yield
    close_event_logs()


@pytest.fixture(params=["postgres", pytest.param("kafka", marks=pytest.mark.kafka)])
def over(request: pytest.FixtureRequest) -> str:
    request.getfixturevalue("_database_log" if request.param == "postgres" else "over_kafka")
    return str(request.param)


def signed_in(project: Project) -> Client:
    account: Account = account_create(username="member", password="a long enough password")
    Membership.objects.create(account=account, project=project)
    client = Client()
    client.force_login(account)
    return client


def click(event_id: str, user_id: str = "u1") -> dict[str, Any]:
    return {"event_id": event_id, "type": "click", "user_id": user_id, "item_id": "tea"}


def test_it_takes_events_and_answers_their_places(over: str, api: Api, project: Project) -> None:
    answer = api.post("/events", [click("e1"), click("e2")])
    assert answer.status_code == 200
    assert [(row["partition"], row["offset"]) for row in answer.json()["results"]] == [(0, 0), (0, 1)]
    log = event_log()
    assert isinstance(log, KafkaLog if over == "kafka" else PostgresLog)
    stored = log.read(topics.events(project.slug), 0, 0)
    assert [Event.from_bytes(record.value).event_id for record in stored] == ["e1", "e2"]


def test_it_shows_what_the_joiner_and_each_online_trainer_have_yet_to_read(
    over: str, api: Api, project: Project
) -> None:
    browser, where = signed_in(project), f"/p/{project.slug}/runs/"
    page = browser.get(where).content.decode()
    assert "Waiting in the log" in page and "none yet" in page
    api.post("/events", [click(f"e{number}", f"u{number}") for number in range(1_500)])
    run_start(model_version=model_publish(project=project, name="retrieval", document=DEFINITION), mode="online")
    log = event_log()
    log.commit(groups.JOINER, topics.events(project.slug), {0: 277})
    page = browser.get(where).content.decode()
    rows = [part.split("</tr>")[0] for part in page.split("<tr>") if "consumer group" in part]
    assert len(rows) == 2
    assert "consumer group joiner" in rows[0] and f"{project.slug}.events" in rows[0]
    assert [f'num">{number}<' in rows[0] for number in ("1,500", "277", "1,223")] == [True] * 3
    assert "consumer group trainer.retrieval.v1" in rows[1] and "none yet" in rows[1]


@pytest.mark.django_db(transaction=True)
def test_it_answers_503_and_when_to_come_back_while_the_broker_is_away(
    api: Api, project: Project, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_REQUEST_TIMEOUT_MS", "500")
    monkeypatch.setenv("KAFKA_DELIVERY_TIMEOUT_MS", "1500")
    browser = signed_in(project)
    settings.LOG_URL = "kafka://127.0.0.1:1"
    answer = api.post("/events", [click("e1")])
    assert (answer.status_code, answer.json()["code"]) == (503, "log_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert not AcceptedEvent.objects.filter(project=project).exists()
    assert "The event log does not answer now." in browser.get(f"/p/{project.slug}/runs/").content.decode()


@pytest.mark.kafka
def test_it_moves_every_topic_to_kafka_and_keeps_the_offsets(
    api: Api, project: Project, kafka_servers: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_TOPIC_PREFIX", f"{uuid.uuid4().hex}.")
    monkeypatch.setenv("KAFKA_GROUP_PREFIX", f"{uuid.uuid4().hex}.")
    model_publish(project=project, name="retrieval", document=DEFINITION)
    api.post("/events", [click(f"e{number}") for number in range(10)])
    events = topics.events(project.slug)
    event_log().trim(events, 0, 4)
    event_log().commit(groups.JOINER, events, {0: 6})
    kept = event_log().read(events, 0, 4)
    said = StringIO()
    call_command("copy_log", to=f"kafka://{kafka_servers}", stdout=said)
    assert f"{events}: 6 records" in said.getvalue()
    settings.LOG_URL = f"kafka://{kafka_servers}"
    assert isinstance(event_log(), KafkaLog)
    assert event_log().read(events, 0, 4) == kept
    assert event_log().committed(groups.JOINER, events) == {0: 6}
    row = api.post("/events", [click("e3"), click("new")]).json()["results"][1]
    assert (row["partition"], row["offset"]) == (0, 10)
    close_event_logs()


def test_it_counts_what_became_of_what_an_experiment_showed(over: str, api: Api, project: Project) -> None:
    version = model_publish(project=project, name="retrieval", document=DEFINITION)
    for name in ("main", "next", "quiet"):
        deployment_put(project=project, name=name, retrieval=version, ranking=None, document=PATIENT)
    arms = [{"deployment": "main", "share": 5000}, {"deployment": "next", "share": 5000}]
    api.post("/experiments", {"name": "first", "arms": arms, "shadows": [{"deployment": "quiet"}]})
    with served(Answers()) as address:
        replica_report(name="replica-1", address=address, started_at=timezone.now(), positions=[])
        forget_everything()
        answered = [api.post("/recommend", {"user_id": f"user-{number}", "k": 2}).json() for number in range(20)]
        wait_until(lambda: num_shadows(project) == 20)
    for number, answer in enumerate(answered):
        row = {"type": "click", "user_id": f"user-{number}", "item_id": "jam"}
        api.post("/events", [{**row, "recommendation_id": answer["recommendation_id"]}])
    feedback_take(project=project)

    shown = {name: api.get(f"/deployments/{name}/feedback").json() for name in ("main", "next", "quiet")}
    assert shown["main"]["total"]["num_shown"] + shown["next"]["total"]["num_shown"] == 40
    for name in ("main", "next"):
        by_source = {row["source"]: row["rates"] for row in shown[name]["by_source"]}
        assert by_source == {"two_tower": {}, "trending": {"click": 1.0}}
        (arm,) = shown[name]["by_arm"]
        assert (arm["experiment"], arm["arm"], arm["rates"]) == ("first", name, {"click": 0.5})
    assert shown["quiet"]["total"]["num_shown"] == 0, "nobody saw what the shadow said"
    beside = shown["quiet"]["as_shadow"]
    assert sum(one["num_requests"] for one in beside) == 20
    assert {(one["overlap"], one["acted_share"], one["mean_reciprocal_rank"]) for one in beside} == {(1.0, 1.0, 0.5)}


def num_shadows(project: Project) -> int:
    records = event_log().read(topics.events(project.slug), 0, 0)
    return [Event.from_bytes(record.value).type for record in records].count(SHADOW_TYPE)


def wait_until(holds: Callable[[], bool]) -> None:
    """Shadows are asked after the answer has gone out."""
    give_up_at = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)
