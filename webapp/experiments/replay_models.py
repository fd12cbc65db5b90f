"""Logged traffic asked again of another deployment, and what it would have earned."""

from __future__ import annotations

from django.db import models

from webapp.accounts.models import Project
from webapp.serving.models import Deployment


class Replay(models.Model):
    """Work goes on while `wanted` is true; `state` says what is so. A replay that was interrupted begins anew."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        STOPPED = "stopped"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="replays")
    deployment = models.ForeignKey(
        Deployment, on_delete=models.CASCADE, related_name="replays", help_text="what is asked again"
    )
    revision = models.PositiveIntegerField(default=0, help_text="of the deployment, as it answered")
    logged = models.CharField(max_length=63, blank=True, help_text="whose answers are replayed; empty: everybody's")
    event_type = models.CharField(max_length=63, help_text="the action that an answer is to earn")
    hours = models.PositiveIntegerField(help_text="how far back")
    max_answers = models.PositiveIntegerField(help_text="the newest so many")
    state = models.CharField(max_length=12, choices=State, default=State.QUEUED)
    wanted = models.BooleanField(default=True, help_text="false asks the worker to stop")
    num_answers = models.PositiveIntegerField(default=0, help_text="logged answers found")
    num_done = models.PositiveIntegerField(default=0, help_text="of those, the ones asked again")
    results = models.JSONField(default=dict, help_text="see workers.replaying_traffic")
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    @property
    def lease_name(self) -> str:
        return f"replay:{self.pk}"

    @property
    def is_open(self) -> bool:
        return self.state in (self.State.QUEUED, self.State.RUNNING)

    @property
    def share_done(self) -> float:
        return self.num_done / self.num_answers if self.num_answers else 0.0
