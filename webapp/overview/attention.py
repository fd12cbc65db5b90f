"""What needs somebody: alerts that fire, and what else is known to be amiss, each with where to mend it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from textwrap import shorten
from typing import Any

from django.db.models import Max, Model
from django.utils import timezone

from webapp.accounts.models import Project
from webapp.alerts.kinds import AlertKind
from webapp.alerts.selectors import alerts_open
from webapp.batches.models import Batch
from webapp.catalog.models import DeadEvent, Import, RejectedRow
from webapp.core.navigation import address_of
from webapp.core.rate_windows import rates_of
from webapp.core.templatetags.console import duration
from webapp.insights.models import Insight
from webapp.overview.fresh import OBJECTIVE_S, freshness_by_version, versions_online
from webapp.serving.models import Deployment, Replica
from webapp.serving.selectors import ALIVE_S, replicas_alive
from webapp.training.models import JoinerProgress, Run
from webapp.training.search_models import Search

RECENT = timedelta(days=7)
REJECTED_WITHIN = timedelta(days=1)
COUNTED_AT_MOST = 1000
SHOWN_OF_A_KIND = 3
GROWING_MINUTES, GROWING_ABOVE = 10, 1000
SILENT_S = 60
LONGEST = 200

Link = Callable[..., str]


@dataclass(frozen=True)
class Finding:
    """`message` says what is amiss, `about` more of it; `action` leads to `url`, where it can be mended; empty: nowhere."""

    is_bad: bool
    message: str
    about: str
    since: datetime | None
    action: str
    url: str


def attention_of(*, project: Project) -> list[Finding]:
    """The bad first, then as they are asked for."""

    def link(name: str, *more: object) -> str:
        return address_of(name, project.slug, *more)

    alerts = alerts_open(project=project)
    told = {alert.kind for alert in alerts}
    found = [Finding(True, alert.message, "", alert.since, "Look", alert.link or link("alerts")) for alert in alerts]
    for of_kind, kinds in SOURCES:
        if not kinds & told:
            found += of_kind(project, link)
    return sorted(found, key=lambda finding: not finding.is_bad)


def _no_replica(project: Project, link: Link) -> Iterator[Finding]:
    active = Deployment.objects.filter(project=project, is_active=True).exists()
    if active and not replicas_alive().exists():
        last: datetime | None = Replica.objects.aggregate(last=Max("heartbeat_at"))["last"]
        about = "Answers are what was answered most lately. Start a replica; its log says why it ended."
        yield Finding(
            True, f"No replica has reported within {ALIVE_S:g} s", about, last, "Parameter sync", link("sync")
        )


def _drained(project: Project, link: Link) -> Iterator[Finding]:
    serving = Replica.objects.filter(positions__deployment__project=project, drained_at__isnull=False).distinct()
    for replica in serving.filter(heartbeat_at__gt=timezone.now() - timedelta(seconds=ALIVE_S))[:SHOWN_OF_A_KIND]:
        about = "It follows the log, and answers again when it is undrained."
        yield Finding(False, f"{replica.name} is drained", about, replica.drained_at, "Parameter sync", link("sync"))


def _joiner(project: Project, link: Link) -> Iterator[Finding]:
    progress = JoinerProgress.objects.filter(project=project).first()
    if progress is None:
        return
    if progress.error:
        yield Finding(
            True, "The joiner reports an error", _short(progress.error), progress.updated_at, "Runs", link("runs")
        )
    elif not progress.is_resting and progress.updated_at < timezone.now() - timedelta(seconds=SILENT_S):
        about = "No event becomes an example. A worker of the queue joiner takes it up again."
        yield Finding(True, "The joiner has fallen silent", about, progress.updated_at, "Jobs", link("jobs"))


def _failed_runs(project: Project, link: Link) -> Iterator[Finding]:
    """The newest run of a version, where it failed."""
    newest = (
        Run.objects.filter(project=project)
        .order_by("model_version_id", "-id")
        .distinct("model_version_id")
        .select_related("model_version__model")
        .defer("report", "latest")
    )
    failed = [run for run in newest if run.state == Run.State.FAILED and _is_recent(run.finished_at)]
    for run in sorted(failed, key=lambda run: -run.pk)[:SHOWN_OF_A_KIND]:
        message = f"The {run.mode} run {run.pk} of {run.model_version} failed"
        yield Finding(True, message, _short(run.error), run.finished_at, "Open the run", link("run", run.pk))


def _failed_jobs(project: Project, link: Link) -> Iterator[Finding]:
    kinds: tuple[tuple[type[Model], str, Callable[[Any], str]], ...] = (
        (Import, "The import of {0.file_name} failed", lambda one: link("import", one.pk)),
        (Batch, "Batch {0.pk} for {0.deployment} failed", lambda one: link("batch", one.pk)),
        (Search, "Search {0.pk} failed", lambda one: link("search", one.pk)),
    )
    for model, words, address in kinds:
        failed = model._default_manager.filter(project=project, state="failed").order_by("-id")
        for one in failed[:SHOWN_OF_A_KIND]:
            at = getattr(one, "finished_at", None)
            if _is_recent(at):
                yield Finding(
                    True, words.format(one), _short(str(getattr(one, "error", ""))), at, "Open it", address(one)
                )


def _late(project: Project, link: Link) -> Iterator[Finding]:
    """What trains online and reaches replicas later than promised."""
    versions = versions_online([project.pk]).get(project.pk, [])
    fresh = freshness_by_version([version.pk for version in versions])
    for version in versions:
        measured = fresh[version.pk].worst_s
        if measured is not None and measured > OBJECTIVE_S:
            message = (
                f"What {version} learns is served after {duration(measured)}, and should be within {OBJECTIVE_S:g} s"
            )
            about = "p95 of the last 5 minutes. Parameter sync shows which of trainer and replicas is late."
            url = link("sync_model", version.model.name, version.version)
            yield Finding(False, message, about, None, "Parameter sync", url)


def _growing_lag(project: Project, link: Link) -> Iterator[Finding]:
    rates = rates_of([project.slug])
    if rates is None:
        about = "Rates, latency and error counts are not known until it answers."
        yield Finding(True, "Redis does not answer", about, None, "Projects", address_of("home"))
        return
    levels = [window.highest("lag.") for window in rates[project.slug].minutes[-GROWING_MINUTES:]]
    known = [level for level in levels if level is not None]
    grows = len(known) == GROWING_MINUTES and all(one < two for one, two in itertools.pairwise(known))
    if grows and known[-1] > GROWING_ABOVE:
        about = f"From {known[0]:,.0f} to {known[-1]:,.0f} records within {GROWING_MINUTES} minutes."
        yield Finding(False, "Training falls further behind every minute", about, None, "Runs", link("runs"))


def _inbox(project: Project, link: Link) -> Iterator[Finding]:
    num = DeadEvent.objects.filter(project=project)[:COUNTED_AT_MOST].count()
    if num:
        message = f"{_at_most(num, 'event waits', 'events wait')} in the inbox"
        about = "They broke a rule and were not joined. Mend the schema and replay them, or discard them."
        yield Finding(False, message, about, None, "Inbox", link("inbox"))


def _rejected(project: Project, link: Link) -> Iterator[Finding]:
    since = timezone.now() - REJECTED_WITHIN
    rows = RejectedRow.objects.filter(project=project, received_at__gte=since).order_by("-received_at")
    num = rows[:COUNTED_AT_MOST].count()
    if num:
        last = rows.values_list("received_at", flat=True).first()
        message = f"{_at_most(num, 'row was', 'rows were')} refused in the last 24 hours"
        yield Finding(
            False,
            message,
            "Each with the rule that it broke, newest first.",
            last,
            "Rejected rows",
            link("rejected_rows"),
        )


def _undeployed(project: Project, link: Link) -> Iterator[Finding]:
    """Models whose newest trained version answers nowhere."""
    trained = (
        Run.objects.filter(project=project, num_examples__gt=0, model_version__model__archived_at=None)
        .exclude(state=Run.State.FAILED)
        .order_by("model_version__model_id", "-model_version__version", "-id")
        .distinct("model_version__model_id")
        .select_related("model_version__model")
        .defer("report", "latest")
    )
    active = Deployment.objects.filter(project=project, is_active=True)
    deployed = {version for pair in active.values_list("retrieval_id", "ranking_id") for version in pair}
    waiting = [run for run in trained if run.model_version_id not in deployed]
    for run in waiting[:SHOWN_OF_A_KIND]:
        about = "It has learned, and no deployment answers with it."
        url = link("model", run.model_version.model.name)
        yield Finding(False, f"{run.model_version} is not deployed", about, run.finished_at, "Open the model", url)


def _insights(project: Project, link: Link) -> Iterator[Finding]:
    open_ones = Insight.objects.filter(project=project, dismissed_at=None, severity=Insight.Severity.BAD)
    num = open_ones[:COUNTED_AT_MOST].count()
    if num:
        message = _at_most(num, "thing about the data is to be mended", "things about the data are to be mended")
        yield Finding(
            False, message, "Found in the newest events, users and items.", None, "Insights", link("insights")
        )


# What an open alert of one of these kinds says already is not said twice.
SOURCES: tuple[tuple[Callable[[Project, Link], Iterator[Finding]], frozenset[str]], ...] = (
    (_no_replica, frozenset({AlertKind.REPLICA_GONE})),
    (_failed_runs, frozenset({AlertKind.RUN_FAILED})),
    (_failed_jobs, frozenset()),
    (_joiner, frozenset()),
    (_late, frozenset({AlertKind.FRESHNESS})),
    (_growing_lag, frozenset({AlertKind.JOINER_LAG, AlertKind.TRAINER_LAG})),
    (_inbox, frozenset()),
    (_rejected, frozenset({AlertKind.BAD_ROWS})),
    (_insights, frozenset()),
    (_undeployed, frozenset()),
    (_drained, frozenset()),
)


def _short(error: str) -> str:
    return shorten(error, LONGEST, placeholder="…")


def _is_recent(at: datetime | None) -> bool:
    return at is not None and at > timezone.now() - RECENT


def _at_most(num: int, one: str, many: str) -> str:
    """`1 row was`, `17 rows were`, `1,000 or more rows were`."""
    if num >= COUNTED_AT_MOST:
        return f"{COUNTED_AT_MOST:,} or more {many}"
    return f"{num:,} {one if num == 1 else many}"
