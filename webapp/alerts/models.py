"""Rules that a project changed, alerts from their first breach to their end, where they are sent, and what came of sending them."""

from __future__ import annotations

import secrets
import uuid

from django.db import models
from django.utils.crypto import salted_hmac

from webapp.accounts.models import Project
from webapp.alerts.kinds import AlertKind

KIND_CHOICES = [(kind.value, kind.value) for kind in AlertKind]


class AlertRule(models.Model):
    """A project's own limits for a kind; without a row those of `kinds.KINDS` hold."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="alert_rules")
    kind = models.CharField(max_length=20, choices=KIND_CHOICES)
    is_on = models.BooleanField(default=True)
    threshold = models.FloatField(help_text="in the kind's unit")
    for_s = models.PositiveIntegerField(help_text="how long above the threshold before it fires")
    silenced_until = models.DateTimeField(null=True, blank=True, help_text="nobody is told until then")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "kind"], name="alert_rule_once")]

    def __str__(self) -> str:
        return self.kind


class Alert(models.Model):
    """One time that one thing was in trouble. `pending` until it lasted long enough; a pending one that passes leaves no trace."""

    class State(models.TextChoices):
        PENDING = "pending"
        FIRING = "firing"
        RESOLVED = "resolved"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="alerts", db_index=False)
    kind = models.CharField(max_length=20, choices=KIND_CHOICES)
    subject = models.CharField(max_length=200, blank=True, help_text="which model version, replica or run")
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    since = models.DateTimeField(help_text="when the value was first seen above the threshold")
    fired_at = models.DateTimeField(null=True, blank=True)
    calm_since = models.DateTimeField(null=True, blank=True, help_text="since when the value is well below again")
    resolved_at = models.DateTimeField(null=True, blank=True)
    value = models.FloatField(help_text="as measured last")
    peak = models.FloatField()
    threshold = models.FloatField(help_text="what held when it was last judged")
    message = models.CharField(max_length=500)
    link = models.CharField(max_length=400, blank=True, help_text="the page where it can be mended")
    is_told = models.BooleanField(default=False, help_text="the channels were told that it fires")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "kind", "subject"],
                condition=~models.Q(state="resolved"),
                name="one_open_alert_of_a_subject",
            )
        ]
        indexes = [
            models.Index(fields=["project", "-id"], name="alert_history"),
            models.Index(fields=["project"], condition=~models.Q(state="resolved"), name="alert_open"),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.message


class AlertChannel(models.Model):
    """Where a project's alerts go. The signing secret is derived (see `secret`), so that the database alone gives nobody it."""

    class Kind(models.TextChoices):
        WEBHOOK = "webhook", "Webhook"
        EMAIL = "email", "E-mail"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="alert_channels")
    kind = models.CharField(max_length=8, choices=Kind)
    address = models.CharField(max_length=500, help_text="a URL, or an e-mail address")
    nonce = models.CharField(max_length=64, default=secrets.token_hex)
    is_on = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "kind", "address"], name="alert_channel_once")]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.shown_address}"

    @property
    def secret(self) -> str:
        """What webhooks are signed with: 64 hexadecimal digits, from SECRET_KEY and the row's nonce."""
        return salted_hmac("webapp.alerts", self.nonce, algorithm="sha256").hexdigest()

    @property
    def shown_address(self) -> str:
        """A webhook's path often is a secret: only its host and the end are shown."""
        if self.kind == self.Kind.EMAIL:
            return self.address
        scheme, _, rest = self.address.partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}://{host}{slash}{f'…{path[-4:]}' if len(path) > 8 else path}"


class AlertDelivery(models.Model):
    """One message to one channel: of an alert's transition, or a test. It is made in the transaction of the transition, and sent after."""

    class State(models.TextChoices):
        WAITING = "waiting"
        SENT = "sent"
        FAILED = "failed"

    class Transition(models.TextChoices):
        FIRING = "firing"
        RESOLVED = "resolved"
        TEST = "test"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    channel = models.ForeignKey(AlertChannel, null=True, on_delete=models.SET_NULL, related_name="deliveries")
    alert = models.ForeignKey(Alert, null=True, on_delete=models.CASCADE, related_name="deliveries")
    transition = models.CharField(max_length=10, choices=Transition)
    message_id = models.UUIDField(
        default=uuid.uuid4, help_text="the same at every attempt, for receivers to tell repeats"
    )
    address = models.CharField(max_length=500, help_text="as shown, for the log")
    body = models.JSONField()
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    num_attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(max_length=600, blank=True, help_text="what the receiver said, or why it was not reached")
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["channel", "alert", "transition"], name="one_message_a_transition")
        ]
        indexes = [
            models.Index(fields=["project", "-id"], name="alert_deliveries"),
            models.Index(fields=["next_at"], condition=models.Q(state="waiting"), name="alert_deliveries_due"),
        ]
        ordering = ["-id"]
