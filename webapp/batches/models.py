"""Batches: one deployment's recommendations for many users."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import models

from webapp.accounts.models import Project


class Batch(models.Model):
    """Work goes on while `wanted` is true; `state` says what is so. `user_ids` null: every user of the catalogue, by id.

    The result is written part by part, `USERS_PER_PART` users each; `num_done` users are in whole parts, up to `last_user_id`.
    """

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        STOPPED = "stopped"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    class Format(models.TextChoices):
        JSONL = "jsonl", "JSON lines"
        PARQUET = "parquet", "Parquet"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="batches")
    deployment = models.CharField(max_length=63, help_text="its name when the batch was asked for")
    k = models.PositiveIntegerField()
    filter = models.TextField(blank=True)
    parameters = models.JSONField(default=dict)
    user_ids = models.JSONField(null=True, blank=True)
    format = models.CharField(max_length=8, choices=Format, default=Format.JSONL)
    state = models.CharField(max_length=12, choices=State, default=State.QUEUED)
    wanted = models.BooleanField(default=True, help_text="false asks the worker to stop")
    num_users = models.PositiveBigIntegerField(default=0)
    num_done = models.PositiveBigIntegerField(default=0)
    num_degraded = models.PositiveBigIntegerField(default=0)
    num_parts = models.PositiveIntegerField(default=0)
    last_user_id = models.CharField(max_length=256, blank=True)
    num_bytes = models.PositiveBigIntegerField(default=0)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "batches"

    @property
    def lease_name(self) -> str:
        return f"batch:{self.pk}"

    @property
    def folder(self) -> Path:
        """Where its parts and its result are."""
        data: Path = settings.DATA_DIR
        return data / "batches" / self.project.slug / str(self.pk)

    @property
    def result(self) -> Path:
        return self.folder / f"recommendations.{self.format}"

    @property
    def share_done(self) -> float:
        """0 to 1."""
        if self.state == self.State.SUCCEEDED:
            return 1.0
        return self.num_done / self.num_users if self.num_users else 0.0
