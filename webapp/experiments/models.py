"""Experiments: traffic split between deployments, what guards them, and what came of it."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from webapp.accounts.models import Project
from webapp.experiments.feedback_models import ArmUserCount, Feedback, FeedbackCount, ShadowCount, ShownLately
from webapp.experiments.replay_models import Replay
from webapp.serving.models import Deployment

__all__ = [
    "Arm",
    "ArmUserCount",
    "Experiment",
    "Feedback",
    "FeedbackCount",
    "Guardrail",
    "IntervalPoint",
    "Replay",
    "ShadowCount",
    "ShownLately",
]


class Experiment(models.Model):
    """Splits a project's traffic between arms by a sticky hash of (salt, user id). At most one runs in a project."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="experiments")
    name = models.CharField(max_length=63)
    salt = models.CharField(max_length=32)
    is_running = models.BooleanField(default=False)
    metric = models.CharField(
        max_length=80, blank=True, help_text="what it is decided by; empty: the first action's rate"
    )
    alpha = models.FloatField(
        default=0.05,
        validators=[MinValueValidator(0.0001), MaxValueValidator(0.5)],
        help_text="chance that an interval of one arm and metric ever misses the truth",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    stopped_at = models.DateTimeField(null=True, blank=True)
    promoted_arm = models.ForeignKey("Arm", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    default_before = models.ForeignKey(
        Deployment,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="what promoting replaced",
    )
    promoted_at = models.DateTimeField(null=True, blank=True)
    rolled_back_at = models.DateTimeField(null=True, blank=True)
    results = models.JSONField(default=dict, blank=True, help_text="metrics by arm: see webapp.experiments.results")
    results_at = models.DateTimeField(null=True, blank=True)
    stopped_why = models.JSONField(
        null=True, blank=True, help_text="how it ended and by whom; null: not ended, or before that was kept"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="experiment_once"),
            models.UniqueConstraint(
                fields=["project"], condition=models.Q(is_running=True), name="one_running_experiment"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def can_roll_back(self) -> bool:
        """Whether an arm was promoted and what it replaced can answer again."""
        return self.promoted_at is not None and self.rolled_back_at is None and self.default_before_id is not None


class IntervalPoint(models.Model):
    """What an experiment's results were at one time: see `webapp.experiments.interval_history`, which keeps them few."""

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="interval_points")
    at = models.DateTimeField()
    results = models.JSONField(help_text="as Experiment.results")

    class Meta:
        indexes = [models.Index(fields=["experiment", "at"])]
        ordering = ["at", "id"]


class Arm(models.Model):
    """A deployment's part in an experiment. `share` is in parts of 10,000: of the traffic, or for a shadow of the requests that it is
    asked beside."""

    class Kind(models.TextChoices):
        TRAFFIC = "traffic", "answers its share of the users"
        HOLDOUT = "holdout", "answers its share of the users without personalisation"
        SHADOW = "shadow", "is asked beside the others and shown to nobody"

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="arms")
    name = models.CharField(max_length=63)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.TRAFFIC)
    deployment = models.ForeignKey(
        Deployment, null=True, on_delete=models.PROTECT, related_name="+", help_text="null: deleted since the end"
    )
    share = models.PositiveIntegerField()
    is_control = models.BooleanField(default=False)
    stopped_at = models.DateTimeField(null=True, blank=True)
    stopped_why = models.JSONField(default=dict, blank=True, help_text="by whom, and what a guardrail saw")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["experiment", "name"], name="arm_name_once"),
            models.UniqueConstraint(fields=["experiment"], condition=models.Q(is_control=True), name="one_control_arm"),
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_stopped(self) -> bool:
        return self.stopped_at is not None


class Guardrail(models.Model):
    """Stops an arm whose metric is surely worse than the control's by more than `tolerance` (0.02: two per cent)."""

    class Harm(models.TextChoices):
        DECREASE = "decrease", "less is worse"
        INCREASE = "increase", "more is worse"

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="guardrails")
    metric = models.CharField(max_length=80)
    harm = models.CharField(max_length=10, choices=Harm, default=Harm.DECREASE)
    tolerance = models.FloatField(default=0.0, help_text="relative to the control")
    min_users = models.PositiveIntegerField(
        default=200, help_text="of the arm and of the control, before it is looked at"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["experiment", "metric", "harm"], name="guardrail_once")]
        ordering = ["id"]
