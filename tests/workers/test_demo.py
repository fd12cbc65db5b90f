"""The demo's generated traffic on a clock that the test owns, and the demo project in a real database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from engine.errors import ReplicaUnavailable
from engine.evaluation.generated_stream import GeneratedWorld
from engine.streams.log import EventLog
from webapp.accounts.models import Account, ApiKey, Project
from webapp.catalog.models import Item, User
from webapp.serving.models import Deployment
from webapp.training.models import Run
from workers import demo_world
from workers.demo_traffic import DemoTraffic

NOW_S = 1_800_000_000.0


class Stage:
    """A clock that sleeping moves, a recommender that answers what it is told, and a note of what was posted."""

    def __init__(self, shown: list[str]) -> None:
        self.now_s = NOW_S
        self.shown = shown
        self.is_away = False
        self.visits: list[float] = []
        self.posted: list[dict[str, Any]] = []

    def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s

    def ask(self, user_id: str) -> tuple[str, list[str]]:
        self.visits.append(self.now_s)
        if self.is_away:
            raise ReplicaUnavailable("no replica is alive")
        return "list-1", self.shown

    def post(self, events: Sequence[dict[str, Any]]) -> None:
        self.posted += events

    def traffic(self, rate: float) -> DemoTraffic:
        return DemoTraffic(
            GeneratedWorld(seed=3, num_users=20, num_items=50),
            rate=rate,
            ask=self.ask,
            post=self.post,
            outages=(ReplicaUnavailable,),
            rng=np.random.default_rng(5),
            clock=lambda: self.now_s,
            sleep=self.sleep,
        )


def test_traffic_keeps_its_rate() -> None:
    stage = Stage([])
    traffic = stage.traffic(rate=4.0)
    for _ in range(41):
        traffic.visit_when_due()
    assert stage.now_s - NOW_S == pytest.approx(10.0)
    assert traffic.counts.num_visits == 41


def test_traffic_that_fell_behind_makes_no_burst() -> None:
    stage = Stage([])
    traffic = stage.traffic(rate=2.0)
    traffic.visit_when_due()
    stage.now_s += 60.0
    before = stage.now_s
    for _ in range(5):
        traffic.visit_when_due()
    assert stage.now_s - before == pytest.approx(2.0)


def test_clicks_carry_the_recommendation_and_name_what_was_shown() -> None:
    shown = [f"item-{number}" for number in range(50)] + ["item-of-a-person", "item-99"]
    stage = Stage(shown)
    traffic = stage.traffic(rate=10.0)
    for _ in range(300):
        traffic.visit_when_due()
    clicks = [event for event in stage.posted if event.get("recommendation_id")]
    found = [event for event in stage.posted if not event.get("recommendation_id")]
    assert clicks and found
    assert {event["recommendation_id"] for event in clicks} == {"list-1"}
    assert {event["item_id"] for event in clicks} <= set(shown[:50])
    assert len({event["event_id"] for event in stage.posted}) == len(stage.posted) == traffic.counts.num_clicks


def test_traffic_outlives_an_outage_and_does_not_hammer() -> None:
    stage = Stage([])
    stage.is_away = True
    traffic = stage.traffic(rate=100.0)
    for _ in range(50):
        traffic.visit_when_due()
    assert np.diff(stage.visits).min() >= 1.0
    assert traffic.counts.num_failures == len(stage.visits) > 10
    stage.is_away = False
    for _ in range(50):
        traffic.visit_when_due()
    assert traffic.counts.num_recommendations > 10


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_world, "NUM_EVENTS", 40)
    monkeypatch.setattr(demo_world, "world", lambda: GeneratedWorld(seed=3, num_users=5, num_items=12))


@pytest.mark.usefixtures("small", "_database_log")
def test_demo_is_made_in_an_empty_database_and_only_there() -> None:
    made = demo_world.create()
    assert made is not None
    project = Project.objects.get(slug=made.project)
    assert project.is_generated
    assert Account.objects.get(username=made.username).check_password(made.password)
    assert made.api_key.startswith("fk_")
    assert (Item.objects.filter(project=project).count(), User.objects.filter(project=project).count()) == (12, 5)
    assert sorted(Run.objects.filter(wanted=True).values_list("model_version__model__name", flat=True)) == [
        "ranker",
        "retriever",
    ]
    assert Deployment.objects.get(project=project).is_default
    assert demo_world.create() is None


@pytest.mark.usefixtures("small")
def test_demo_is_not_made_beside_a_project_of_somebody(project: Project) -> None:
    assert demo_world.create() is None
    assert not Account.objects.exists()


@pytest.mark.usefixtures("small")
def test_demo_whose_making_was_cut_short_is_finished(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(demo_world, "deployment_put", _fails)
        with pytest.raises(OSError, match="killed"):
            demo_world.create()
    made = demo_world.create()
    assert made is not None
    assert Account.objects.get(username=made.username).check_password(made.password)
    assert Deployment.objects.count() == 1
    assert Run.objects.filter(wanted=True).count() == 2
    assert ApiKey.objects.count() == 1


def _fails(**_: Any) -> None:
    raise OSError("killed")
