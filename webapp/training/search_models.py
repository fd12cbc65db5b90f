"""Hyper-parameter searches and their trials."""

from __future__ import annotations

from django.db import models

from webapp.accounts.models import Project
from webapp.core.jobs import Job
from webapp.long_jobs.models import LongJob
from webapp.registry.models import ModelVersion


class Search(LongJob):
    """Many trials of one model version with other values."""

    NOUN = "search"
    JOB = Job.SEARCH

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="searches")
    model_version = models.ForeignKey(
        ModelVersion, on_delete=models.CASCADE, related_name="searches", help_text="what the trials vary"
    )
    settings = models.JSONField(help_text="engine.spec.search.SearchSettings")
    plan = models.JSONField(
        default=dict, help_text="`starts`, `splits`, `ends` of `examples`: the same for every trial"
    )

    class Meta(LongJob.Meta):
        verbose_name_plural = "searches"


class Trial(models.Model):
    """One definition tried: the values that differ, and what came of it."""

    class State(models.TextChoices):
        RUNNING = "running"
        COMPLETE = "complete"
        PRUNED = "pruned"
        FAILED = "failed"

    search = models.ForeignKey(Search, on_delete=models.CASCADE, related_name="trials")
    number = models.PositiveIntegerField(help_text="from 0")
    params = models.JSONField(help_text="path in the definition -> value")
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    value = models.FloatField(null=True, blank=True, help_text="the metric of the examples held out")
    rungs = models.JSONField(default=dict, help_text="rung -> the metric on the way, of the newest scores then")
    details = models.JSONField(
        default=dict, help_text="`seeds`: the metric by seed; `epochs`: the metric after each epoch of the first seed"
    )
    error = models.TextField(blank=True)
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["search", "number"], name="one_trial_of_each_number")]
