"""Erasures: orders to forget a user or an item, and what each place says it has forgotten. Both together are the receipt."""

from __future__ import annotations

import uuid

from django.db import models

from webapp.accounts.models import Project


class Erasure(models.Model):
    """One order. It stands in `events` at `positions` (partition -> offset), named by its token.

    It keeps the id that it is about: whoever asked must be able to show what was done.
    """

    class State(models.TextChoices):
        RUNNING = "running"
        DONE = "done"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="erasures", db_index=False)
    token = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=4, choices=[("user", "user"), ("item", "item")])
    entity_id = models.CharField(max_length=256)
    positions = models.JSONField(
        default=dict, help_text="where in the topic `events` the order stands: partition -> offset"
    )
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    asked_by = models.CharField(max_length=200, blank=True)
    ordered_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["project", "-id"], name="erasure_by_project"),
            models.Index(fields=["state"], name="erasure_open", condition=models.Q(state="running")),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"erasure {self.pk} of {self.kind} {self.entity_id}"


class Place(models.TextChoices):
    """Where something of a user or an item is. The order is that of a receipt."""

    CATALOGUE = "catalogue", "Catalogue"
    REFUSED = "refused", "Refused rows and the inbox"
    REPORTS = "reports", "Reports of runs"
    JOINER = "joiner", "Joiner"
    TRAINER = "trainer", "Trainer"
    REPLICA = "replica", "Replica"
    PARAMETERS = "parameters", "Served parameters"
    FOLDERS = "folders", "Checkpoints and snapshots"
    LOG = "log", "Event log"
    RESULTS = "results", "Batch results and exports"
    LEARNED = "learned", "Learned from everybody"
    RECORDS = "records", "Records of the deletion"


class Part(models.Model):
    """What one place says. `pending`: it has not come to the order yet; `done`; `stays`: it is not erased there, and `note` says why and
    `until` when it is gone (None: it is not known, or never). `counts` is what went, by partition of the order and by name."""

    class State(models.TextChoices):
        PENDING = "pending"
        DONE = "done"
        STAYS = "stays"

    erasure = models.ForeignKey(Erasure, on_delete=models.CASCADE, related_name="parts", db_index=False)
    place = models.CharField(max_length=12, choices=Place)
    name = models.CharField(max_length=200, blank=True, help_text="which replica, which model version")
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    counts = models.JSONField(default=dict)
    note = models.TextField(blank=True)
    until = models.DateTimeField(null=True, blank=True)
    sequence = models.BigIntegerField(null=True, help_text="of the delta that carried the deletes")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["erasure", "place", "name"], name="erasure_part_once")]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.place} {self.name}".strip()
