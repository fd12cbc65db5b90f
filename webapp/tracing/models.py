"""When each stage reached what, in rows of ten seconds; why replicas started anew; and how often a trainer is told to publish.

A row's `marks` are JSON lists, oldest first; times in them are ms since 1970. Rows of the last day stay.
"""

from __future__ import annotations

from django.db import models

from webapp.accounts.models import Project
from webapp.registry.models import ModelVersion

ROW_S = 10
SPAN_S = 360


class JoinerHistory(models.Model):
    """How far the project's joiner was: a mark is `[at_ms, {partition: next offset of events}]`, as its steps in the log say."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField(help_text="when the ten seconds began")
    marks = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "at"], name="joiner_history_once")]


class TrainerHistory(models.Model):
    """What a model version's trainer published.

    A mark is one publish: `{"at_ms", "first", "last"` (sequences), `"rows", "deletes", "bytes", "examples"` (partition -> next offset
    that training had passed)`}`.
    """

    model_version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField(help_text="when the ten seconds began")
    sequence = models.BigIntegerField(help_text="the newest")
    num_rows = models.BigIntegerField(default=0)
    num_deletes = models.BigIntegerField(default=0)
    num_bytes = models.BigIntegerField(default=0)
    rows_by_slot = models.JSONField(default=dict, help_text="slot number -> rows that were touched and published")
    steps = models.JSONField(
        default=list, help_text="how far training had come: [at_ms, {partition: next offset of examples}]"
    )
    marks = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model_version", "at"], name="trainer_history_once")]


class ReplicaHistory(models.Model):
    """Where one replica stood in a model version: a mark is `[at_ms, sequence]`, from when on it answered with that."""

    model_version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="+", db_index=False)
    replica = models.CharField(max_length=120)
    at = models.DateTimeField(help_text="when the ten seconds began")
    sequence = models.BigIntegerField(help_text="the newest that it served")
    num_behind = models.BigIntegerField(default=0, help_text="deltas in the topic that it had yet to apply, at most")
    age_s = models.FloatField(null=True, help_text="of its parameters, at most")
    num_rows_applied = models.BigIntegerField(default=0, help_text="in these seconds")
    num_bytes_applied = models.BigIntegerField(default=0, help_text="in these seconds")
    verified_sequence = models.BigIntegerField(default=0, help_text="where its digests were last found equal")
    marks = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model_version", "replica", "at"], name="replica_history_once")]


class TrainerSpan(models.Model):
    """A trainer's rows of the six minutes from `at` on, added up: a day is drawn from these (`webapp.tracing.sync_spans`)."""

    model_version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField(help_text="when the six minutes began")
    num_bytes = models.BigIntegerField(default=0)
    rows_by_slot = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model_version", "at"], name="trainer_span_once")]


class ReplicaSpan(models.Model):
    """A replica's rows of the six minutes from `at` on: the most that it was behind and old, and what it applied."""

    model_version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField(help_text="when the six minutes began")
    replica = models.CharField(max_length=120)
    num_behind = models.BigIntegerField(default=0)
    age_s = models.FloatField(null=True)
    num_rows_applied = models.BigIntegerField(default=0)
    num_bytes_applied = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model_version", "at", "replica"], name="replica_span_once")]


class Resync(models.Model):
    """A replica loaded a snapshot in place of what it had; `cause` is an `engine.sync.status.ResyncCause`."""

    model_version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="+", db_index=False)
    replica = models.CharField(max_length=120)
    at = models.DateTimeField()
    cause = models.CharField(max_length=20)
    from_sequence = models.BigIntegerField()
    to_sequence = models.BigIntegerField()
    detail = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["model_version", "-id"], name="resync_newest")]
        ordering = ["-id"]


class SyncPace(models.Model):
    """How often whoever trains a version publishes, in place of what its definition says; no row: as the definition says."""

    model_version = models.OneToOneField(
        ModelVersion, on_delete=models.CASCADE, related_name="sync_pace", primary_key=True
    )
    interval_s = models.FloatField()
    set_by = models.CharField(max_length=150, blank=True)
    set_at = models.DateTimeField(auto_now=True)
