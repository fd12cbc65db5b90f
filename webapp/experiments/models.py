"""Experiments: traffic split between deployments."""

from __future__ import annotations

from django.db import models

from webapp.accounts.models import Project
from webapp.serving.models import Deployment


class Experiment(models.Model):
    """Splits a project's traffic between arms by a sticky hash of (salt, user id). At most one runs in a project."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="experiments")
    name = models.CharField(max_length=63)
    salt = models.CharField(max_length=32)
    is_running = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    stopped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="experiment_once"),
            models.UniqueConstraint(
                fields=["project"], condition=models.Q(is_running=True), name="one_running_experiment"
            ),
        ]


class Arm(models.Model):
    """A deployment's share of an experiment's traffic, in parts of 10,000."""

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="arms")
    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="+")
    share = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["experiment", "deployment"], name="arm_once")]
        ordering = ["id"]
