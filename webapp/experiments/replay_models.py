"""Logged traffic asked again of another deployment, and what it would have earned."""

from __future__ import annotations

from django.db import models

from webapp.accounts.models import Project
from webapp.core.jobs import Job
from webapp.long_jobs.models import CountedJob
from webapp.serving.models import Deployment


class Replay(CountedJob):
    """A replay that was interrupted begins anew."""

    NOUN = "replay"
    JOB = Job.REPLAY
    COUNTED = ("num_done", "num_answers")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="replays")
    deployment = models.ForeignKey(
        Deployment, on_delete=models.CASCADE, related_name="replays", help_text="what is asked again"
    )
    revision = models.PositiveIntegerField(default=0, help_text="of the deployment, as it answered")
    logged = models.CharField(max_length=63, blank=True, help_text="whose answers are replayed; empty: everybody's")
    event_type = models.CharField(max_length=63, help_text="the action that an answer is to earn")
    hours = models.PositiveIntegerField(help_text="how far back")
    max_answers = models.PositiveIntegerField(help_text="the newest so many")
    num_answers = models.PositiveIntegerField(default=0, help_text="logged answers found")
    num_done = models.PositiveIntegerField(default=0, help_text="of those, the ones asked again")
    results = models.JSONField(default=dict, help_text="see workers.replaying_traffic")
    created_by = models.CharField(max_length=150, blank=True)
