"""Replays of logged traffic: those of a deployment, and those that wait for a worker."""

from __future__ import annotations

from django.db.models import QuerySet

from webapp.accounts.models import Project
from webapp.core.errors import NotFound
from webapp.core.selectors import is_held
from webapp.experiments.models import Replay
from webapp.serving.models import Deployment

OPEN = (Replay.State.QUEUED, Replay.State.RUNNING)


def replays_of(*, deployment: Deployment) -> QuerySet[Replay]:
    """Newest first."""
    return deployment.replays.select_related("deployment").order_by("-id")


def replay_get(*, project: Project, replay_id: int) -> Replay:
    """Raises `NotFound`."""
    found = Replay.objects.filter(project=project, pk=replay_id).select_related("deployment", "project").first()
    if found is None:
        raise NotFound(f"There is no replay {replay_id}.")
    return found


def replays_to_revive() -> list[Replay]:
    """Replays that are wanted and have not ended, and that no worker holds."""
    return list(unheld_replays().filter(wanted=True).order_by("id"))


def unheld_replays() -> QuerySet[Replay]:
    return Replay.objects.filter(state__in=OPEN).exclude(is_held("replay:"))
