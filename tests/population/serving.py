"""What answers: deployments with revisions, a replica's reports, an experiment, a replay, a batch."""

from __future__ import annotations

import random
from datetime import timedelta

from django.db.models import F
from django.utils import timezone

from webapp.accounts.models import Project
from webapp.batches.models import Batch
from webapp.experiments.models import Replay
from webapp.experiments.results import results_update
from webapp.experiments.services import experiment_start
from webapp.registry.models import ModelVersion
from webapp.serving.models import FreshnessPoint, Replica, SyncOrder
from webapp.serving.services import deployment_put, replica_report
from webapp.training.services import publish_record

NUM_FRESHNESS_POINTS = 120


def serve(project: Project, retriever: ModelVersion, ranker: ModelVersion, choose: random.Random) -> None:
    main = deployment_put(project=project, name="main", retrieval=retriever, ranking=None, by="tester")
    deployment_put(project=project, name="main", retrieval=retriever, ranking=ranker, by="tester", note="ranked now")
    plain = deployment_put(project=project, name="plain", retrieval=retriever, ranking=None, by="tester")
    report(main.pk, retriever, ranker)
    experiment = experiment_start(
        project=project, name="ranked_or_not", arms=[(main, 5000), (plain, 5000)], by="tester"
    )
    results_update(experiment=experiment)
    now = timezone.now()
    done = {"started_at": now - timedelta(minutes=3), "finished_at": now}
    Replay.objects.create(
        project=project, deployment=main, revision=2, event_type="click", hours=24, max_answers=1000, state="failed", wanted=False,
        error="No answer of the last 24 hours is in the log.", **done,
    )  # fmt: skip
    batch = Batch.objects.create(
        project=project, deployment="main", k=10, state="succeeded", wanted=False, num_users=1200, num_done=1200, num_parts=2,
        num_bytes=480_000, **done,
    )  # fmt: skip
    batch.folder.mkdir(parents=True, exist_ok=True)
    batch.result.write_text('{"user_id": "user-1", "items": []}\n')
    SyncOrder.objects.create(
        model_version=retriever, kind="snapshot", asked_by="tester", taken_at=now, done_at=now, sequence=29
    )
    publish_record(
        model_version=retriever,
        kind="snapshot",
        sequence=29,
        num_rows=1500,
        num_deletes=0,
        num_bytes=410_000,
        event_time=now,
    )
    measure(retriever, choose)
    measure(ranker, choose)


def report(deployment_id: int, *versions: ModelVersion) -> None:
    """A replica that reported a minute ago: one that lives belongs to whoever runs the test."""
    stands = {
        "deployment_id": deployment_id,
        "sequence": 28,
        "age_s": 0.7,
        "num_rows": 1500,
        "digest": "2e4888b8d22c981c",
    }
    positions = [{**stands, "model_version_id": version.pk} for version in versions]
    name = f"replica-of-{deployment_id}"
    replica_report(name=name, address="127.0.0.1:9", started_at=timezone.now(), positions=positions)
    Replica.objects.filter(name=name).update(heartbeat_at=timezone.now() - timedelta(minutes=1))


def measure(version: ModelVersion, choose: random.Random) -> None:
    """An hour of freshness, a point each half a minute."""
    FreshnessPoint.objects.bulk_create(
        FreshnessPoint(model_version=version, replica="replica-1", wall_s=[wait := round(choose.uniform(0.4, 1.6), 3)], event_s=[wait])
        for _ in range(NUM_FRESHNESS_POINTS)
    )  # fmt: skip
    points = FreshnessPoint.objects.filter(model_version=version)
    first = points.order_by("pk").values_list("pk", flat=True)[0]
    points.update(at=timezone.now() - timedelta(hours=1) + (F("pk") - first) * timedelta(seconds=30))
