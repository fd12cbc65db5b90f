"""Users and items with their properties, event ids already accepted, and rows that were refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from webapp.accounts.models import Account, Project
from webapp.catalog.inbox_models import DeadEvent, DeadEventCount, Inbox
from webapp.core.jobs import Job
from webapp.long_jobs.models import CountedJob

_ENDING = re.compile(r"\.(csv|jsonl|ndjson|parquet)(\.gz|\.zst)?$")

__all__ = ["AcceptedEvent", "DeadEvent", "DeadEventCount", "Import", "Inbox", "Item", "RejectedRow", "User"]


class Entity(models.Model):
    """What users and items share: an id unique in the project, and properties that the schema declares."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    external_id = models.CharField(max_length=256)
    properties = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.external_id


class User(Entity):
    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "external_id"], name="user_once")]


class Item(Entity):
    """A hidden one is kept and learned from, and never recommended."""

    hidden = models.BooleanField(default=False, db_default=False)
    seen_at = models.DateTimeField(
        null=True, help_text="when the first event about it was counted; null: there is none yet"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "external_id"], name="item_once")]


class AcceptedEvent(models.Model):
    """An `event_id` already appended to the log; a repeat is answered and not appended again.

    The table takes a row for every event, so it keeps 128 bits of the id (`storage.event_digest`) and leaves out the foreign
    key's check, which PostgreSQL makes row by row; ids rise with acceptance, by which the oldest are found.
    """

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    digest = models.UUIDField()
    accepted_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "digest"], name="accepted_event_once")]


class RejectedRow(models.Model):
    """A row that broke a rule, kept so that a person can look; the newest 10,000 of a project stay."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="rejected_rows")
    source = models.CharField(max_length=200, help_text="where it came from: api, upload:<file>, load:<file>")
    row_number = models.BigIntegerField(default=0)
    row = models.JSONField(null=True)
    problems = models.JSONField(default=list)
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["project", "-received_at"])]


def file_ending(file_name: str) -> str:
    """By which a file is read: `.csv`, `.jsonl` or `.parquet`, packed or not; empty for another."""
    found = _ENDING.search(file_name.lower())
    return found[0].replace(".ndjson", ".jsonl") if found else ""


class Import(CountedJob):
    """One file being taken in: what its columns mean, how far it got (so that it resumes) and what was refused.

    An upload begins as a draft; a worker goes on with one that is `wanted`. What `manage.py load_events` loads is noted here too, and has
    neither a file of ours nor choices.
    """

    NOUN = "import"
    JOB = Job.IMPORT_FILE
    OF_WORKERS = models.Q(has_file=True)
    WITH_EACH_CHANGE: ClassVar[Mapping[str, Any]] = {"updated_at": Now()}
    COUNTED = ("num_rows_done", "num_rows")

    class State(models.TextChoices):
        DRAFT = "draft"
        QUEUED = "queued"
        RUNNING = "running"
        STOPPED = "stopped"
        FINISHED = "finished"
        FAILED = "failed"

    DONE = State.FINISHED

    class Kind(models.TextChoices):
        EVENTS = "events", "Events"
        ITEMS = "items", "Items"
        USERS = "users", "Users"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="imports")
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.EVENTS, db_default=Kind.EVENTS)
    file_name = models.CharField(max_length=400)
    fingerprint = models.CharField(max_length=64, help_text="of the file's content and the mapping")
    state = models.CharField(max_length=16, choices=State, default=State.RUNNING)
    wanted = models.BooleanField(default=False, db_default=False, help_text="a worker is to go on with it")
    has_file = models.BooleanField(default=False, db_default=False, help_text="uploaded, and kept in the data folder")
    choices = models.JSONField(null=True, help_text="what the columns mean: webapp.catalog.imports.choices")
    num_bytes = models.BigIntegerField(default=0, db_default=0)
    num_rows = models.BigIntegerField(null=True, help_text="of the whole file, once they were counted")
    num_rows_done = models.BigIntegerField(default=0)
    num_accepted = models.BigIntegerField(default=0)
    num_repeated = models.BigIntegerField(default=0)
    num_rejected = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(Account, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "fingerprint"], name="import_once")]

    def __str__(self) -> str:
        return f"{super().__str__()} of {self.file_name}"

    @property
    def folder(self) -> Path:
        """Where its file and its refused rows are."""
        data: Path = settings.DATA_DIR
        return data / "imports" / self.project.slug / str(self.pk)

    @property
    def file(self) -> Path:
        return self.folder / f"file{file_ending(self.file_name)}"

    @property
    def rejected_file(self) -> Path:
        """Refused rows as JSON lines: `row`, `problems`, `received`."""
        return self.folder / "rejected.jsonl"
