"""Every project at a glance: what it takes in, what it answers, how fresh it is, and whether it needs somebody."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from django.db.models import Count

from webapp.accounts.models import Project
from webapp.alerts.models import Alert
from webapp.core.pictures.lines import Sparkline, sparkline
from webapp.core.rate_windows import rates_of
from webapp.overview.fresh import OBJECTIVE_S, freshness_by_version, versions_online
from webapp.overview.health import rate_text

AT_MOST = 100


@dataclass(frozen=True)
class Glance:
    """Rates are of now and None where Redis does not answer; `p99_ms` of calls, `freshness_s` the worst p95 of what trains online."""

    project: Project
    events_per_s: float | None
    calls_per_s: float | None
    p99_ms: float | None
    picture: Sparkline | None
    freshness_s: float | None
    num_online: int
    num_alerts: int

    @property
    def is_late(self) -> bool:
        return self.freshness_s is not None and self.freshness_s > OBJECTIVE_S

    @property
    def events_text(self) -> str:
        return rate_text(self.events_per_s)

    @property
    def calls_text(self) -> str:
        return rate_text(self.calls_per_s)

    @property
    def verdict(self) -> str:
        """One word for how it stands."""
        if self.num_alerts or self.is_late:
            return "needs attention"
        return "learning" if self.num_online else "not learning"


def glances_of(projects: Iterable[Project]) -> list[Glance]:
    """In the projects' order; a handful of queries for all of them together, of the first `AT_MOST`."""
    projects = list(islice(projects, AT_MOST))
    ids = [project.pk for project in projects]
    rates = rates_of([project.slug for project in projects]) if projects else {}
    versions = versions_online(ids)
    fresh = freshness_by_version([version.pk for of_project in versions.values() for version in of_project])
    firing = Alert.objects.filter(project__in=ids, state=Alert.State.FIRING)
    alerts = dict(firing.order_by().values_list("project_id").annotate(num=Count("pk")))
    glances = []
    for project in projects:
        of_project = rates[project.slug] if rates is not None else None
        worst = [value for one in versions.get(project.pk, []) if (value := fresh[one.pk].worst_s) is not None]
        glances.append(
            Glance(
                project=project,
                events_per_s=of_project.now.per_s("events") if of_project else None,
                calls_per_s=of_project.now.per_s("calls") if of_project else None,
                p99_ms=of_project.now.latency_ms(0.99) if of_project else None,
                picture=sparkline(
                    [window.per_s("events") for window in of_project.minutes],
                    unit="events a second",
                    title=f"Events of {project.name}, last hour by minute",
                )
                if of_project
                else None,
                freshness_s=max(worst, default=None),
                num_online=len(versions.get(project.pk, [])),
                num_alerts=alerts.get(project.pk, 0),
            )
        )
    return glances
