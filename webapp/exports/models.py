"""Exports of a project's data, and how far each is."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import models

from webapp.accounts.models import Account, Project


class Export(models.Model):
    """Work goes on while `wanted`; `state` says what is so. Written part by part; `position` is where the next part begins.

    Of events `until` is each partition's end when the export was asked for, so that it ends while the log grows.
    """

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        STOPPED = "stopped"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    class What(models.TextChoices):
        EVENTS = "events", "Events"
        ITEMS = "items", "Items"
        USERS = "users", "Users"
        INBOX = "inbox", "Inbox"

    class Format(models.TextChoices):
        JSONL = "jsonl", "JSON lines"
        CSV = "csv", "CSV"
        PARQUET = "parquet", "Parquet"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="exports")
    what = models.CharField(max_length=8, choices=What)
    format = models.CharField(max_length=8, choices=Format, default=Format.JSONL)
    types = models.JSONField(default=list, help_text="of events: only these types; empty for all")
    since = models.DateTimeField(null=True, blank=True, help_text="of events: those received from then on")
    state = models.CharField(max_length=12, choices=State, default=State.QUEUED)
    wanted = models.BooleanField(default=True, help_text="false asks the worker to stop")
    position = models.JSONField(default=dict)
    until = models.JSONField(default=dict)
    num_rows = models.BigIntegerField(default=0, help_text="about so many will be looked at")
    num_looked_at = models.BigIntegerField(default=0)
    num_done = models.BigIntegerField(default=0, help_text="rows in whole parts")
    num_parts = models.PositiveIntegerField(default=0)
    num_bytes = models.BigIntegerField(default=0)
    is_cut = models.BooleanField(default=False, help_text="it ended at the largest number of rows, with more to come")
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(Account, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-id"]

    @property
    def lease_name(self) -> str:
        return f"export:{self.pk}"

    @property
    def folder(self) -> Path:
        """Where its parts and its file are."""
        data: Path = settings.DATA_DIR
        return data / "exports" / self.project.slug / str(self.pk)

    @property
    def result(self) -> Path:
        return self.folder / f"{self.what}.{self.format}"

    @property
    def share_done(self) -> float:
        """0 to 1."""
        if self.state == self.State.SUCCEEDED:
            return 1.0
        return min(1.0, self.num_looked_at / self.num_rows) if self.num_rows else 0.0
