"""Batches: one deployment's recommendations for many users."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import models

from webapp.accounts.models import Project
from webapp.core.jobs import Job
from webapp.long_jobs.models import CountedJob


class Batch(CountedJob):
    """`user_ids` null: every user of the catalogue, by id.

    The result is written part by part, `USERS_PER_PART` users each; `num_done` users are in whole parts, up to `last_user_id`.
    """

    NOUN = "batch"
    JOB = Job.RECOMMEND_BATCH
    COUNTED = ("num_done", "num_users")

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
    num_users = models.PositiveBigIntegerField(default=0)
    num_done = models.PositiveBigIntegerField(default=0)
    num_degraded = models.PositiveBigIntegerField(default=0)
    num_parts = models.PositiveIntegerField(default=0)
    last_user_id = models.CharField(max_length=256, blank=True)
    num_bytes = models.PositiveBigIntegerField(default=0)

    class Meta(CountedJob.Meta):
        verbose_name_plural = "batches"

    @property
    def folder(self) -> Path:
        """Where its parts and its result are."""
        data: Path = settings.DATA_DIR
        return data / "batches" / self.project.slug / str(self.pk)

    @property
    def result(self) -> Path:
        return self.folder / f"recommendations.{self.format}"
