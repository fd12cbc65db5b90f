"""One project with something on every page: what people declare by services, what workers report by services or as rows."""

from __future__ import annotations

import math
import random
from datetime import timedelta
from typing import Any

from django.utils import timezone

from engine.spec.demo import demo_ranker, demo_retriever, demo_schema
from tests.population.operating import operate
from tests.population.serving import serve
from webapp.accounts.models import Account, Membership, Project
from webapp.accounts.services import project_create
from webapp.catalog.models import DeadEvent, Import, RejectedRow
from webapp.catalog.services import events_ingest, items_put, users_put
from webapp.core.clock import wall_ms
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish, schema_publish
from webapp.training.models import Run, RunMetric
from webapp.training.search_models import Search, Trial
from webapp.training.services import joiner_report, publish_record, run_finished, run_note_report, run_report

NUM_USERS, NUM_ITEMS, NUM_SHOWN = 30, 60, 150
TOPICS = ("science", "tennis", "games", "economy", "health")


def populate(*, slug: str, account: Account, seed: int = 7) -> Project:
    """The project `slug`, of which `account` is a member."""
    project = project_create(slug=slug, name=slug.replace("-", " ").capitalize(), account=account)
    Membership.objects.get_or_create(account=account, project=project)
    choose = random.Random(seed)
    schema_publish(project=project, document=demo_schema(), note="what the shop sells")
    declare_and_fill(project, choose)
    refuse(project, account)
    retriever = model_publish(project=project, name="retriever", document=demo_retriever(), note="first")
    model_publish(project=project, name="ranker", document=demo_ranker())
    wider = demo_ranker() | {"architecture": {"kind": "deepfm", "hidden": [128, 64], "num_negatives": 4}}
    ranker = model_publish(project=project, name="ranker", document=wider, note="a wider network")
    train(retriever, ranker, choose)
    serve(project, retriever, ranker, choose)
    operate(project, account, choose)
    return project


def declare_and_fill(project: Project, choose: random.Random) -> None:
    """A catalogue, users, and what they saw and did in the last minutes."""
    items_put(project=project, rows=[
        {"id": f"item-{number}", "properties": {"topic": choose.choice(TOPICS), "price": round(choose.uniform(1, 90), 2)}}
        for number in range(NUM_ITEMS)
    ])  # fmt: skip
    users_put(project=project, rows=[
        {"id": f"user-{number}", "properties": {"country": choose.choice(["CH", "NL", "PT"])}} for number in range(NUM_USERS)
    ])  # fmt: skip
    rows: list[dict[str, Any]] = []
    for number in range(NUM_SHOWN):
        user, shown = f"user-{choose.randrange(NUM_USERS)}", choose.sample(range(NUM_ITEMS), 4)
        rec = {"recommendation_id": f"rec-{number}"}
        rows.append(
            {
                "event_id": f"see-{number}",
                "type": "impression",
                "user_id": user,
                "items": [f"item-{one}" for one in shown],
                **rec,
            }
        )
        if choose.random() < 0.4:
            rows.append(
                {
                    "event_id": f"act-{number}",
                    "type": choose.choice(["click", "purchase"]),
                    "user_id": user,
                    "item_id": f"item-{shown[0]}",
                    **rec,
                }
            )
    rows.append({"event_id": "wrong", "type": "no-such-type", "user_id": "user-1"})
    events_ingest(project=project, rows=rows, source="api")
    joiner_report(project=project, num_events=len(rows) - 1, num_examples=NUM_SHOWN * 4, lag_records=0)


def refuse(project: Project, account: Account) -> None:
    """Rows that broke a rule, and files that were taken in, wait to be described, and failed."""
    problems = [{"field": "price", "rule": "must be a number", "received": "'free'"}]
    for number in range(12):
        RejectedRow.objects.create(
            project=project, source="upload:may.csv", row_number=number, row={"price": "free"}, problems=problems
        )
        DeadEvent.objects.create(
            project=project, partition=0, offset=number, reason="unknown_type", field="type",
            rule="must be one of the declared event types", received="'share'",
            problems=[], value='{"type": "share"}', value_bytes=17, is_whole=True, timestamp_ms=wall_ms(),
            buried_at=timezone.now(), key="user-1",
        )  # fmt: skip
    now = timezone.now()
    for name, state, error in (("april.csv", "finished", ""), ("may.csv", "failed", "The file ended within a row.")):
        Import.objects.create(
            project=project, file_name=name, fingerprint=name, state=state, error=error, num_rows=5000,
            num_rows_done=5000,            num_accepted=4988, num_rejected=12, num_bytes=410_000, started_at=now - timedelta(minutes=4),
            finished_at=now, created_by=account,
        )  # fmt: skip


