"""A batch under its lease: every user once, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from django.utils import timezone

from engine.serving.requests import ScoredItem
from engine.streams import topics
from engine.streams.log import EventLog
from tests.webapp.client import DEFINITION
from tests.webapp.replica_server import REPLY, Answers, served
from webapp.accounts.models import Project
from webapp.batches import services
from webapp.batches.models import Batch
from webapp.catalog.services import users_put
from webapp.core.remembered import forget_everything
from webapp.long_jobs.selectors import long_jobs_to_revive
from webapp.registry.services import model_publish
from webapp.serving.services import deployment_put, replica_report
from workers.batch_files import BatchFiles, Row
from workers.tasks import recommend_batch as task

pytestmark = pytest.mark.django_db(transaction=True)
"""Requests are made by threads, which see what was committed."""

USERS = [f"u{number}" for number in range(7)]


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(task, "USERS_PER_PART", 3)
    monkeypatch.setattr("webapp.core.jobs.send", lambda *_, **__: None)
    settings.DATA_DIR = tmp_path


@pytest.fixture
def shop(project: Project) -> Project:
    version = model_publish(project=project, name="near", document=DEFINITION)
    deployment_put(project=project, name="main", retrieval=version, ranking=None)
    users_put(project=project, rows=[{"id": user_id, "properties": {}} for user_id in USERS])
    return project


@pytest.fixture
def answers(shop: Project) -> Iterator[Answers]:
    found = Answers()
    with served(found) as address:
        replica_report(name="replica-1", address=address, started_at=timezone.now(), positions=[])
        forget_everything()
        yield found


def asked_for(project: Project, **given: Any) -> Batch:
    fields: dict[str, Any] = {
        "deployment": None,
        "k": 2,
        "filter": None,
        "parameters": {},
        "user_ids": None,
        "format": "jsonl",
    }
    return services.batch_start(project=project, **{**fields, **given})


def lines(batch: Batch) -> list[Any]:
    return [orjson.loads(line) for line in batch.result.read_bytes().splitlines()]


def test_batch_of_everybody_holds_each_user_once_and_logs_nothing(
    answers: Answers, shop: Project, log: EventLog
) -> None:
    batch = asked_for(shop)
    task.recommend_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.num_users, batch.num_done, batch.num_parts, batch.error) == ("succeeded", 7, 7, 3, "")
    assert [line["user_id"] for line in lines(batch)] == USERS
    assert lines(batch)[0]["items"] == [{"item_id": "tea", "score": 0.9}, {"item_id": "jam", "score": 0.4}]
    assert batch.num_bytes == batch.result.stat().st_size
    assert [path.name for path in batch.folder.iterdir()] == ["recommendations.jsonl"]
    assert {(one.deployment, one.k) for one in answers.requests} == {("main", 2)}
    assert list(log.read(topics.events(shop.slug), 0, 0)) == []
    task.recommend_batch(batch.pk)  # a message that comes late changes nothing
    assert len(answers.requests) == 7


def test_batch_of_some_as_parquet_says_who_got_less(answers: Answers, shop: Project) -> None:
    answers.reply = replace(REPLY, items=[ScoredItem("tea", 0.5, "latest")], degraded="empty_user")
    batch = asked_for(shop, user_ids=["b", "a", "b"], format="parquet")
    task.recommend_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.num_users, batch.num_degraded) == ("succeeded", 2, 2)
    assert pq.read_table(batch.result).to_pylist() == [
        {"user_id": user_id, "item_ids": ["tea"], "scores": [0.5], "degraded": "empty_user"} for user_id in ("b", "a")
    ]


@pytest.mark.parametrize("users", [None, USERS])
def test_batch_killed_behind_a_part_goes_on_and_ends_alike(
    answers: Answers, shop: Project, users: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Stands for kill -9, between a part's file and its note."""

    batch = asked_for(shop, user_ids=users)
    noted, note = [], services.batch_part_done

    def killed_at_the_second(**given: Any) -> None:
        noted.append(given["last_user_id"])
        if len(noted) == 2:
            raise Killed
        note(**given)

    monkeypatch.setattr(services, "batch_part_done", killed_at_the_second)
    with pytest.raises(Killed):
        task.recommend_batch(batch.pk)
    monkeypatch.setattr(services, "batch_part_done", note)
    batch.refresh_from_db()
    assert (batch.state, batch.num_done) == ("running", 3)
    assert long_jobs_to_revive(model=Batch) == [batch.pk]
    task.recommend_batch(batch.pk)
    batch.refresh_from_db()
    assert batch.state == "succeeded"
    assert [line["user_id"] for line in lines(batch)] == USERS


def test_batch_killed_when_its_parts_were_joined_is_done(answers: Answers, shop: Project) -> None:
    batch = asked_for(shop)
    task.recommend_batch(batch.pk)
    whole = batch.result.read_bytes()
    Batch.objects.update(state="running", wanted=True)
    task.recommend_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.result.read_bytes()) == ("succeeded", whole)
    assert len(answers.requests) == 7


def test_batch_without_a_replica_waits_for_one(answers: Answers, shop: Project) -> None:
    batch = asked_for(shop)
    answers.reply = None
    task.recommend_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.wanted, batch.num_done) == ("running", True, 0)
    answers.reply = REPLY
    forget_everything()
    task.recommend_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.num_done) == ("succeeded", 7)


def test_batch_that_is_stopped_ends(answers: Answers, shop: Project) -> None:
    batch = asked_for(shop)
    services.batch_stop(batch=batch)
    assert (batch.state, batch.wanted) == ("stopped", False)
    task.recommend_batch(batch.pk)
    assert answers.requests == []
    services.batch_delete(batch=batch)
    assert not Batch.objects.exists()


def test_part_written_twice_is_there_once(tmp_path: Path) -> None:
    files = BatchFiles(tmp_path, "jsonl", tmp_path / "recommendations.jsonl")
    row = Row("a", ["x"], [0.5], None)
    files.write_part(0, [replace(row, user_id="old")])
    files.write_part(0, [row])
    files.join(1)
    assert orjson.loads((tmp_path / "recommendations.jsonl").read_bytes())["user_id"] == "a"
