"""What each kind of alert measures, read from what the rest of Freshet reports."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.urls import reverse

from webapp.accounts.models import Project
from webapp.alerts.kinds import AlertKind
from webapp.alerts.measured import Measured, UnknownNow
from webapp.catalog.inbox_models import DeadEvent, Inbox
from webapp.catalog.models import RejectedRow
from webapp.core.rate_windows import rates_of
from webapp.serving.freshness_series import freshness_of
from webapp.serving.models import Deployment, Replica
from webapp.training.lag import ConsumerLag, project_lag
from webapp.training.models import Run, RunMetric
from webapp.training.selectors import joiner_progress

FRESHNESS_WINDOW_S = 300
BAD_ROWS_WINDOW = timedelta(minutes=10)
REPLICA_FORGOTTEN_AFTER = timedelta(hours=24)
RUN_FORGOTTEN_AFTER = timedelta(hours=24)
ERROR_MINUTES = 5
FEWEST_CALLS = 20
SAID_LATELY = timedelta(seconds=60)
COUNTED_AT_MOST = 10_000


def measure_freshness(project: Project, now: datetime) -> list[Measured]:  # noqa: ARG001
    """Of each model version that learns online and that a replica serves. A canary that is waited for counts as late as it is."""
    found = []
    for run in _online_runs(project):
        version = run.model_version
        lately = freshness_of(model_version=version, window_s=FRESHNESS_WINDOW_S)
        known = [each for each in (lately["wall"]["p95_s"], lately["waiting_s"]) if each is not None]
        if known:
            link = reverse("sync_model", args=[project.slug, version.model.name, version.version])
            found.append(Measured(max(known), f"{version}", link))
    return found


def measure_joiner_lag(project: Project, now: datetime) -> list[Measured]:
    """As the joiner says itself; when it has said nothing for a while, from what it committed. Raises `UnknownNow` without the log."""
    link = reverse("runs", args=[project.slug])
    said = joiner_progress(project=project)
    if said is not None and now - said.updated_at < SAID_LATELY:
        return [Measured(said.lag_records, "", link)]
    return [Measured(one.num_waiting, "", link) for one in _lag(project) if one.reader == "joiner"]


def measure_trainer_lag(project: Project, now: datetime) -> list[Measured]:
    """Of each online run: as it says itself, since it commits with its checkpoints only; else as for the joiner."""
    runs = {f"trainer of {run.model_version}": run for run in _online_runs(project)}
    found = {reader: lag for reader, run in runs.items() if (lag := _said_lag(run, now)) is not None}
    if len(found) < len(runs):
        found = {one.reader: one.num_waiting for one in _lag(project) if one.reader in runs} | found
    return [
        Measured(lag, f"{runs[reader].model_version}", reverse("run", args=[project.slug, runs[reader].pk]))
        for reader, lag in found.items()
    ]


def _said_lag(run: Run, now: datetime) -> int | None:
    newest = RunMetric.objects.filter(run=run, at__gte=now - SAID_LATELY).order_by("-id").first()
    lag = None if newest is None else newest.values.get("lag_records")
    return lag if isinstance(lag, int) else None


def measure_errors(project: Project, now: datetime) -> list[Measured]:
    """Percent of the newest 5 whole minutes' calls; too few calls say nothing. Raises `UnknownNow` without Redis."""
    found = rates_of([project.slug], clock_s=now.timestamp)
    if found is None:
        raise UnknownNow("Redis does not answer")
    minutes = found[project.slug].minutes[-ERROR_MINUTES:]
    num_calls = sum(each.counts.get("calls", 0) for each in minutes)
    if num_calls < FEWEST_CALLS:
        return []
    num_failed = sum(num for each in minutes for status, num in each.by_status.items() if status >= 500)
    return [Measured(100 * num_failed / num_calls, "", reverse("deployments", args=[project.slug]))]


