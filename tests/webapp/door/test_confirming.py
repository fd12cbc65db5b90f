"""Impressions that the client confirms: logged when it says what was shown, with the features of the answer."""

from __future__ import annotations

from typing import Any

import pytest

from engine.spec.event import Event
from engine.spec.schema import EventRole
from engine.streams import topics
from engine.streams.log import EventLog
from tests.webapp.client import Api
from tests.webapp.door.conftest import DoorClient
from tests.webapp.replica_server import REPLY, Answers
from webapp.accounts.models import Project
from webapp.catalog.confirming import KEPT_TYPE, UNLISTED
from webapp.serving.models import Deployment

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shown(client: DoorClient, answers: Answers, deployment: Deployment) -> str:
    """The `recommendation_id` of an answer to u1 by a deployment whose impressions are confirmed."""
    deployment.document = {"impressions": {"logging": "confirmed"}}
    deployment.revision += 1
    deployment.save()
    told = client.post("/recommend", {"user_id": "u1"}).body
    assert told["degraded"] is None
    recommendation_id: str = told["recommendation_id"]
    return recommendation_id


def events(log: EventLog, project: Project) -> list[Event]:
    return [Event.from_bytes(record.value) for record in log.read(topics.events(project.slug), 0, 0)]


def confirm(api: Api, recommendation_id: str, **said: Any) -> None:
    row = {"type": "impression", "user_id": "u1", "recommendation_id": recommendation_id, **said}
    assert api.post("/events", [row]).json()["accepted"] == 1


def test_an_answer_is_kept_and_is_no_impression(shown: str, log: EventLog, project: Project) -> None:
    (kept,) = events(log, project)
    assert (kept.type, kept.role, kept.features) == (KEPT_TYPE, EventRole.OTHER, REPLY.features)
    assert shown == f"{kept.recommendation_id}-0-0"


def test_what_is_confirmed_gets_the_features_and_what_served_it(
    shown: str, api: Api, log: EventLog, project: Project
) -> None:
    items = [{"item_id": "jam", "position": 0}, {"item_id": "own", "position": 1}]
    confirm(api, shown, items=items)
    event = events(log, project)[-1]
    assert (event.type, event.recommendation_id) == ("impression", shown)
    assert event.item_ids == ("jam", "own")
    assert event.features == REPLY.features
    assert event.served is not None
    assert (event.served.deployment, event.served.sources, event.served.propensities) == (
        "main",
        ("trending", UNLISTED),
        (1.0, 1.0),
    )
    confirm(api, shown, item_id="tea")
    assert events(log, project)[-1].features == REPLY.features


def test_nobody_gets_another_s_features(shown: str, api: Api, log: EventLog, project: Project) -> None:
    made_up = f"{'0' * 32}-0-0"
    elsewhere = shown.removesuffix("-0-0") + "-0-99"
    for recommendation_id, user_id in ((shown, "u2"), (made_up, "u1"), (elsewhere, "u1"), (shown + "1", "u1")):
        confirm(api, recommendation_id, item_id="tea", user_id=user_id)
        event = events(log, project)[-1]
        assert (event.recommendation_id, event.features, event.served) == (recommendation_id, None, None)


def test_an_action_is_left_as_it_is(shown: str, api: Api, log: EventLog, project: Project) -> None:
    confirm(api, shown, type="click", item_id="tea")
    event = events(log, project)[-1]
    assert (event.role, event.recommendation_id, event.features) == (EventRole.ACTION, shown, None)
