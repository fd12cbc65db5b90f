"""What was shown and acted on is counted from the log: each event once, for the deployment, arm, source and place that showed it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from engine.spec.event import Event, ShownItem
from engine.spec.schema import EventRole
from engine.spec.served import SHADOW_TYPE, Served
from engine.streams import topics
from engine.streams.log import EventLog, Record
from tests.webapp.client import DEFINITION, PATIENT, Api
from webapp.accounts.models import Project
from webapp.core.clock import wall_ms
from webapp.experiments.feedback_taking import feedback_take, window_s
from webapp.experiments.models import ArmUserCount, Feedback, ShownLately
from webapp.registry.services import model_publish
from webapp.serving.services import deployment_put

NOW_MS = wall_ms()
SOURCES = ("two_tower", "latest", "latest")


@pytest.fixture(autouse=True)
def _deployment(project: Project) -> None:
    version = model_publish(project=project, name="retrieval", document=DEFINITION)
    deployment_put(project=project, name="main", retrieval=version, ranking=None, document=PATIENT)
    deployment_put(project=project, name="next", retrieval=version, ranking=None, document=PATIENT)


@pytest.fixture
def write(log: EventLog, project: Project) -> Any:
    def append(*events: Event) -> None:
        records = [Record(event.user_id, event.to_bytes(), event.received_ms) for event in events]
        log.append(topics.events(project.slug), records)

    return append


def shown(
    recommendation_id: str, user: str = "u", items: Sequence[str] = "abc", arm: str | None = None, at_ms: int = NOW_MS
) -> Event:
    served = Served("main", 1, SOURCES[: len(items)], (1.0,) * len(items), "first" if arm else None, arm)
    return Event(
        f"shown-{recommendation_id}", "impression", EventRole.IMPRESSION, user, None, at_ms, at_ms, recommendation_id,
        tuple(ShownItem(item, place) for place, item in enumerate(items)), served=served,
    )  # fmt: skip


def act(
    recommendation_id: str | None, item: str, kind: str = "click", user: str = "u", at_ms: int = NOW_MS + 1
) -> Event:
    event_id = f"{kind}-{recommendation_id}-{item}"
    return Event(event_id, kind, EventRole.ACTION, user, item, at_ms, at_ms, recommendation_id)


def shadow(recommendation_id: str, items: Sequence[str]) -> Event:
    served = Served("next", 1, shadow_of=recommendation_id)
    return Event(
        f"shadow-{recommendation_id}", SHADOW_TYPE, EventRole.OTHER, "u", None, NOW_MS, NOW_MS, None,
        tuple(ShownItem(item, place) for place, item in enumerate(items)), served=served,
    )  # fmt: skip


def rates(rows: list[dict[str, Any]], name: str) -> dict[Any, tuple[int, dict[str, int]]]:
    return {row[name]: (row["num_shown"], row["actions"]) for row in rows}


def test_it_counts_by_source_position_and_revision(api: Api, project: Project, write: Any) -> None:
    write(shown("r1"), shown("r2"), act("r1", "a"), act("r1", "b"), act("r2", "b"), act("r2", "b", "purchase"))
    assert feedback_take(project=project) == 6
    found = api.get("/deployments/main/feedback").json()
    assert found["total"] == {
        "num_shown": 6,
        "actions": {"click": 3, "purchase": 1},
        "rates": {"click": 0.5, "purchase": 1 / 6},
    }
    assert rates(found["by_source"], "source") == {
        "latest": (4, {"click": 2, "purchase": 1}),
        "two_tower": (2, {"click": 1}),
    }
    assert rates(found["by_position"], "position") == {
        0: (2, {"click": 1}),
        1: (2, {"click": 2, "purchase": 1}),
        2: (2, {}),
    }
    assert rates(found["by_revision"], "revision") == {1: (6, {"click": 3, "purchase": 1})}
    assert len(found["by_hour"]) == 1
    assert found["counted_through"] is not None


def test_it_counts_each_event_once_however_often_it_looks_or_they_come(project: Project, write: Any, api: Api) -> None:
    write(shown("r1"), act("r1", "a"))
    assert feedback_take(project=project) == 2
    assert feedback_take(project=project) == 0
    write(shown("r1"), act("r1", "a"), act("r1", "c"))
    assert feedback_take(project=project) == 3
    assert api.get("/deployments/main/feedback").json()["total"] == {
        "num_shown": 3,
        "actions": {"click": 2},
        "rates": {"click": 2 / 3},
    }


def test_it_keeps_offsets_with_the_counts(project: Project, write: Any, api: Api, monkeypatch: Any) -> None:
    """A turn that dies at its end has counted nothing, and the next counts everything."""
    write(shown("r1"), act("r1", "a"))

    def dies(*_: Any, **__: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(Feedback, "save", dies)
        feedback_take(project=project)
    assert api.get("/deployments/main/feedback").json()["total"]["num_shown"] == 0
    feedback_take(project=project)
    assert api.get("/deployments/main/feedback").json()["total"]["num_shown"] == 3


def test_it_attributes_actions_to_what_was_shown_within_the_window_alone(
    project: Project, write: Any, api: Api
) -> None:
    late_ms = NOW_MS + 1000 * window_s() + 2
    write(shown("r1"), shown("r2", at_ms=NOW_MS + 2))
    write(
        act("r2", "a", at_ms=late_ms), act("r1", "a", at_ms=late_ms),
        act("r2", "z"), act("elsewhere", "a"), act(None, "a"),
    )  # fmt: skip
    feedback_take(project=project)
    found = api.get("/deployments/main/feedback").json()
    assert found["total"]["actions"] == {"click": 1}
    assert found["num_unattributed"] == 3  # an action that names no recommendation is not meant to be attributed


def test_it_remembers_no_more_than_it_may(project: Project, write: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("FRESHET_FEEDBACK_REMEMBERED", "2")
    write(*(shown(f"r{number}") for number in range(5)))
    feedback_take(project=project)
    assert ShownLately.objects.count() == 2
    assert Feedback.objects.get().num_let_go == 3
    write(act("r4", "a"), act("r0", "a"))
    feedback_take(project=project)
    assert Feedback.objects.get().num_unattributed == 1


def test_it_counts_by_user_of_each_arm(project: Project, write: Any, api: Api) -> None:
    write(
        shown("r1", "ann", arm="new"), shown("r2", "ann", arm="new"), shown("r3", "bob", arm="old"), shown("r4", "cleo"),
        act("r1", "a", user="ann"), act("r2", "a", user="ann"), act("r3", "c", user="bob"), act("r4", "a", user="cleo"),
    )  # fmt: skip
    feedback_take(project=project)
    counted = ArmUserCount.objects.order_by("arm", "type").values_list("experiment", "arm", "type", "num")
    assert list(counted) == [
        ("first", "new", "", 6),
        ("first", "new", "click", 2),
        ("first", "old", "", 3),
        ("first", "old", "click", 1),
    ]
    by_arm = api.get("/deployments/main/feedback").json()["by_arm"]
    assert rates(by_arm, "arm") == {"new": (6, {"click": 2}), "old": (3, {"click": 1})}


def test_it_compares_shadows_with_what_was_shown(project: Project, write: Any, api: Api) -> None:
    write(shown("r1"), shadow("r1", "bax"), shadow("r1", "bax"), act("r1", "b"), act("r1", "c"))
    feedback_take(project=project)
    (compared,) = api.get("/deployments/next/feedback").json()["as_shadow"]
    assert compared == {
        "deployment": "next",
        "shown": "main",
        "num_requests": 1,
        "overlap": pytest.approx(2 / 3),
        "num_acted": 2,
        "acted_share": 0.5,
        "mean_reciprocal_rank": 0.5,  # b first, c absent
        "mean_reciprocal_rank_shown": pytest.approx((1 / 2 + 1 / 3) / 2),
    }
    total = api.get("/deployments/next/feedback").json()["total"]
    assert total == {"num_shown": 0, "actions": {}, "rates": {}}


def test_it_passes_over_what_is_no_event(project: Project, log: EventLog, write: Any, api: Api) -> None:
    log.append(topics.events(project.slug), [Record("u", b"nonsense", NOW_MS)])
    write(shown("r1"))
    assert feedback_take(project=project) == 2
    assert api.get("/deployments/main/feedback").json()["total"]["num_shown"] == 3


@pytest.mark.parametrize(
    "features",
    [
        {"user": {}, "history": ["x"]},
        {"user": {"served": {"deployment": "liar", "revision": 1}}},
        {"user": {"text": ',"served":{"deployment":"liar"'}, "items": {"a": {"features": {"served": {}}}}},
    ],
)
def test_it_reads_what_served_an_event_whatever_its_features_hold(
    project: Project, write: Any, api: Api, features: dict[str, Any]
) -> None:
    write(replace(shown("r1"), features=features), replace(shown("r2"), features=features, served=None))
    feedback_take(project=project)
    assert api.get("/deployments/main/feedback").json()["total"]["num_shown"] == 3


def test_it_keeps_feedback_to_its_project(project: Project, other_project: Project, write: Any, api_of: Any) -> None:
    version = model_publish(project=other_project, name="retrieval", document=DEFINITION)
    deployment_put(project=other_project, name="main", retrieval=version, ranking=None, document=PATIENT)
    write(shown("r1"))
    feedback_take(project=project)
    feedback_take(project=other_project)
    assert api_of(other_project).get("/deployments/main/feedback").json()["total"]["num_shown"] == 0