def measure_calibration(project: Project, now: datetime) -> list[Measured]:  # noqa: ARG001
    """Percent by which predicted over observed is off, either way: 1.3 and 1 / 1.3 both are 30 %."""
    found = []
    for run in _online_runs(project):
        ratio = run.latest.get("calibration")
        if isinstance(ratio, int | float) and ratio > 0:
            off = (max(ratio, 1 / ratio) - 1) * 100
            found.append(Measured(off, f"{run.model_version}", reverse("run", args=[project.slug, run.pk])))
    return found


def measure_disk(project: Project, now: datetime) -> list[Measured]:  # noqa: ARG001
    folder: Path = settings.DATA_DIR
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        raise UnknownNow(str(error)) from error
    return [Measured(100 * (1 - usage.free / usage.total), "", "")]


def _online_runs(project: Project) -> list[Run]:
    runs = Run.objects.filter(project=project, mode=Run.Mode.ONLINE, wanted=True, state=Run.State.RUNNING)
    return list(runs.select_related("model_version__model").defer("report").order_by("id"))


def _lag(project: Project) -> list[ConsumerLag]:
    found = project_lag(project=project)
    if found is None:
        raise UnknownNow("the event log does not answer")
    return found


def measure_bad_rows(project: Project, now: datetime) -> list[Measured]:
    """Counted to 10,000. While the inbox is full, what is refused is only counted elsewhere: then it is that many at least."""
    since = now - BAD_ROWS_WINDOW
    rejected = RejectedRow.objects.filter(project=project, received_at__gte=since)[:COUNTED_AT_MOST].count()
    dead = DeadEvent.objects.filter(project=project, buried_at__gte=since)[:COUNTED_AT_MOST].count()
    if Inbox.objects.filter(project=project, flooded_at__isnull=False).exists():
        dead = COUNTED_AT_MOST
    page = "inbox" if dead >= rejected else "rejected_rows"
    return [Measured(rejected + dead, "", reverse(page, args=[project.slug]))]


def measure_replicas(project: Project, now: datetime) -> list[Measured]:
    """Of each replica that serves the project, seconds since it was heard of. One that said that it leaves is not missed, unless
    nobody else answers: then the project as a whole is."""
    active = Deployment.objects.filter(project=project, is_active=True)
    if not active.exists():
        return []
    link = reverse("sync", args=[project.slug])
    replicas = list(Replica.objects.filter(positions__deployment__in=active).distinct().order_by("name"))
    heard = {one.name: (now - one.heartbeat_at).total_seconds() for one in replicas}
    missed = [
        Measured(max(0.0, silent_s), name, link)
        for name, silent_s in heard.items()
        if silent_s < REPLICA_FORGOTTEN_AFTER.total_seconds()
    ]
    if missed:
        return missed
    first = active.order_by("created_at").values_list("created_at", flat=True).first() or now
    return [Measured((now - first).total_seconds(), "every replica", link)]


def measure_failed_runs(project: Project, now: datetime) -> list[Measured]:
    """A run that a newer one of its model version follows is dealt with."""
    newer = Run.objects.filter(model_version=OuterRef("model_version"), pk__gt=OuterRef("pk"))
    failed = Run.objects.filter(project=project, state=Run.State.FAILED, finished_at__gte=now - RUN_FORGOTTEN_AFTER)
    return [
        Measured(1, f"run {run.pk} of {run.model_version}", reverse("run", args=[project.slug, run.pk]))
        for run in failed.exclude(Exists(newer)).select_related("model_version__model").defer("report")[:50]
    ]


Measure = Callable[[Project, datetime], list[Measured]]

MEASURES: Final[Mapping[AlertKind, Measure]] = {
    AlertKind.FRESHNESS: measure_freshness,
    AlertKind.JOINER_LAG: measure_joiner_lag,
    AlertKind.TRAINER_LAG: measure_trainer_lag,
    AlertKind.ERROR_RATE: measure_errors,
    AlertKind.CALIBRATION: measure_calibration,
    AlertKind.DISK: measure_disk,
    AlertKind.BAD_ROWS: measure_bad_rows,
    AlertKind.REPLICA_GONE: measure_replicas,
    AlertKind.RUN_FAILED: measure_failed_runs,
}
