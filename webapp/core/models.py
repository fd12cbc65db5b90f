"""Leases: who may do a piece of long work now."""

from __future__ import annotations

from django.db import models


class Lease(models.Model):
    """At most one holder until `expires_at` (the database's clock). `token` grows with every change of holder: the fence."""

    name = models.CharField(max_length=200, unique=True)
    holder = models.CharField(max_length=200)
    token = models.BigIntegerField(default=0)
    acquired_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} ({self.holder})"
