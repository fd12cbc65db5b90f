"""The audit log: entries of what was done in a project. PostgreSQL itself refuses to change or delete one (see the migration)."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from webapp.accounts.models import Project
from webapp.audit.acting import ActorKind

MAX_TARGET = 300
MAX_ACTOR = 200


class AuditEntry(models.Model):
    """One act. Names are copied, not referred to: an entry outlives the account, the key and the project that it speaks of."""

    project = models.ForeignKey(
        Project, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    at = models.DateTimeField(default=timezone.now)
    actor_kind = models.CharField(max_length=8, choices=[(kind.value, kind.value) for kind in ActorKind])
    actor_name = models.CharField(max_length=MAX_ACTOR)
    action = models.CharField(max_length=64, help_text="<entity>_<verb>, as the service is called")
    target = models.CharField(max_length=MAX_TARGET, help_text="what it was done to: its kind and its name")
    details = models.JSONField(default=dict)
    address = models.CharField(max_length=64, blank=True, help_text="where the request came from")

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["project", "-at", "-id"], name="audit_by_time"),
            models.Index(fields=["project", "actor_name", "-at", "-id"], name="audit_by_actor"),
            models.Index(fields=["project", "action", "-at", "-id"], name="audit_by_action"),
            models.Index(
                fields=["project", "target", "-at"],
                name="audit_by_target",
                opclasses=["int8_ops", "varchar_pattern_ops", "timestamptz_ops"],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name} {self.action} {self.target}"
