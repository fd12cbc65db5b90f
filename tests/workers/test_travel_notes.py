"""What workers write down of their way, and how little of it."""

from __future__ import annotations

from collections import Counter
from typing import cast

import orjson
import pytest
from django.utils import timezone

from engine.serving.travel_log import Reached, Resynced, Travel
from engine.spec.demo import demo_retriever, demo_schema
from engine.streams import topics
from engine.streams.log import EventLog, Record
from engine.sync.delta import DeltaHeader, DeltaKind, TrainedThrough
from engine.sync.publisher import Publisher, PublishReport
from engine.sync.status import ReplicaStatus
from webapp.accounts.models import Project
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish, schema_publish
from webapp.tracing import services
from webapp.tracing.models import JoinerHistory, ReplicaHistory, Resync, SyncPace, TrainerHistory
from workers import sync_orders
from workers.sync_orders import PaceOrders
from workers.travel_notes import JoinerNotes, ReplicaNotes, TrainerNotes, marks_of

NOW_MS = 1_800_000_000_000


@pytest.fixture
def version(project: Project) -> ModelVersion:
    schema_publish(project=project, document=demo_schema())
    return model_publish(project=project, name="retriever", document=demo_retriever())


def step(now_ms: int, **places: list[int]) -> bytes:
    events = [[int(partition[1:]), *ends] for partition, ends in places.items()]
    return orjson.dumps({"writer": "w", "now_ms": now_ms, "events": events, "catalog": []})


def standing(sequence: int, num_rows: int, num_bytes: int) -> ReplicaStatus:
    return ReplicaStatus(
        is_ready=True,
        sequence=sequence,
        trainer_sequence=sequence + 2,
        trained_through=TrainedThrough(),
        age_s=0.25,
        num_deltas_applied=sequence,
        num_rows_applied=num_rows,
        num_deletes_applied=0,
        num_bytes_applied=num_bytes,
        num_repeats=0,
        num_resyncs=0,
        verified_sequence=sequence,
    )


def test_it_keeps_one_mark_a_quarter_of_a_second_of_what_the_joiner_took() -> None:
    steps = [
        step(1000, p0=[0, 5]),
        step(1100, p0=[5, 6], p1=[0, 2]),
        orjson.dumps({"opens": "w"}),
        step(1200),
        step(1300, p0=[6, 9]),
    ]
    assert marks_of(steps) == [(1100, {0: 6, 1: 2}), (1300, {0: 9})]


def test_it_reads_the_joiners_steps_back_from_where_it_was(log: EventLog, project: Project) -> None:
    topic = topics.joiner_steps(project.slug)
    notes = JoinerNotes(log, project)
    notes.turn()
    log.create_topic(topic)
    log.append(topic, [Record("joiner", step(NOW_MS - 1, p0=[0, 1]), NOW_MS)])
    notes.turn()
    for offset in (2, 3):
        log.append(topic, [Record("joiner", step(NOW_MS + 300 * offset, p0=[offset - 1, offset]), NOW_MS)])
        notes.turn()
    [row] = JoinerHistory.objects.all()
    assert row.marks == [[NOW_MS + 600, {"0": 2}], [NOW_MS + 900, {"0": 3}]], "and not what was there before it looked"


def test_it_adds_publishes_of_the_same_ten_seconds_up(version: ModelVersion) -> None:
    for sequences, slots in (([1, 2], {1: 3, 2: 4}), ([3], {2: 1, 5: 9})):
        services.publish_note(
            model_version=version,
            at_ms=NOW_MS + sequences[0],
            sequences=sequences,
            num_rows=sum(slots.values()),
            num_deletes=1,
            num_bytes=100,
            examples_through={0: 10 * sequences[-1]},
            rows_by_slot=slots,
        )
    [row] = TrainerHistory.objects.all()
    assert (row.sequence, row.num_rows, row.num_deletes, row.num_bytes) == (3, 17, 2, 200)
    assert row.rows_by_slot == {"1": 3, "2": 5, "5": 9}
    assert [(mark["first"], mark["last"], mark["examples"]) for mark in row.marks] == [
        (1, 2, {"0": 20}),
        (3, 3, {"0": 30}),
    ]


def test_it_notes_what_a_trainer_published_and_when_it_had_learned_what(version: ModelVersion) -> None:
    class Publishing:
        last_published = DeltaHeader(
            project="shop",
            model="retriever",
            version=1,
            kind=DeltaKind.ROWS,
            sequence=4,
            previous_sequence=3,
            trained_through=TrainedThrough(examples={0: 12}),
            created_ms=NOW_MS,
        )

    times = iter([NOW_MS - 900, NOW_MS - 600, NOW_MS - 590])
    notes = TrainerNotes(version, cast(Publisher, Publishing()), clock=lambda: next(times) / 1000)
    for offset in (5, 5, 9):
        notes.turn({0: offset}, PublishReport())
    assert not TrainerHistory.objects.exists()
    notes.turn({0: 12}, PublishReport(3, 1, 90, [3, 4], Counter({2: 3})))
    [row] = TrainerHistory.objects.all()
    assert row.steps == [[NOW_MS - 900, {"0": 5}], [NOW_MS - 590, {"0": 12}]]
    assert (row.sequence, row.rows_by_slot, row.marks[0]["examples"]) == (4, {"2": 3}, {"0": 12})


def test_it_says_where_a_replica_stands_and_what_it_applied_since_it_said_so(version: ModelVersion) -> None:
    notes = ReplicaNotes("r1", clock=lambda: NOW_MS / 1000)
    resync = Resynced("digest", NOW_MS, 3, 9, "dim8 differs\x00")
    notes.turn({version.pk: Travel((Reached(8, NOW_MS - 5),), (), standing(8, 100, 1000))})
    notes.turn({version.pk: Travel((), (), standing(8, 100, 1000))})
    notes.turn({version.pk: Travel((Reached(9, NOW_MS),), (resync,), standing(9, 130, 1400))})
    [row] = ReplicaHistory.objects.all()
    assert (row.sequence, row.num_rows_applied, row.num_bytes_applied, row.verified_sequence) == (9, 130, 1400, 9)
    assert (row.num_behind, row.age_s, row.marks) == (2, 0.25, [[NOW_MS - 5, 8], [NOW_MS, 9]])
    [kept] = Resync.objects.all()
    assert (kept.replica, kept.cause, kept.from_sequence, kept.to_sequence, kept.detail) == (
        "r1",
        "digest",
        3,
        9,
        "dim8 differs",
    )


def test_it_forgets_the_day_before(version: ModelVersion) -> None:
    old_ms = int((timezone.now().timestamp() - 90_000) * 1000)
    now_ms = int(timezone.now().timestamp() * 1000)
    for at_ms in (old_ms, now_ms):
        services.joiner_note(project=version.model.project, marks=[(at_ms, {0: 1})])
    assert services.history_prune() == 1
    assert JoinerHistory.objects.count() == 1


def test_a_trainer_publishes_as_often_as_people_want_and_then_as_the_definition_says_again(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_orders, "LOOK_EVERY_S", 0.0)

    class Publishing:
        def __init__(self) -> None:
            self.said: list[float | None] = []

        def publish_every(self, interval_s: float | None) -> None:
            self.said.append(interval_s)

    publishing = Publishing()
    orders = PaceOrders(version, publishing)
    orders.turn()
    services.pace_set(model_version=version, interval_s=3.0, by="ada")
    orders.turn()
    orders.turn()
    services.pace_clear(model_version=version)
    orders.turn()
    assert publishing.said == [3.0, None]
    assert not SyncPace.objects.exists()
