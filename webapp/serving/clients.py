"""This process's channels to replicas."""

from __future__ import annotations

from functools import cache

from django.conf import settings

from engine.serving.client import ReplicaClient


@cache
def replica_client(address: str) -> ReplicaClient:
    """One channel for each address; it connects at first use and again when the replica comes back."""
    return ReplicaClient(address, timeout_s=settings.REPLICA_TIMEOUT_S)
