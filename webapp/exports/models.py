"""Exports of a project's data, and how far each is."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import models

from webapp.accounts.models import Account, Project
from webapp.core.jobs import Job
from webapp.long_jobs.models import CountedJob


class Export(CountedJob):
    """Written part by part; `position` is where the next part begins.

    Of events `until` is each partition's end when the export was asked for, so that it ends while the log grows.
    """

    NOUN = "export"
    JOB = Job.EXPORT_DATA
    COUNTED = ("num_looked_at", "num_rows")

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
    position = models.JSONField(default=dict)
    until = models.JSONField(default=dict)
    num_rows = models.BigIntegerField(default=0, help_text="about so many will be looked at")
    num_looked_at = models.BigIntegerField(default=0)
    num_done = models.BigIntegerField(default=0, help_text="rows in whole parts")
    num_parts = models.PositiveIntegerField(default=0)
    num_bytes = models.BigIntegerField(default=0)
    is_cut = models.BooleanField(default=False, help_text="it ended at the largest number of rows, with more to come")
    created_by = models.ForeignKey(Account, null=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        return f"{super().__str__()} of {self.what}"

    @property
    def folder(self) -> Path:
        """Where its parts and its file are."""
        data: Path = settings.DATA_DIR
        return data / "exports" / self.project.slug / str(self.pk)

    @property
    def result(self) -> Path:
        return self.folder / f"{self.what}.{self.format}"
