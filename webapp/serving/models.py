"""Deployments, replica processes, and where each replica stands."""

from __future__ import annotations

from django.db import models

from webapp.accounts.models import Project
from webapp.registry.models import ModelVersion


class Deployment(models.Model):
    """What answers requests now: a model version that retrieves, one that ranks (either or both may be absent), and the document that
    says what is done with a request. `revision` numbers this whole; `DeploymentRevision` keeps it and those before it."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="deployments")
    name = models.CharField(max_length=63)
    retrieval = models.ForeignKey(ModelVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    ranking = models.ForeignKey(ModelVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    document = models.JSONField(default=dict, help_text="engine.spec.deployment.DeploymentDocument; {} is its defaults")
    revision = models.PositiveIntegerField(default=0)
    is_default = models.BooleanField(default=False, help_text="answers when no experiment says otherwise")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="deployment_once"),
            models.UniqueConstraint(
                fields=["project"], condition=models.Q(is_default=True), name="one_default_deployment"
            ),
        ]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def can_roll_back(self) -> bool:
        """Whether it answered otherwise before."""
        return self.revision > 1


class DeploymentRevision(models.Model):
    """What a deployment was from one change to the next. Written once; going back to one makes a new one that equals it."""

    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    document = models.JSONField()
    retrieval = models.ForeignKey(ModelVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    ranking = models.ForeignKey(ModelVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150, blank=True, help_text="an account, or the name of an API key")
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["deployment", "number"], name="deployment_revision_once")]
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"revision {self.number}"


class Replica(models.Model):
    """One serving process and its gRPC address; `heartbeat_at` tells whether it lives.

    One that `drained_at` is set for is not asked any more: it goes on following the log, and answers again when it is unset.
    """

    name = models.CharField(max_length=120, unique=True)
    address = models.CharField(max_length=200)
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()
    drained_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.name


class ReplicaPosition(models.Model):
    """One replica's place in one model version's deltas, as it last reported; the sync page and API read it."""

    replica = models.ForeignKey(Replica, on_delete=models.CASCADE, related_name="positions")
    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="positions")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="positions")
    sequence = models.BigIntegerField(default=0)
    age_s = models.FloatField(null=True, blank=True, help_text="since the newest applied delta was published")
    events_through = models.JSONField(default=dict)
    event_time = models.DateTimeField(null=True, blank=True)
    num_rows = models.BigIntegerField(default=0)
    num_rows_applied = models.BigIntegerField(default=0)
    num_deletes_applied = models.BigIntegerField(default=0)
    num_bytes_applied = models.BigIntegerField(default=0)
    num_resyncs = models.PositiveIntegerField(default=0)
    digest = models.CharField(max_length=20, blank=True)
    last_error = models.TextField(blank=True)
    reported_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["replica", "deployment", "model_version"], name="replica_position_once")
        ]


class FreshnessPoint(models.Model):
    """What one replica measured in a few seconds: how long events took to reach the parameters it answers with."""

    model_version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="freshness")
    replica = models.CharField(max_length=120)
    at = models.DateTimeField(auto_now_add=True)
    wall_s = models.JSONField(default=list, help_text="of each canary, seconds since it was received")
    event_s = models.JSONField(default=list, help_text="of each canary, seconds since it happened")
    num_given_up = models.PositiveIntegerField(
        default=0, help_text="canaries that did not arrive in time to be waited for"
    )
    waiting_s = models.FloatField(
        null=True, blank=True, help_text="for how long the oldest canary had been waited for then"
    )

    class Meta:
        indexes = [models.Index(fields=["model_version", "at"])]
        ordering = ["id"]


class FreshnessSpan(models.Model):
    """All that replicas measured of a version in the six minutes from `at` on; `webapp.serving.freshness_spans` makes them."""

    model_version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField(help_text="when the six minutes began")
    counts = models.JSONField(default=dict, help_text="how many canaries took so many ms, by the middle of their bin")
    max_s = models.FloatField(null=True, help_text="the slowest, exactly")
    num_given_up = models.PositiveIntegerField(default=0)
    waiting_s = models.FloatField(null=True, help_text="for how long the oldest canary had been waited for, at most")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model_version", "at"], name="freshness_span_once")]

    def counts_s(self) -> dict[float, int]:
        """By seconds."""
        return {int(middle_ms) / 1000: number for middle_ms, number in self.counts.items()}


class SyncOrder(models.Model):
    """What a person asked of a trainer or a replica, which look for it once a second and say when it is done."""

    class Kind(models.TextChoices):
        SNAPSHOT = "snapshot"
        RESYNC = "resync"

    model_version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="sync_orders")
    kind = models.CharField(max_length=12, choices=Kind)
    replica = models.CharField(max_length=120, blank=True, help_text="whose resync it is")
    asked_by = models.CharField(max_length=150, blank=True)
    asked_at = models.DateTimeField(auto_now_add=True)
    taken_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    sequence = models.BigIntegerField(null=True, blank=True, help_text="where the snapshot or the replica stood then")

    class Meta:
        indexes = [models.Index(fields=["model_version", "kind"])]
        ordering = ["-id"]