def train(retriever: ModelVersion, ranker: ModelVersion, choose: random.Random) -> None:
    """Runs that ended well, failed, and go on; their curves and reports; a search."""
    for version in (retriever, ranker):
        batch = run_of(version, Run.Mode.BATCH)
        curve(batch, choose)
        run_finished(run=batch, state=Run.State.SUCCEEDED)
    failed = run_of(ranker, Run.Mode.BATCH)
    run_report(run=failed, values={"loss": 9.1, "num_examples": 100}, num_examples=100, event_time=None)
    run_finished(
        run=failed,
        state=Run.State.FAILED,
        error="InvalidArgument: a label was neither 0 nor 1\n  in engine/training/step.py",
    )
    for version in (retriever, ranker):
        online = run_of(version, Run.Mode.ONLINE)
        curve(online, choose)
        run_finished(run=online, state=Run.State.STOPPED)
        for sequence in range(1, 30):
            kind = "dense" if sequence % 5 == 0 else "rows"
            publish_record(
                model_version=version, kind=kind, sequence=sequence, num_rows=choose.randrange(60, 300), num_deletes=0,
                num_bytes=choose.randrange(6_000, 60_000), event_time=timezone.now(),
            )  # fmt: skip
    search = Search.objects.create(
        project=ranker.model.project, model_version=ranker, settings=SEARCH, state=Search.State.SUCCEEDED, wanted=False,
        started_at=timezone.now() - timedelta(hours=1), finished_at=timezone.now(),
    )  # fmt: skip
    for number in range(8):
        params = {"sparse_optimizer.learning_rate.value": 10 ** choose.uniform(-3, -1)}
        Trial.objects.create(
            search=search,
            number=number,
            params=params,
            state="complete",
            value=choose.uniform(0.5, 0.7),
            finished_at=timezone.now(),
        )


SEARCH: dict[str, Any] = {
    "varies": [{"kind": "log_range", "path": "sparse_optimizer.learning_rate.value", "low": 0.001, "high": 0.1}],
    "num_trials": 8,
}


def run_of(version: ModelVersion, mode: str) -> Run:
    """A run that no worker takes up: the population is looked at, not trained."""
    return Run.objects.create(project=version.model.project, model_version=version, mode=mode, wanted=False)


def curve(run: Run, choose: random.Random, num_points: int = 60) -> None:
    """Metrics that improve, as a trainer reports them."""
    Run.objects.filter(pk=run.pk).update(state=Run.State.RUNNING, started_at=timezone.now() - timedelta(minutes=20))
    for number in range(num_points):
        learned = 1 - math.exp(-number / 15)
        noise = choose.uniform(-0.01, 0.01)
        values = {
            "loss": 0.7 - 0.3 * learned + noise, "log_loss": 0.68 - 0.3 * learned + noise, "auc": 0.5 + 0.3 * learned + noise,
            "grouped_auc": 0.5 + 0.28 * learned + noise, "calibration": 1 + noise, "hr_at_10": 0.4 * learned, "ndcg_at_10": 0.25 * learned,
            "examples_per_s": 900 + 90 * noise, "table_rows": 1500 * learned, "table_bytes": 1.9e6 * learned, "lag_records": 3,
            "num_created": 1500 * learned, "num_examples": 500 * (number + 1), "num_corrupt": 0,
        }  # fmt: skip
        if number + 1 < num_points:
            RunMetric.objects.create(run=run, values=values, num_examples=500 * (number + 1))
        else:
            run_report(run=run, values=values, num_examples=500 * num_points, event_time=timezone.now())
    run_note_report(run=run, report=REPORT)


REPORT: dict[str, Any] = {
    "tables": [{"name": "dim16", "dim": 16, "num_rows": 1500, "num_bytes": 1_900_000}],
    "slots": [
        {
            "name": "user_id", "table": "dim16", "shares": None, "source": "user.id", "num_rows": 500, "num_bytes": 77_000,
            "num_expired": 0, "num_admitted": 500, "num_candidates": 0, "num_over_budget": 0, "num_turned_away": 0,
            "hottest": [{"id": "user-3", "fid": "0d36c77c26e73654", "per_example": 0.019}],
        }
    ],
}  # fmt: skip
