"""Insights as a page says them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse

from webapp.accounts.models import Project
from webapp.core.errors import NotFound
from webapp.insights.models import Insight, InsightRound
from webapp.insights.words import KINDS

_ORDER: Final = {"bad": 0, "warn": 1, "note": 2}
_OF_USERS: Final = "users"


@dataclass(frozen=True, slots=True)
class InsightShown:
    """`link` is empty where the page does not exist."""

    id: int
    severity: str
    severity_words: str
    title: str
    means: str
    do: str
    link: str
    link_words: str
    first_at: datetime
    computed_at: datetime
    dismissed_at: datetime | None
    dismissed_by: str


def insights_of(*, project: Project) -> list[InsightShown]:
    """Open ones first, the gravest and largest of them first; never more than the checks find."""
    rows = Insight.objects.filter(project=project, kind__in=KINDS).select_related("dismissed_by")
    ordered = sorted(rows, key=lambda one: (one.dismissed_at is not None, _ORDER[one.severity], -one.weight))
    return [_shown(project, one) for one in ordered]


def insights_open(*, project: Project, limit: int | None = None) -> list[InsightShown]:
    """Those that nobody has dismissed."""
    found = [one for one in insights_of(project=project) if one.dismissed_at is None]
    return found if limit is None else found[:limit]


def insight_get(*, project: Project, insight_id: int) -> Insight:
    """Raises `NotFound`."""
    found = Insight.objects.filter(project=project, pk=insight_id).select_related("project").first()
    if found is None:
        raise NotFound(f"There is no insight {insight_id}; what it said may have changed.")
    return found


def insight_round(*, project: Project) -> InsightRound | None:
    """When the data was looked at last; None before the first time."""
    return InsightRound.objects.filter(project=project).first()


def _shown(project: Project, one: Insight) -> InsightShown:
    kind = KINDS[one.kind]
    return InsightShown(
        id=one.pk,
        severity=one.severity,
        severity_words=one.get_severity_display(),
        title=kind.title(one.values),
        means=kind.means,
        do=kind.do,
        link=_link(project, one),
        link_words=kind.link_words,
        first_at=one.first_at,
        computed_at=one.computed_at,
        dismissed_at=one.dismissed_at,
        dismissed_by=one.dismissed_by.get_username() if one.dismissed_by else "",
    )


def _link(project: Project, one: Insight) -> str:
    kind = KINDS[one.kind]
    name, arguments = kind.link, [project.slug]
    if name == "user":
        arguments.append(str(one.values["user_id"]))
    elif name == "items" and one.values.get("what") == _OF_USERS:
        name = _OF_USERS
    elif name == "api_docs":
        arguments = []
    try:
        address = reverse(name, args=arguments)
    except NoReverseMatch:
        return ""
    query = kind.query(one.values)
    return f"{address}?{urlencode(query)}" if query else address
