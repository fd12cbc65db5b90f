"""What each kind of alert measures, of rows as the rest of Freshet writes them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from engine.streams import topics
from engine.streams.log import Record
from tests.webapp.client import DEFINITION
from webapp.accounts.models import Project
from webapp.alerts.kinds import KINDS, AlertKind
from webapp.alerts.measuring import MEASURES
from webapp.catalog.models import RejectedRow
from webapp.core.log import append
from webapp.core.rates import RateCounter
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish
from webapp.serving.models import FreshnessPoint, Replica, ReplicaPosition
from webapp.serving.services import deployment_put
from webapp.training.models import Run, RunMetric
from webapp.training.services import joiner_report


@pytest.fixture
def version(project: Project) -> ModelVersion:
    return model_publish(project=project, name="ranker", document=DEFINITION)


@pytest.fixture
def run(project: Project, version: ModelVersion) -> Run:
    return Run.objects.create(project=project, model_version=version, mode="online", state="running")


def measured(project: Project, kind: AlertKind, now: datetime | None = None) -> list[tuple[str, float]]:
    return [(one.subject, round(one.value, 3)) for one in MEASURES[kind](project, now or timezone.now())]


def test_every_kind_is_measured() -> None:
    assert set(MEASURES) == set(KINDS)


def test_it_measures_nothing_in_an_empty_project(project: Project) -> None:
    found = {kind: measured(project, kind) for kind in MEASURES}
    assert [kind for kind, values in found.items() if values] == [
        AlertKind.JOINER_LAG, AlertKind.DISK, AlertKind.BAD_ROWS,
    ]  # fmt: skip
    assert found[AlertKind.JOINER_LAG] == [("", 0)]
    assert found[AlertKind.BAD_ROWS] == [("", 0)]
    assert 0 < found[AlertKind.DISK][0][1] <= 100


def test_it_takes_a_canary_that_is_waited_for_as_late_as_it_is(
    project: Project, run: Run, version: ModelVersion
) -> None:
    FreshnessPoint.objects.create(model_version=version, replica="r", wall_s=[1.0] * 20, waiting_s=2.0)
    assert measured(project, AlertKind.FRESHNESS) == [("ranker v1", 2.0)]
    FreshnessPoint.objects.create(model_version=version, replica="r", wall_s=[30.0] * 20)
    assert measured(project, AlertKind.FRESHNESS) == [("ranker v1", 30.0)]


def test_it_counts_what_the_joiner_and_each_trainer_have_not_read(
    project: Project, run: Run, version: ModelVersion
) -> None:
    for topic in (topics.events(project.slug), topics.examples(project.slug)):
        append(project.slug, topic, [Record(f"u{number}", b"{}", 0) for number in range(3)])
    assert measured(project, AlertKind.JOINER_LAG) == [("", 3)]
    assert measured(project, AlertKind.TRAINER_LAG) == [("ranker v1", 3)]
    joiner_report(project=project, lag_records=7)
    RunMetric.objects.create(run=run, num_examples=1, values={"lag_records": 8})
    assert measured(project, AlertKind.JOINER_LAG) == [("", 7)]
    assert measured(project, AlertKind.TRAINER_LAG) == [("ranker v1", 8)]
    later = timezone.now() + timedelta(seconds=61)
    assert measured(project, AlertKind.JOINER_LAG, later) == [("", 3)]
    assert measured(project, AlertKind.TRAINER_LAG, later) == [("ranker v1", 3)]


def test_it_measures_what_failed_of_enough_calls(project: Project) -> None:
    now_s = 1_800_000_000.0
    counter = RateCounter(clock_s=lambda: now_s - 130)
    slug = project.slug
    project.slug = f"shop-{uuid.uuid4().hex[:8]}"  # Redis is not emptied between tests
    later = datetime.fromtimestamp(now_s, UTC)
    for number in range(19):
        counter.add_call(project.slug, status=503 if number < 2 else 429, took_s=0.01, is_degraded=False)
    counter.flush()
    assert measured(project, AlertKind.ERROR_RATE, later) == []
    counter.add_call(project.slug, status=200, took_s=0.01, is_degraded=True)
    counter.flush()
    assert measured(project, AlertKind.ERROR_RATE, later) == [("", 10.0)]
    project.slug = slug


@pytest.mark.parametrize(("ratio", "off"), [(1.3, 30.0), (1 / 1.3, 30.0), (1.0, 0.0)])
def test_it_measures_calibration_off_either_way(project: Project, run: Run, ratio: float, off: float) -> None:
    Run.objects.update(latest={"calibration": ratio})
    assert measured(project, AlertKind.CALIBRATION) == [("ranker v1", off)]
    Run.objects.update(latest={"calibration": None})
    assert measured(project, AlertKind.CALIBRATION) == []


def test_it_counts_rows_refused_lately(project: Project, other_project: Project) -> None:
    old = RejectedRow.objects.create(project=project, source="api")
    RejectedRow.objects.filter(pk=old.pk).update(received_at=timezone.now() - timedelta(minutes=11))
    RejectedRow.objects.create(project=project, source="api")
    RejectedRow.objects.create(project=other_project, source="api")
    assert measured(project, AlertKind.BAD_ROWS) == [("", 1)]


def test_it_misses_replicas_that_went_silent_and_not_those_that_left(project: Project, version: ModelVersion) -> None:
    now = timezone.now()
    deployment = deployment_put(project=project, name="main", retrieval=version, ranking=None)
    assert measured(project, AlertKind.REPLICA_GONE, now + timedelta(seconds=50))[0][0] == "every replica"
    for name, heard_at in (
        ("a", now),
        ("b", now - timedelta(seconds=90)),
        ("c", datetime.fromtimestamp(0, now.tzinfo)),
    ):
        replica = Replica.objects.create(name=name, address=name, started_at=now, heartbeat_at=heard_at)
        ReplicaPosition.objects.create(replica=replica, deployment=deployment, model_version=version)
    assert measured(project, AlertKind.REPLICA_GONE, now) == [("a", 0), ("b", 90)]


def test_it_finds_a_failed_run_until_a_newer_one_follows(project: Project, run: Run, version: ModelVersion) -> None:
    now = timezone.now()
    Run.objects.update(state="failed", finished_at=now)
    assert measured(project, AlertKind.RUN_FAILED, now) == [(f"run {run.pk} of ranker v1", 1)]
    assert measured(project, AlertKind.RUN_FAILED, now + timedelta(hours=25)) == []
    Run.objects.create(project=project, model_version=version, mode="online")
    assert measured(project, AlertKind.RUN_FAILED, now) == []
