"""Users and items with their properties, event ids already accepted, and rows that were refused."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from webapp.accounts.models import Project
from webapp.catalog.inbox_models import DeadEvent, DeadEventCount, Inbox

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


class Import(models.Model):
    """One file being loaded: how far it got (so that it resumes) and what was refused."""

    class State(models.TextChoices):
        RUNNING = "running"
        FINISHED = "finished"
        FAILED = "failed"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="imports")
    file_name = models.CharField(max_length=400)
    fingerprint = models.CharField(max_length=64, help_text="of the file's content and the mapping")
    state = models.CharField(max_length=16, choices=State, default=State.RUNNING)
    num_rows_done = models.BigIntegerField(default=0)
    num_accepted = models.BigIntegerField(default=0)
    num_repeated = models.BigIntegerField(default=0)
    num_rejected = models.BigIntegerField(default=0)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "fingerprint"], name="import_once")]
