"""All long work of a project in one list: in order, by pages, with who holds it, and stopped and tried again from there."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.webapp.client import DEFINITION
from webapp.accounts.models import Project
from webapp.batches.models import Batch
from webapp.catalog.models import Import
from webapp.core.redis_connection import redis_connection
from webapp.core.services import lease_acquire
from webapp.jobs.pulse import LastRun, Worker, now_utc, periodic_note, pulse_now, worker_gone, worker_note
from webapp.jobs.selectors import work_page
from webapp.jobs.work import WorkKind
from webapp.registry.services import model_publish
from webapp.training.models import Run, Search


@pytest.fixture
def run(project: Project) -> Run:
    version = model_publish(project=project, name="ranker", document=DEFINITION)
    return Run.objects.create(project=project, model_version=version, mode="batch", state="running", progress=0.25)


def page(browser: Client, project: Project, **query: str) -> str:
    return browser.get(reverse("jobs", args=[project.slug]), query_params=query).content.decode()


def batches(project: Project, num: int) -> None:
    Batch.objects.bulk_create(
        Batch(project=project, deployment="main", k=1, state="succeeded", wanted=False) for _ in range(num)
    )


def test_it_pages_through_all_kinds_in_one_order(project: Project, run: Run) -> None:
    moment = timezone.now()
    batches(project, 5)
    for number in range(3):
        Import.objects.create(project=project, file_name=f"{number}.csv", fingerprint=str(number), state="finished")
    Batch.objects.update(created_at=moment)  # of one moment, which a page ends within
    seen, cursor = [], ""
    while True:
        found = work_page(project=project, kinds=tuple(WorkKind), is_open=None, cursor=cursor, limit=2)
        seen += [(one.kind.value, one.id) for one in found.rows]
        if found.next_cursor is None:
            break
        cursor = found.next_cursor
    assert len(seen) == len(set(seen)) == 9
    assert [kind for kind, _ in seen] == ["import"] * 3 + ["batch"] * 5 + ["run"]


def test_it_says_how_far_a_search_is(project: Project, run: Run) -> None:
    search = Search.objects.create(project=project, model_version=run.model_version, settings={"num_trials": 4})
    for number, state in enumerate(("complete", "running")):
        search.trials.create(number=number, params={}, state=state)
    (row,) = work_page(project=project, kinds=(WorkKind.SEARCH,), is_open=True).rows
    assert (row.progress, row.done, row.lease) == (0.25, "1 trials", f"search:{search.pk}")


def test_it_shows_what_is_at_work_and_who_holds_it(browser: Client, project: Project, run: Run) -> None:
    batches(project, 1)
    lease_acquire(name=run.lease_name, holder="host:7:abc", ttl_s=60)
    shown = page(browser, project, state="open")
    assert f"Training run {run.pk}" in shown
    assert "25%" in shown
    assert "host:7:abc" in shown
    assert "Batch of recommendations" not in shown.split("<tbody>")[1]
    assert "Training run" not in page(browser, project, kind="batch").split("<tbody>")[1]
    assert "No work is like that" in page(browser, project, kind="export")
    assert browser.get(reverse("jobs", args=[project.slug]), {"cursor": "x"}).status_code == 400


def test_it_stops_work_and_lets_it_go_on(browser: Client, project: Project, run: Run) -> None:
    act = reverse("job_act", args=[project.slug, "run", run.pk])
    back = reverse("jobs", args=[project.slug]) + "?state=open"
    assert browser.post(act, {"act": "stop", "back": back}).headers["Location"] == back
    run.refresh_from_db()
    assert (run.wanted, run.state) == (False, "stopped")
    assert browser.post(act, {"act": "stop"}).status_code == 409
    elsewhere = browser.post(act, {"act": "again", "back": "https://example.org/"})
    assert elsewhere.headers["Location"] == reverse("jobs", args=[project.slug])
    run.refresh_from_db()
    assert (run.wanted, run.state) == (True, "queued")
    assert browser.post(act, {"act": "jump"}).status_code == 400
    for kind, work_id in (("run", run.pk + 1), ("dance", run.pk), ("erasure", 1)):
        assert browser.post(reverse("job_act", args=[project.slug, kind, work_id]), {"act": "stop"}).status_code == 404


def test_it_shows_and_touches_nothing_of_another_project(
    browser: Client, project: Project, other_project: Project
) -> None:
    batch = Batch.objects.create(project=other_project, deployment="theirs", k=1, state="running")
    assert "theirs" not in page(browser, project)
    act = reverse("job_act", args=[project.slug, "batch", batch.pk])
    assert browser.post(act, {"act": "stop"}).status_code == 404
    batch.refresh_from_db()
    assert batch.wanted


def test_it_knows_living_workers_and_what_waits(browser: Client, project: Project) -> None:
    name = f"trainer@host:{uuid.uuid4().hex[:6]}"
    now = now_utc()
    worker_note(Worker(name, "trainer", 3, 7, now, now))
    periodic_note(LastRun("freshet.prune", now - timedelta(seconds=5), 0.25, "OSError", "periodic@host:8"))
    redis_connection().delete("joiner")
    redis_connection().rpush("joiner", b"a message")
    pulse = pulse_now()
    assert pulse is not None
    queues = {one.name: one for one in pulse.queues}
    assert [one.concurrency for one in queues["trainer"].workers if one.name == name] == [3]
    assert queues["joiner"].num_waiting == 1
    shown = browser.get(reverse("job_processes", args=[project.slug])).content.decode()
    assert name in shown
    assert "OSError" in shown
    assert "nobody serves it" in shown
    worker_gone(name)
    redis_connection().delete("joiner", "freshet:periodic")
    assert name not in browser.get(reverse("job_processes", args=[project.slug])).content.decode()
