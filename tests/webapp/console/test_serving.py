"""Deployments, experiments and trying it, against a replica that speaks the real protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import orjson
import pytest
from asgiref.sync import async_to_sync
from django.http import StreamingHttpResponse
from django.test import AsyncClient, Client
from django.urls import reverse
from django.utils import timezone

from engine.serving.requests import DeploymentStatus, ModelStatus, ScoredItem, StatusReply
from engine.spec.event import Event
from engine.streams import topics
from engine.streams.log import EventLog
from tests.webapp.client import DEFINITION, RANKING_DEFINITION
from tests.webapp.console.page import Page
from tests.webapp.replica_server import REPLY, Answers, served
from webapp.accounts.models import Account, Project
from webapp.core.remembered import forget_everything
from webapp.experiments.models import Experiment
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish
from webapp.serving.models import Deployment, Replica, SyncOrder
from webapp.serving.services import deployment_put, replica_report
from webapp.training.models import Run, RunMetric
from webapp.training.services import publish_record


@pytest.fixture
def version(project: Project) -> ModelVersion:
    return model_publish(project=project, name="retrieval", document=DEFINITION)


@pytest.fixture
def deployment(project: Project, version: ModelVersion) -> Deployment:
    return deployment_put(project=project, name="main", retrieval=version, ranking=None)


def status_through(offset: int) -> StatusReply:
    """One replica whose model learned from every event before `offset` of partition 0."""
    model = ModelStatus(
        "retrieval", "retrieval", 1, 41, 42, 0.5, {0: offset}, {0: offset}, 300, 4096, 120, 2, 1, None, "9f3a61c0", 9000
    )
    return StatusReply("replica-1", 0, [DeploymentStatus("shop", "main", [model], 10, 5)])


@pytest.fixture
def answers(deployment: Deployment, version: ModelVersion) -> Iterator[Answers]:
    one = Answers(status=status_through(0))
    with served(one) as address:
        position = {"deployment_id": deployment.pk, "model_version_id": version.pk, "sequence": 41}
        replica_report(name="replica-1", address=address, started_at=timezone.now(), positions=[position])
        forget_everything()
        yield one


def events(log: EventLog, project: Project) -> list[Event]:
    return [Event.from_bytes(record.value) for record in log.read(topics.events(project.slug), 0, 0)]


def answered(page: Page, which: str) -> list[str | None]:
    place = next(index for index, (_, given) in enumerate(page.tags) if given.get("data-answer") == which)
    items = []
    for tag, given in page.tags[place + 1 :]:
        if tag == "ol":
            break
        if given.get("data-item"):
            items.append(given["data-item"])
    return items


def test_it_shows_the_click_and_then_the_changed_answer(
    browser: Client, project: Project, version: ModelVersion, answers: Answers, log: EventLog
) -> None:
    Run.objects.create(project=project, model_version=version, mode="online", state="running")
    try_it, click, after = (reverse(name, args=[project.slug]) for name in ("try_it", "try_click", "try_after"))
    browser.post(try_it, {"user_id": "ann", "k": 2})
    page = Page(browser.get(try_it).content.decode())
    assert answered(page, "before") == ["tea", "jam"]

    browser.post(click, {"item_id": "jam"})
    impression, clicked = events(log, project)
    assert (clicked.type, clicked.user_id, clicked.item_id) == ("click", "ann", "jam")
    assert clicked.recommendation_id == impression.recommendation_id

    # offset 1 is the click: parameters that saw only what came before it do not cover it
    answers.status = status_through(1)
    browser.post(after)
    waiting = Page(browser.get(try_it).content.decode())
    assert waiting.all("div", **{"data-verdict": "waiting"})
    assert len(events(log, project)) == 2, "looking must not log another impression"

    answers.status = status_through(2)
    answers.reply = replace(REPLY, items=[ScoredItem("jam", 0.8, "two_tower"), ScoredItem("oil", 0.1, "latest")])
    browser.post(after)
    done = Page(browser.get(try_it).content.decode())
    assert done.all("div", **{"data-verdict": "served"})
    assert answered(done, "before") == ["tea", "jam"]
    assert answered(done, "after") == ["jam", "oil"]
    assert "parameters trained on your click on jam served after" in done.text
    assert "No longer among them: tea" in done.text

    browser.post(click, {"item_id": "oil"})
    newest = events(log, project)[-1]
    assert newest.recommendation_id == events(log, project)[-2].recommendation_id
    assert answered(Page(browser.get(try_it).content.decode()), "before") == ["jam", "oil"]


def test_it_says_that_nothing_learns_when_no_online_run_is_at_work(
    browser: Client, project: Project, answers: Answers
) -> None:
    browser.post(reverse("try_it", args=[project.slug]), {"user_id": "ann", "k": 2})
    browser.post(reverse("try_click", args=[project.slug]), {"item_id": "tea"})
    assert "nothing learns from it now" in browser.get(reverse("try_it", args=[project.slug])).content.decode()


def test_it_says_why_there_is_no_answer(browser: Client, project: Project) -> None:
    answer = browser.post(reverse("try_it", args=[project.slug]), {"user_id": "ann", "k": 2})
    assert answer.status_code == 400
    assert "Nothing is deployed" in answer.content.decode()


def test_it_shows_why_an_answer_is_degraded(browser: Client, project: Project, answers: Answers) -> None:
    answers.reply = replace(REPLY, degraded="no_ranking")
    browser.post(reverse("try_it", args=[project.slug]), {"user_id": "ann", "k": 2})
    assert "no_ranking" in browser.get(reverse("try_it", args=[project.slug])).content.decode()


def test_it_shows_where_trainer_and_replicas_stand(
    browser: Client, project: Project, version: ModelVersion, answers: Answers
) -> None:
    publish_record(
        model_version=version, kind="rows", sequence=42, num_rows=7, num_deletes=1, num_bytes=2500, event_time=None
    )
    text = Page(browser.get(reverse("sync", args=[project.slug])).content.decode()).text
    assert "Trainer's sequence 42" in text
    # sequence, what it acknowledged, behind, age, rows held, applied, deleted, bytes, digest, resyncs
    assert "replica-1 in main live 41 ack. 41 1 0.50 s 300 120 2 deleted 4.1 kB not compared 9f3a61c0 1" in text
    assert "42 rows 7 1 2.5 kB" in text


def test_it_orders_snapshots_resyncs_and_drains_from_the_sync_page(
    browser: Client, project: Project, version: ModelVersion, answers: Answers
) -> None:
    shown = reverse("sync_model", args=["shop", "retrieval", 1])
    Run.objects.create(
        project=project, model_version=version, mode="online", state="running",
        latest={"publish_interval_s": 8.0, "slowest_replica_behind": 70},
    )  # fmt: skip
    page = Page(browser.get(shown).content.decode())
    assert "every 8.0 s instead of every 1.0 s" in page.text
    assert {one["aria-label"] for one in page.all("button") if "aria-label" in one} >= {
        "Resync replica-1",
        "Drain replica-1",
    }
    for action in ("snapshot", "resync", "drain"):
        sent = browser.post(reverse(f"sync_{action}", args=["shop", "retrieval", 1]), {"replica": "replica-1"})
        assert sent.headers["Location"] == shown
    assert [(one.kind, one.replica) for one in SyncOrder.objects.all()] == [("resync", "replica-1"), ("snapshot", "")]
    page = Page(browser.get(shown).content.decode())
    assert "is the only replica that answers" in page.text
    assert "resync of replica-1" in page.text
    Replica.objects.update(drained_at=timezone.now())
    browser.post(reverse("sync_drain", args=["shop", "retrieval", 1]), {"replica": "replica-1", "undo": "1"})
    assert Replica.objects.get().drained_at is None


def test_it_streams_the_sync_page_to_members_only(
    account: Account, project: Project, version: ModelVersion, answers: Answers, other_project: Project
) -> None:
    stranger, member = AsyncClient(), AsyncClient()
    member.force_login(account)

    async def first_update(address: str) -> tuple[int, dict[str, object]]:
        answer = await member.get(address)
        if not isinstance(answer, StreamingHttpResponse):
            return answer.status_code, {}
        assert answer.headers["Content-Type"] == "text/event-stream"
        frames = aiter(answer)
        while not (frame := await anext(frames)).startswith(b"event: update"):
            pass
        await frames.aclose()
        return answer.status_code, orjson.loads(frame.split(b"data: ", 1)[1])

    async def look() -> None:
        address = reverse("sync_live", args=[project.slug, "retrieval", 1])
        assert (await stranger.get(address)).status_code == 401
        status, update = await first_update(address)
        assert status == 200
        assert update["sequences"] == {"trainer": 0, "replica-1 · main": 41}
        assert (await first_update(reverse("sync_live", args=[other_project.slug, "retrieval", 1])))[0] == 404

    # in the test's own thread, whose transaction holds the rows
    async_to_sync(look)()


def test_it_gives_a_run_s_points_once_and_says_when_it_has_ended(
    browser: Client, project: Project, version: ModelVersion
) -> None:
    run = Run.objects.create(project=project, model_version=version, mode="batch", state="running")
    point = RunMetric.objects.create(run=run, num_examples=10, values={"auc": 0.75})
    address = reverse("run_metrics", args=[project.slug, run.pk])
    update = browser.get(address).json()
    assert [(one["auc"], one["num_examples"]) for one in update["points"]] == [(0.75, 10)]
    assert (update["after"], update["ended"]) == (point.pk, False)
    Run.objects.filter(pk=run.pk).update(state="succeeded")
    later = browser.get(address, {"after": point.pk}).json()
    assert (later["points"], later["ended"]) == ([], True)


def test_it_starts_a_run_once_and_stops_it(browser: Client, project: Project, version: ModelVersion) -> None:
    start = reverse("run_start", args=[project.slug, "retrieval", 1])
    started = browser.post(start, {"mode": "online"})
    run = Run.objects.get()
    assert started.headers["Location"] == reverse("run", args=[project.slug, run.pk])
    refused = browser.post(start, {"mode": "batch"}, follow=True)
    assert f"Run {run.pk} (online) already trains" in refused.content.decode()
    browser.post(reverse("run_stop", args=[project.slug, run.pk]))
    run.refresh_from_db()
    assert run.wanted is False


def test_it_deploys_changes_and_withdraws(browser: Client, project: Project, version: ModelVersion) -> None:
    ranker = model_publish(project=project, name="ranker", document=RANKING_DEFINITION)
    address = reverse("deployments", args=[project.slug])
    browser.post(address, {"name": "main", "retrieval": version.pk})
    browser.post(reverse("deployment", args=[project.slug, "main"]), {"retrieval": version.pk, "ranking": ranker.pk})
    browser.post(address, {"name": "second", "ranking": ranker.pk})
    assert set(Deployment.objects.values_list("name", "ranking", "is_default")) == {
        ("main", ranker.pk, True),
        ("second", ranker.pk, False),
    }
    neither = browser.post(address, {"name": "third"})
    assert "name a retrieval model, a ranking model, or both" in neither.content.decode()
    taken = browser.post(address, {"name": "main", "ranking": ranker.pk})
    assert "already a deployment" in taken.content.decode()
    browser.post(reverse("deployment_default", args=[project.slug, "second"]))
    browser.post(reverse("deployment_delete", args=[project.slug, "main"]))
    assert list(Deployment.objects.values_list("name", "is_default")) == [("second", True)]


def test_it_splits_traffic_and_stops(browser: Client, project: Project, version: ModelVersion) -> None:
    arms = [deployment_put(project=project, name=name, retrieval=version, ranking=None) for name in ("one", "two")]
    address = reverse("experiments", args=[project.slug])
    short = browser.post(address, {"name": "split", f"share_{arms[0].pk}": "50", f"share_{arms[1].pk}": "40"})
    assert "they sum to 90%" in short.content.decode()
    browser.post(address, {"name": "split", f"share_{arms[0].pk}": "12.5", f"share_{arms[1].pk}": "87.5"})
    experiment = Experiment.objects.get()
    assert list(experiment.arms.values_list("deployment__name", "share")) == [("one", 1250), ("two", 8750)]
    browser.post(reverse("experiment_stop", args=[project.slug, experiment.name]))
    experiment.refresh_from_db()
    assert experiment.is_running is False
