"""One click through the real joiner, trainer and replica, each with the notes that its worker takes, and found again at every stage."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from django.db.models import Sum

from engine.joining.process import JoinerProcess
from engine.serving.replica import Replica
from engine.spec.definition import ModelDefinition
from engine.spec.schema import Schema
from engine.streams.log import EventLog
from webapp.accounts.models import Project
from webapp.catalog.services import events_ingest
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish, schema_publish
from webapp.serving.services import deployment_put
from webapp.tracing.models import ReplicaHistory, TrainerHistory
from webapp.tracing.services import pace_set
from webapp.tracing.stages import Reach
from webapp.tracing.trace import Trace, Tracer
from webapp.training.models import Run
from webapp.training.services import joiner_report
from workers.leases import HeldLease
from workers.runs import RunSession
from workers.serving import ServingTurn
from workers.tasks import train_online
from workers.travel_notes import JoinerNotes, TrainerNotes

SCHEMA = {"users": {}, "items": {}, "events": {"click": {"role": "action"}}}
DEFINITION = {
    "slots": [
        {"name": "user", "number": 1, "source": "user.id", "dim": 4},
        {"name": "item", "number": 2, "source": "item.id", "dim": 4},
    ],
    "architecture": {"kind": "two_tower", "hidden": [4], "output_dim": 4},
    "training": {"linger_s": 0.0},
}


class Workers:
    """A joiner, a trainer and a replica over one log, turned by hand."""

    def __init__(self, log: EventLog, version: ModelVersion, folder: Path) -> None:
        from engine.training.online import OnlineTrainer

        self.project = version.model.project
        schema = Schema.parse(SCHEMA, "schema")
        self.joiner = JoinerProcess(log, self.project.slug, schema, folder / "joiner", time.time)
        self.joiner_notes = JoinerNotes(log, self.project)
        models = folder / "models" / self.project.slug / version.model.name / f"v{version.version}"
        definition = ModelDefinition.parse(version.document)
        self.trainer = OnlineTrainer(
            definition, log, self.project.slug, version.model.name, version.version, models, clock=time.time
        )
        self.trainer_notes = TrainerNotes(version, self.trainer.publication.publisher)
        self.replica = Replica(log, folder, name="r-1")
        self.serving = ServingTurn(self.replica, name="r-1", address="127.0.0.1:1")
        self.joiner.poll()
        self.joiner_notes.turn()

    def turn(self) -> None:
        self.joiner.poll()
        joiner_report(project=self.project, events_offsets=self.joiner.event_offsets)
        self.joiner_notes.turn()
        published = self.trainer.poll().published
        self.trainer_notes.turn(self.trainer.state.progress.examples, published)
        self.serving.turn()
        self.replica.poll()
        self.serving.turn()


def test_a_click_is_found_at_every_stage_that_it_reached(log: EventLog, project: Project, tmp_path: Path) -> None:
    schema_publish(project=project, document=SCHEMA)
    version = model_publish(project=project, name="taste", document=DEFINITION)
    deployment_put(project=project, name="main", retrieval=version, ranking=None)
    Run.objects.create(project=project, model_version=version, mode="online", state="running")
    workers = Workers(log, version, tmp_path)
    events_ingest(project=project, rows=[_click(f"c{number}", f"item-{number}") for number in range(20)], source="test")
    workers.turn()
    events_ingest(project=project, rows=[_click("mine", "item-7")], source="test")
    deadline = time.monotonic() + 60
    tracer = Tracer(project, "mine")
    trace = tracer.look()
    while not trace.is_over and time.monotonic() < deadline:
        workers.turn()
        trace = tracer.look()
    assert _reaches(trace) == {
        "Received": Reach.REACHED,
        "Joiner": Reach.REACHED,
        "Training step": Reach.REACHED,
        "Published": Reach.REACHED,
        "r-1": Reach.REACHED,
    }
    times = [stage.at_ms for stage in [*trace.stages, *trace.lanes[0].all_stages]]
    assert times == sorted(times, key=lambda at_ms: at_ms or 0), "each stage comes after the one before it"
    [rows] = {sum(row.rows_by_slot.values()) == row.num_rows for row in TrainerHistory.objects.all()}
    assert rows
    newest = ReplicaHistory.objects.order_by("-at")[0]
    assert newest.verified_sequence == newest.sequence == workers.trainer.publication.publisher.sequence
    workers.trainer.abandon()


def _click(event_id: str, item_id: str) -> dict[str, str]:
    return {"event_id": event_id, "type": "click", "user_id": "ann", "item_id": item_id}


def _reaches(trace: Trace) -> dict[str, Reach]:
    return {stage.title: stage.reach for stage in [*trace.stages, *trace.lanes[0].all_stages]}


def test_an_online_run_notes_what_it_publishes_and_takes_the_pace_that_people_want(
    log: EventLog, project: Project, tmp_path: Path, settings: Any
) -> None:
    settings.DATA_DIR = tmp_path
    schema_publish(project=project, document=SCHEMA)
    version = model_publish(project=project, name="taste", document=DEFINITION)
    run = Run.objects.create(project=project, model_version=version, mode="online", state="running")
    events_ingest(project=project, rows=[_click(f"c{number}", "tea") for number in range(9)], source="test")
    JoinerProcess(log, project.slug, Schema.parse(SCHEMA, "schema"), tmp_path / "joiner", time.time).poll()
    pace_set(model_version=version, interval_s=0.3)
    deadline = time.monotonic() + 60

    def has_seen_enough() -> bool:
        publishes = TrainerHistory.objects.aggregate(rows=Sum("num_rows"))["rows"] or 0
        return publishes > 0 or time.monotonic() > deadline

    # Its real one is looked up by another connection, which does not see this test's transaction.
    lease = cast(HeldLease, SimpleNamespace(fence=lambda: None, is_lost=False))
    train_online._train(RunSession(run, lease, has_seen_enough))
    marks = [mark for row in TrainerHistory.objects.order_by("at") for mark in row.marks]
    assert marks[-1]["examples"] == {"0": 9}
    assert [row.steps[-1][1] for row in TrainerHistory.objects.all() if row.steps] == [{"0": 9}]
