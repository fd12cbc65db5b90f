"""Replays of logged traffic: those of a deployment."""

from __future__ import annotations

from django.db.models import QuerySet

from webapp.accounts.models import Project
from webapp.core.errors import NotFound
from webapp.experiments.models import Replay
from webapp.serving.models import Deployment


def replays_of(*, deployment: Deployment) -> QuerySet[Replay]:
    """Newest first."""
    return deployment.replays.select_related("deployment").order_by("-id")


def replay_get(*, project: Project, replay_id: int) -> Replay:
    """Raises `NotFound`."""
    found = Replay.objects.filter(project=project, pk=replay_id).select_related("deployment", "project").first()
    if found is None:
        raise NotFound(f"There is no replay {replay_id}.")
    return found
