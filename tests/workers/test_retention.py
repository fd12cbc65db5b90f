"""What leaves the log of a real PostgreSQL: what is old, and nothing that anybody may have to read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from engine.checkpoint.folder import write_folder
from engine.spec.demo import demo_retriever, demo_schema
from engine.spec.event import Event
from engine.spec.example import Cause, Example, Origin
from engine.spec.schema import EventRole
from engine.streams import topics
from engine.streams.log import EventLog, Record
from webapp.accounts.models import Project
from webapp.accounts.services import project_create
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish, schema_publish
from webapp.training.models import Run
from workers import retention
from workers.folders import joiner_folder, model_folder
from workers.tasks.prune import prune

DAY_MS = 86_400_000
NOW_MS = 100 * DAY_MS
EVENTS, EXAMPLES = topics.events("shop"), topics.examples("shop")


@pytest.fixture(autouse=True)
def _own_folder(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def version(project: Project) -> ModelVersion:
    schema_publish(project=project, document=demo_schema())
    return model_publish(project=project, name="retriever", document=demo_retriever())


def received(day: int) -> tuple[Record, Record]:
    """An event and its example, received on a day; the event's own time is always now."""
    at_ms = day * DAY_MS
    event = Event(f"e{day}", "click", EventRole.ACTION, "u", "a", NOW_MS, at_ms)
    example = Example(f"e{day}", "u", "a", NOW_MS, Origin.ACTION, {"click": 1.0}, Cause(0, day, at_ms))
    return Record("u", event.to_bytes(), NOW_MS), Record("u", example.to_bytes(), NOW_MS)


@pytest.fixture
def history(log: EventLog, version: ModelVersion) -> None:
    """Offset = day of receipt, 0 to 99, in both topics; with 30 days kept the first that stays is 70."""
    events, examples = zip(*(received(day) for day in range(100)), strict=True)
    log.append(EVENTS, events)
    log.append(EXAMPLES, examples)


def joiner_at(project: Project, number: int, events: int, examples_end: int = 100) -> None:
    meta = {"events": {"0": events}, "catalog": {"0": 0}, "examples_end": {"0": examples_end}, "state": {}}
    write_folder(joiner_folder(project), f"{number:012d}", lambda _: None, meta, keep=2)


def trainer_at(version: ModelVersion, number: int, examples: int) -> None:
    meta = {"progress": {"examples": {"0": examples}}}
    write_folder(model_folder(version) / "checkpoints", f"{number:015d}", lambda _: None, meta)


def earliest(log: EventLog) -> tuple[int, int]:
    return log.earliest_offsets(EVENTS)[0], log.earliest_offsets(EXAMPLES)[0]


def trim(project: Project) -> int:
    return retention.trim_project(project, now_ms=lambda: NOW_MS)


def test_thirty_days_are_kept_without_being_asked_for(log: EventLog, project: Project, history: None) -> None:
    joiner_at(project, 1, events=100)
    assert trim(project) == 140
    assert earliest(log) == (70, 70)
    assert trim(project) == 0


def test_retention_of_nought_days_keeps_everything(
    log: EventLog, project: Project, history: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRESHET_LOG_DAYS", "0")
    joiner_at(project, 1, events=100)
    assert (trim(project), earliest(log)) == (0, (0, 0))


def test_joiner_without_a_checkpoint_holds_everything(log: EventLog, project: Project, history: None) -> None:
    assert (trim(project), earliest(log)) == (0, (0, 0))


def test_oldest_checkpoint_of_the_joiner_holds_its_events_and_what_it_emitted_since(
    log: EventLog, project: Project, history: None
) -> None:
    joiner_at(project, 1, events=40, examples_end=25)
    joiner_at(project, 2, events=100)
    trim(project)
    assert earliest(log) == (40, 25)


def test_oldest_checkpoint_of_a_wanted_run_holds_its_examples_whatever_it_has_reported(
    log: EventLog, project: Project, version: ModelVersion, history: None
) -> None:
    joiner_at(project, 1, events=100)
    for number, examples in ((1, 30), (2, 60), (3, 95)):
        trainer_at(version, number, examples)
    run = Run.objects.create(project=project, model_version=version, mode=Run.Mode.ONLINE, end_offsets={"0": 99})
    trim(project)
    assert earliest(log) == (70, 30)
    Run.objects.filter(pk=run.pk).update(wanted=False, state=Run.State.STOPPED)
    trim(project)
    assert earliest(log) == (70, 70)


@pytest.mark.parametrize("mode", Run.Mode.values)
def test_run_that_begins_at_the_earliest_example_holds_all_of_them(
    log: EventLog, project: Project, version: ModelVersion, history: None, mode: str
) -> None:
    joiner_at(project, 1, events=100)
    Run.objects.create(project=project, model_version=version, mode=mode)
    trim(project)
    assert earliest(log) == (70, 0)


def test_record_that_cannot_be_read_does_not_stop_the_pruning(
    log: EventLog, project: Project, version: ModelVersion
) -> None:
    """Every other one: whichever the search looks at."""
    for day in range(100):
        log.append(EVENTS, [Record("u", b"\xff", 0), received(day)[0]])
    joiner_at(project, 1, events=200)
    trim(project)
    assert log.earliest_offsets(EVENTS)[0] in (140, 141)


def test_buried_events_are_kept_up_to_a_number(
    log: EventLog, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "DEAD_KEPT", 10)
    log.append(topics.events_dead("shop"), [Record("u", b"{}", 0)] * 25)
    assert trim(project) == 15


def test_params_are_trimmed_below_the_second_newest_snapshot(
    log: EventLog, project: Project, version: ModelVersion
) -> None:
    topic = topics.params("shop", "retriever", version.version)
    log.create_topic(topic)
    log.append(topic, [Record("rows", b"x", 0)] * 50)
    snapshots = model_folder(version) / "snapshots"
    write_folder(snapshots, "1", lambda _: None, {"params_offset": 10})
    assert trim(project) == 0
    write_folder(snapshots, "2", lambda _: None, {"params_offset": 50})
    assert (trim(project), log.earliest_offsets(topic)) == (10, {0: 10})
    write_folder(snapshots, "3", lambda _: None, {"params_offset": 50})
    trim(project)
    # the last record tells the next trainer which number comes next
    assert log.earliest_offsets(topic) == {0: 49}


def test_project_in_trouble_does_not_keep_the_others_from_being_pruned(
    log: EventLog, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project_create(slug="zoo", name="Zoo")
    seen = []

    def troubled(one: Project) -> int:
        seen.append(one.slug)
        raise OSError("the disk is gone")

    monkeypatch.setattr(retention, "trim_project", troubled)
    prune()
    assert sorted(seen) == ["shop", "zoo"]


def test_old_event_ids_are_forgotten_in_bites_and_young_ones_stay(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "IDS_PER_DELETE", 10)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO catalog_acceptedevent (project_id, digest, accepted_at) "
            "SELECT %s, md5(n::text)::uuid, now() - make_interval(days => CASE WHEN n < 35 THEN 8 ELSE 6 END) "
            "FROM generate_series(0, 99) AS n",
            [project.pk],
        )
    assert (retention.forget_event_ids(), retention.forget_event_ids()) == (35, 0)
