"""Runs, their metrics, the joiner's progress, and what trainers published."""

from __future__ import annotations

from django.db import models

from webapp.accounts.models import Project
from webapp.registry.models import ModelVersion
from webapp.training.run_models import RunLogLine, RunOrder
from webapp.training.search_models import Search, Trial

__all__ = ["JoinerProgress", "Publish", "Run", "RunLogLine", "RunMetric", "RunOrder", "Search", "Trial"]


class Run(models.Model):
    """One attempt to train a model version. Work goes on while `wanted` is true; `state` says what is so."""

    class Mode(models.TextChoices):
        BATCH = "batch"
        ONLINE = "online"

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        STOPPED = "stopped"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="runs")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="runs")
    mode = models.CharField(max_length=8, choices=Mode)
    state = models.CharField(max_length=12, choices=State, default=State.QUEUED)
    wanted = models.BooleanField(default=True, help_text="false asks the worker to stop")
    until_time = models.DateTimeField(
        null=True, blank=True, help_text="batch: train on examples before this event time"
    )
    start_from = models.ForeignKey(
        ModelVersion,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="started_runs",
        help_text="another version of the model, from whose newest checkpoint the run goes on as far as it fits",
    )
    input_file = models.CharField(
        max_length=128, blank=True, help_text="batch: a file of examples, read in place of the project's own"
    )
    continues_online = models.BooleanField(default=False, help_text="batch: an online run follows at its exact offset")
    start_offsets = models.JSONField(default=dict, help_text="partition -> first offset of `examples` read")
    end_offsets = models.JSONField(default=dict, help_text="partition -> offset reached (exclusive)")
    progress = models.FloatField(default=0.0, help_text="0 to 1, batch only")
    num_examples = models.BigIntegerField(default=0, help_text="trained on by this model version, each once")
    num_restarts = models.PositiveIntegerField(default=0)
    attempted_at = models.DateTimeField(null=True, blank=True, help_text="when a worker last took it up")
    num_failures = models.PositiveIntegerField(
        default=0, help_text="attempts in a row that ended badly without getting further"
    )
    failed_at_examples = models.BigIntegerField(default=-1, help_text="the furthest that any of them got")
    retry_at = models.DateTimeField(null=True, blank=True, help_text="not taken up again before")
    latest = models.JSONField(default=dict, help_text="the newest metrics, by name")
    report = models.JSONField(
        default=dict, help_text="the newest metrics by slice, reliability curve, tables and slots"
    )
    reported_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    @property
    def lease_name(self) -> str:
        """One writer per model version, whatever the mode."""
        return f"trainer:{self.model_version_id}"


class RunMetric(models.Model):
    """One point of a run's curves; `values` has the keys documented in ARCHITECTURE.md."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="metrics")
    at = models.DateTimeField(auto_now_add=True)
    num_examples = models.BigIntegerField()
    event_time = models.DateTimeField(null=True, blank=True)
    values = models.JSONField()

    class Meta:
        indexes = [models.Index(fields=["run", "id"])]
        ordering = ["id"]


class Publish(models.Model):
    """One published delta or snapshot, as the trainer reported it; the newest 2,000 of a model version stay."""

    model_version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="publishes")
    kind = models.CharField(max_length=12)
    sequence = models.BigIntegerField()
    num_rows = models.BigIntegerField(default=0)
    num_deletes = models.BigIntegerField(default=0)
    num_bytes = models.BigIntegerField(default=0)
    event_time = models.DateTimeField(null=True, blank=True)
    published_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["model_version", "-id"])]
        ordering = ["-id"]


class JoinerProgress(models.Model):
    """How far the project's joiner is, and what it has made of the events."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="joiner_progress")
    events_offsets = models.JSONField(default=dict)
    num_events = models.BigIntegerField(default=0)
    num_examples = models.BigIntegerField(default=0)
    num_positives = models.BigIntegerField(default=0)
    num_negatives = models.BigIntegerField(default=0)
    num_orphans = models.BigIntegerField(default=0)
    num_duplicates = models.BigIntegerField(default=0)
    num_pending = models.BigIntegerField(default=0)
    lag_records = models.BigIntegerField(default=0)
    tallies = models.JSONField(
        default=dict, help_text="what became of events by each of the joiner's rules, and what waits"
    )
    agreement = models.JSONField(
        default=dict, help_text="by source, how many values that serving logged the log says too"
    )
    error = models.TextField(blank=True)
    is_resting = models.BooleanField(
        default=False,
        db_default=False,
        help_text="everything is joined and nothing waits: no joiner is needed until the next event",
    )
    updated_at = models.DateTimeField(auto_now=True)
