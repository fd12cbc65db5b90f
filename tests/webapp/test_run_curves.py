"""Curves stay bounded: thinned evenly over their time when they are shown, and when they are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.webapp.client import DEFINITION
from webapp.accounts.models import Project
from webapp.registry.services import model_publish
from webapp.training import metric_thinning
from webapp.training.curves import columns, run_points, slice_points
from webapp.training.models import Run, RunMetric
from webapp.training.services import run_start, training_prune

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def run(project: Project) -> Run:
    return run_start(model_version=model_publish(project=project, name="m", document=DEFINITION), mode="online")


def add(run: Run, seconds: list[float], slices_every: int = 0) -> list[RunMetric]:
    """A point at each of these seconds after noon, whose `auc` is its number."""
    points = []
    for number, second in enumerate(seconds):
        values: dict[str, object] = {"auc": number / 8, "lost": None}
        if slices_every and number % slices_every == 0:
            values["slices"] = {"users": {"new": {"auc": 0.5, "num_scores": 3}}}
        points.append(RunMetric.objects.create(run=run, num_examples=number * 10, values=values))
        RunMetric.objects.filter(pk=points[-1].pk).update(at=NOON + timedelta(seconds=second))
    return points


def test_it_shows_a_point_of_each_equal_part_of_the_time_and_the_newest(run: Run) -> None:
    # a crowd at the end must not hide the beginning
    add(run, [0, 100, 200, 300, *(390 + place / 10 for place in range(100))])
    shown = run_points(run=run, limit=4)
    assert [point.num_examples for point in shown] == [0, 10, 20, 1030]
    assert len(run_points(run=run, limit=2_000)) == 104
    assert run_points(run=run, after_id=shown[-1].id) == []


def test_it_shows_a_stretch_of_time_more_finely(run: Run) -> None:
    add(run, [float(second) for second in range(100)])
    found = run_points(run=run, since=NOON + timedelta(seconds=20), until=NOON + timedelta(seconds=29), limit=10)
    assert [point.num_examples for point in found] == [number * 10 for number in range(20, 30)]


def test_it_leaves_slices_out_of_curves_and_gives_them_by_themselves(run: Run) -> None:
    add(run, [0, 1, 2, 3], slices_every=2)
    table = columns(run_points(run=run))
    assert table.keys() == {"at_s", "num_examples", "auc"}
    assert table["auc"] == [0.0, 0.125, 0.25, 0.375]
    assert table["at_s"][0] == NOON.timestamp()
    found = slice_points(run=run, name="users")
    assert [(point.num_examples, point.values["new"]["auc"]) for point in found] == [(0, 0.5), (20, 0.5)]
    assert slice_points(run=run, name="colour") == []


def test_it_keeps_the_newest_points_whole_and_the_older_evenly(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metric_thinning, "NEWEST_KEPT", 5)
    monkeypatch.setattr(metric_thinning, "OLDER_KEPT", 10)
    monkeypatch.setattr(metric_thinning, "SLACK", 0)
    points = add(run, [float(second) for second in range(105)], slices_every=10)
    training_prune()
    kept = set(RunMetric.objects.values_list("pk", flat=True))
    numbers = [number for number, point in enumerate(points) if point.pk in kept]
    assert numbers == [*range(0, 100, 10), *range(100, 105)]
    training_prune()
    assert RunMetric.objects.count() == 15
