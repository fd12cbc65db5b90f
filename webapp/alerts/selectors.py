"""What fires now, what did, where it is told, and what came of telling."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from webapp.accounts.models import Project
from webapp.alerts.kinds import KINDS, AlertKind
from webapp.alerts.models import Alert, AlertChannel, AlertDelivery
from webapp.core.errors import NotFound
from webapp.core.paging import Page

OPEN_AT_MOST = 200
PAGE = 25
DELIVERIES_SHOWN = 25


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """One that fires now. `link` is the page where it can be mended, "" when there is none."""

    kind: str
    message: str
    since: datetime
    link: str


def alerts_open(*, project: Project) -> list[OpenAlert]:
    """Those that fire, the longest first."""
    return [OpenAlert(one.kind, one.message, one.since, one.link) for one in alerts_firing(project=project)]


def alerts_firing(*, project: Project) -> list[Alert]:
    """As rows, the longest first."""
    found = Alert.objects.filter(project=project, state=Alert.State.FIRING)
    return list(found.order_by("since", "id")[:OPEN_AT_MOST])


def alerts_pending(*, project: Project) -> list[Alert]:
    """Above their limit, and not yet for long enough."""
    found = Alert.objects.filter(project=project, state=Alert.State.PENDING)
    return list(found.order_by("since", "id")[:OPEN_AT_MOST])


def alerts_past(*, project: Project, before_id: int | None = None, limit: int = PAGE) -> Page[Alert]:
    """Those that are over, newest first; `next_cursor` is the id before which the next page begins."""
    found = Alert.objects.filter(project=project, state=Alert.State.RESOLVED)
    if before_id is not None:
        found = found.filter(pk__lt=before_id)
    rows = list(found.order_by("-id")[: limit + 1])
    return Page(rows[:limit], str(rows[limit - 1].pk) if len(rows) > limit else None)


def channels_of(*, project: Project) -> QuerySet[AlertChannel]:
    return AlertChannel.objects.filter(project=project).select_related("project")


def channel_get(*, project: Project, channel_id: int) -> AlertChannel:
    """Raises `NotFound`."""
    found = channels_of(project=project).filter(pk=channel_id).first()
    if found is None:
        raise NotFound(f"There is no channel {channel_id}.")
    return found


def deliveries_of(*, project: Project) -> QuerySet[AlertDelivery]:
    """The newest messages, newest first."""
    return AlertDelivery.objects.filter(project=project).order_by("-id")[:DELIVERIES_SHOWN]


def kind_named(name: str) -> AlertKind:
    """Raises `NotFound`."""
    if name not in KINDS:
        raise NotFound(f"There is no kind of alert {name!r}.")
    return AlertKind(name)
