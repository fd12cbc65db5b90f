"""What the training pages are looked at with: two ended runs of two versions with curves, a log and a report, and a search.

Run as a program (`python -m tests.e2e.training_scene <slug>`) against a running system's database; prints their ids as JSON.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.launcher.environment import ROOT

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
NUM_POINTS = 900


def make_scene(environment: Mapping[str, str], slug: str) -> dict[str, list[int]]:
    """In a process of its own, so that this one's settings stay the tests'. `{"runs", "searches"}`, ids."""
    told = {**environment, "DJANGO_SETTINGS_MODULE": "webapp.settings"}
    command = [sys.executable, "-m", "tests.e2e.training_scene", slug]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | told, check=True, capture_output=True, text=True)
    found: dict[str, list[int]] = json.loads(done.stdout.splitlines()[-1])
    return found


def _made(slug: str) -> dict[str, list[int]]:
    from engine.spec.demo import demo_ranker, demo_schema
    from webapp.accounts.models import Project
    from webapp.registry.services import model_publish, schema_publish

    project = Project.objects.get(slug=slug)
    schema_publish(project=project, document=demo_schema())
    smaller = demo_ranker() | {"training": {"batch_size": 64}}
    versions = [model_publish(project=project, name="ranker", document=each) for each in (demo_ranker(), smaller)]
    return {
        "runs": [_run(version, place) for place, version in enumerate(versions)],
        "searches": [_search(versions[0])],
    }


def _run(version: Any, place: int) -> int:
    from webapp.training.models import Run, RunMetric
    from webapp.training.run_log import Line, run_log_append

    ends = START + timedelta(seconds=NUM_POINTS)
    run = Run.objects.create(
        project=version.model.project, model_version=version, mode="online", state="stopped", wanted=False,
        started_at=START, finished_at=ends, num_examples=NUM_POINTS * 64, report=_report(), reported_at=ends,
    )  # fmt: skip
    points = [
        RunMetric(run=run, num_examples=number * 64, values=_values(number, place)) for number in range(NUM_POINTS)
    ]
    RunMetric.objects.bulk_create(points)
    for number, point in enumerate(points):
        point.at = START + timedelta(seconds=number)
    RunMetric.objects.bulk_update(points, ["at"], batch_size=300)
    Run.objects.filter(pk=run.pk).update(
        latest={name: value for name, value in points[-1].values.items() if name != "slices"}
    )
    run_log_append(
        run_id=run.pk,
        lines=[
            Line(START, 20, "workers.runs", f"run {run.pk}: online of {version} started"),
            Line(ends, 30, "engine.training.logged", "3 examples stepped over, the first at 0/17: no JSON"),
            Line(ends, 20, "workers.runs", f"run {run.pk}: stopped"),
        ],
    )
    return int(run.pk)


def _values(number: int, place: int) -> dict[str, Any]:
    learned = 1 - math.exp(-number / (200 + 150 * place))
    noise = 0.01 * math.sin(number * 1.7)
    phases = ("read", "evaluate", "encode", "lookup", "dense", "apply", "observe", "expire", "publish", "report")
    values: dict[str, Any] = {
        "auc": 0.5 + 0.3 * learned + noise, "grouped_auc": 0.5 + 0.26 * learned + noise, "loss": 0.7 - 0.3 * learned + noise,
        "log_loss": 0.7 - 0.3 * learned, "normalised_entropy": 1.1 - 0.4 * learned, "calibration": 1 + noise * 3,
        "hr_at_10": 0.1 + 0.4 * learned, "hr_at_10_frozen": 0.1, "ndcg_at_10": 0.3 * learned, "coverage_at_10": 0.7 * learned,
        "examples_per_s": 64 + 400 * noise, "busy_share": 0.4 + noise, "lag_records": abs(int(900 * noise)), "publish_interval_s": 1.0,
        "table_rows": 1000 + number, "table_bytes": 200_000 + 150 * number, "num_created": 1000 + number, "num_expired": number // 9,
        "num_over_budget": 0, "num_turned_away": number * 2, "num_candidates": 80, "candidate_bytes": 4000,
        "learning_rate.sparse": 0.05, "learning_rate.dense": 0.001 * (1 - number / NUM_POINTS),
        **{f"step_ms.{phase}": 0.4 + 0.3 * order + 20 * abs(noise) for order, phase in enumerate(phases)},
    }  # fmt: skip
    if number % 10 == 0:
        new, known = ({"auc": values["auc"] + step, "num_scores": 100, "hr_at_10": 0.2 - step} for step in (-0.1, 0.05))
        values["slices"] = {"users": {"new": new, "known": known}}
    return values


def _report() -> dict[str, Any]:
    slots = [
        {"name": name, "source": source, "table": "dim16", "shares": None, "num_rows": rows, "num_bytes": rows * 150, "num_candidates": 3,
         "num_admitted": rows + 9, "num_expired": 9, "num_over_budget": 0, "num_turned_away": 40,
         "hottest": [{"fid": "0a", "id": f"{name}-{number}", "per_example": 0.2 / number} for number in range(1, 9)]}
        for name, source, rows in (("user_id", "user.id", 400), ("item_id", "item.id", 1200), ("country", "user.country", 8))
    ]  # fmt: skip
    means = {"num_scores": 500, "num_lists": 40, "auc": 0.71, "calibration": 1.02, "hr_at_10": 0.3}
    return {
        "slots": slots,
        "slices": {"users": {"new": means, "known": means | {"auc": 0.8}}},
        "reliability": [{"predicted": 0.1 * place, "observed": 0.11 * place, "num": 50} for place in range(1, 9)],
    }


def _search(version: Any) -> int:
    from webapp.training.models import Search, Trial

    settings = {
        "varies": [
            {"kind": "log_range", "path": "sparse_optimizer.learning_rate", "low": 0.005, "high": 0.5},
            {"kind": "choice", "path": "training.batch_size", "values": [64, 128, 256]},
        ],
        "num_trials": 12,
        "metric": "auc",
    }
    search = Search.objects.create(
        project=version.model.project, model_version=version, settings=settings, state="succeeded", wanted=False,
        started_at=START, finished_at=START + timedelta(minutes=4),
    )  # fmt: skip
    for number in range(12):
        rate = 0.005 * 100 ** (number / 11)
        params = {"sparse_optimizer.learning_rate": rate, "training.batch_size": (64, 128, 256)[number % 3]}
        value = 0.8 - 0.04 * abs(math.log10(rate / 0.08)) - 0.01 * (number % 3)
        Trial.objects.create(search=search, number=number, params=params, state="complete", value=value)
    return int(search.pk)


if __name__ == "__main__":
    import django

    django.setup()
    sys.stdout.write(json.dumps(_made(sys.argv[1])) + "\n")
