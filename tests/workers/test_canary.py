"""The job that writes canaries: for projects that learn online, in each partition in its turn, and nobody takes them for events."""

from __future__ import annotations

import pytest

from engine.spec.canary import CANARY_TYPE
from engine.spec.demo import demo_retriever, demo_schema
from engine.spec.event import Event
from engine.streams import topics
from engine.streams.log import EventLog
from engine.streams.partitioning import key_in, partition_of
from webapp.accounts.models import Project
from webapp.catalog.selectors import recent_events
from webapp.catalog.services import events_ingest
from webapp.overview.totals import events_appended
from webapp.registry.services import model_publish, schema_publish
from webapp.training.models import JoinerProgress, Run
from workers.tasks.canary import canary, release


@pytest.fixture
def run(project: Project) -> Run:
    schema_publish(project=project, document=demo_schema())
    version = model_publish(project=project, name="retriever", document=demo_retriever())
    return Run.objects.create(project=project, model_version=version, mode=Run.Mode.ONLINE, state=Run.State.RUNNING)


def logged(log: EventLog) -> list[Event]:
    return [Event.from_bytes(record.value) for record in log.read(topics.events("shop"), 0, 0)]


def test_a_project_that_learns_online_gets_one(log: EventLog, run: Run) -> None:
    canary()
    [event] = logged(log)
    assert (event.type, event.item_id, event.timestamp_ms == event.received_ms) == (CANARY_TYPE, None, True)


@pytest.mark.parametrize("change", [{"wanted": False}, {"state": Run.State.FAILED}, {"mode": Run.Mode.BATCH}])
def test_a_project_that_does_not_gets_none(log: EventLog, run: Run, change: dict[str, object]) -> None:
    Run.objects.filter(pk=run.pk).update(**change)
    canary()
    assert logged(log) == []


def test_every_partition_has_its_turn() -> None:
    assert [partition_of(key_in(partition, 7), 7) for partition in range(7)] == list(range(7))


def test_nobody_takes_them_for_events(log: EventLog, run: Run) -> None:
    click = {"event_id": "c1", "type": "click", "user_id": "u", "item_id": "jam"}
    events_ingest(project=run.project, rows=[click], source="api")
    for number in range(30):
        release(run.project, now_ms=1_790_000_000_000 + number)
    assert [event.event_id for event in recent_events(project=run.project, limit=5)] == ["c1"]
    progress = JoinerProgress(project=run.project, num_events=1, events_offsets={"0": 31})
    assert events_appended(project=run.project, progress=progress) == 1
