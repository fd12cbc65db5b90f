"""Logged traffic is asked again of a deployment, over a replica that speaks the real protocol, and its worth is estimated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from engine.spec.event import Event, ShownItem
from engine.spec.schema import EventRole
from engine.spec.served import Served
from engine.streams import topics
from engine.streams.log import EventLog, Record
from tests.webapp.client import DEFINITION, PATIENT
from tests.webapp.replica_server import REPLY, Answers, served
from webapp.accounts.models import Project
from webapp.core.clock import wall_ms
from webapp.core.errors import Conflict, Invalid
from webapp.core.remembered import forget_everything
from webapp.experiments.models import Replay
from webapp.experiments.replay_services import Wanted, replay_start, replay_stop
from webapp.long_jobs.selectors import long_jobs_to_revive
from webapp.long_jobs.services import long_jobs_end_unwanted
from webapp.registry.services import model_publish
from webapp.serving.models import Deployment
from webapp.serving.services import deployment_put, replica_report
from workers import replaying_traffic
from workers.tasks.replay import NOTHING, replay

NOW_MS = wall_ms()
FEATURES = {
    "user": {"country": "pt"},
    "history": ["oil", "rice"],
    "history_types": ["click", "purchase"],
    "history_times_ms": [NOW_MS - 20, NOW_MS - 10],
}


@pytest.fixture
def deployment(project: Project) -> Deployment:
    version = model_publish(project=project, name="retrieval", document=DEFINITION)
    deployment_put(project=project, name="main", retrieval=version, ranking=None, document=PATIENT)
    return deployment_put(project=project, name="next", retrieval=version, ranking=None, document=PATIENT)


@pytest.fixture
def answers(deployment: Deployment) -> Iterator[Answers]:
    one = Answers(reply=replace(REPLY, revision=3))
    with served(one) as address:
        replica_report(name="replica-1", address=address, started_at=timezone.now(), positions=[])
        forget_everything()
        yield one


def write(log: EventLog, project: Project, *events: Event) -> None:
    records = [Record(event.user_id, event.to_bytes(), event.received_ms) for event in events]
    log.append(topics.events(project.slug), records)


def shown(number: int, items: tuple[str, ...], propensities: tuple[float, ...], by: str = "main") -> Event:
    return Event(
        f"shown-{number}", "impression", EventRole.IMPRESSION, f"user-{number}", None, NOW_MS, NOW_MS, f"r{number}",
        tuple(ShownItem(item, place) for place, item in enumerate(items)),
        features=FEATURES, served=Served(by, 1, ("two_tower",) * len(items), propensities),
    )  # fmt: skip


def act(number: int, item: str, kind: str = "click") -> Event:
    return Event(
        f"{kind}-{number}-{item}", kind, EventRole.ACTION, f"user-{number}", item, NOW_MS, NOW_MS, f"r{number}"
    )


def traffic(log: EventLog, project: Project) -> None:
    """The target shows tea, jam. Of ten answers four begin with tea, by a chance of a half; two of them were clicked."""
    for number in range(10):
        first = "tea" if number < 4 else "oil"
        write(log, project, shown(number, (first, "jam"), (0.5, 0.8)))
    write(
        log,
        project,
        act(0, "tea"),
        act(0, "tea"),
        act(1, "tea"),
        act(5, "oil"),
        act(6, "jam"),
        act(7, "jam", "purchase"),
    )


def test_replay_estimates_what_another_deployment_would_have_earned(
    project: Project, deployment: Deployment, answers: Answers, log: EventLog
) -> None:
    traffic(log, project)
    asked = replay_start(deployment=deployment, wanted=Wanted(), by="member")
    replay(replay_id=asked.pk)
    asked.refresh_from_db()
    assert (asked.state, asked.error) == ("succeeded", "")
    assert (asked.num_answers, asked.num_done, asked.revision) == (10, 10, 3)
    results = asked.results
    assert results["logged"]["value"] == pytest.approx(0.4)
    # two clicks on tea at 1/0.5 and one on jam at 1/0.8, of ten answers
    assert results["ips"]["value"] == pytest.approx((2 / 0.5 + 1 / 0.8) / 10)
    assert results["snips"]["value"] == pytest.approx(2 / 4 + 1 / 10)
    assert (results["match_share"], results["explored_share"]) == (pytest.approx(14 / 20), 1.0)
    assert results["ips"]["low"] <= results["ips"]["value"] <= results["ips"]["high"]
    assert any("too few" in warning for warning in results["warnings"])


def test_replay_asks_as_of_then_and_as_nobody(
    project: Project, deployment: Deployment, answers: Answers, log: EventLog
) -> None:
    traffic(log, project)
    replay(replay_id=replay_start(deployment=deployment, wanted=Wanted()).pk)
    request = answers.requests[0]
    assert (request.project, request.deployment, request.user_id, request.k) == ("shop", "next", "", 2)
    assert [(event.type, event.item_id) for event in request.session] == [("click", "oil"), ("purchase", "rice")]
    assert request.user_properties == {"country": "pt"}
    seeds = [request.seed for request in answers.requests]
    assert len(set(seeds)) == 10, "each request draws for itself, and the same again when it is replayed again"


def test_replay_says_when_nothing_was_explored(
    project: Project, deployment: Deployment, answers: Answers, log: EventLog
) -> None:
    for number in range(3):
        write(log, project, shown(number, ("tea", "jam"), (1.0, 1.0)))
    asked = replay_start(deployment=deployment, wanted=Wanted())
    replay(replay_id=asked.pk)
    asked.refresh_from_db()
    assert asked.results["explored_share"] == 0.0
    assert asked.results["warnings"][0].startswith("Nothing was explored")


def test_replay_takes_the_newest_answers_of_the_deployment_named(
    project: Project, deployment: Deployment, answers: Answers, log: EventLog
) -> None:
    for number in range(6):
        write(log, project, shown(number, ("tea",), (1.0,), by="main" if number % 2 else "next"))
    asked = replay_start(deployment=deployment, wanted=Wanted(logged="main", max_answers=2))
    replay(replay_id=asked.pk)
    asked.refresh_from_db()
    assert (asked.state, asked.num_answers) == ("succeeded", 2)


def test_replay_of_nothing_says_so(project: Project, deployment: Deployment, answers: Answers) -> None:
    asked = replay_start(deployment=deployment, wanted=Wanted())
    replay(replay_id=asked.pk)
    asked.refresh_from_db()
    assert (asked.state, asked.error, asked.wanted) == ("failed", NOTHING, False)


def test_replay_fails_when_no_replica_answers(
    project: Project, deployment: Deployment, log: EventLog, monkeypatch: Any
) -> None:
    monkeypatch.setattr(replaying_traffic, "NUM_TRIES", 1)
    traffic(log, project)
    asked = replay_start(deployment=deployment, wanted=Wanted())
    replay(replay_id=asked.pk)
    asked.refresh_from_db()
    assert (asked.state, asked.error) == ("failed", "No replica is alive.")


def test_replay_stops_when_told_and_is_taken_up_again_when_its_worker_is_lost(
    project: Project, deployment: Deployment, answers: Answers, log: EventLog
) -> None:
    traffic(log, project)
    asked = replay_start(deployment=deployment, wanted=Wanted())
    assert long_jobs_to_revive(model=Replay) == [asked.pk]
    with pytest.raises(Conflict):
        replay_start(deployment=deployment, wanted=Wanted())
    assert replay_stop(replay=asked).state == "stopped"
    assert long_jobs_to_revive(model=Replay) == []
    again = replay_start(deployment=deployment, wanted=Wanted())
    Replay.objects.filter(pk=again.pk).update(state="running", wanted=False)
    assert long_jobs_end_unwanted(model=Replay) == 1
    replay(replay_id=again.pk)
    assert answers.requests == []


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (Wanted(event_type="sneeze"), "event_type"),
        (Wanted(event_type="impression"), "event_type"),
        (Wanted(hours=0), "hours"),
        (Wanted(max_answers=10**6), "max_answers"),
    ],
)
def test_replay_names_what_is_wrong_with_its_wishes(deployment: Deployment, wanted: Wanted, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        replay_start(deployment=deployment, wanted=wanted)
    assert refused.value.extra["problems"][0]["field"] == field
