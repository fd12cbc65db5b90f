"""Who holds a lease, and whether the servers that Freshet needs answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import redis
from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import Exists, OuterRef, TextField, Value
from django.db.models.functions import Cast, Concat, Now

from engine.errors import LogError, UnknownTopic
from webapp.core.log import event_log
from webapp.core.models import Lease
from webapp.core.redis_connection import redis_connection


def lease_holder(*, name: str) -> Lease | None:
    """The lease, when somebody holds it now by PostgreSQL's clock."""
    return Lease.objects.filter(name=name, expires_at__gt=Now()).first()


def is_held(prefix: str, field: str = "id") -> Exists:
    """For a query's rows: whether somebody holds the lease `<prefix><field>` now."""
    name = Concat(Value(prefix), Cast(OuterRef(field), TextField()), output_field=TextField())
    return Exists(Lease.objects.filter(name=name, expires_at__gt=Now()))


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: `problem` is empty when it answers."""

    name: str
    problem: str = ""

    @property
    def is_ok(self) -> bool:
        return not self.problem


def server_checks() -> list[Check]:
    """PostgreSQL, Redis and the event log, each asked once."""
    return [_check("database", _ask_database), _check("redis", _ask_redis), _check("log", _ask_log)]


def _check(name: str, ask: Callable[[], None]) -> Check:
    try:
        ask()
    except (DatabaseError, redis.RedisError, LogError, OSError) as error:
        return Check(name, f"does not answer ({type(error).__name__})")
    return Check(name)


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_redis() -> None:
    redis_connection().ping()


def _ask_log() -> None:
    try:
        event_log().partitions("health")
    except UnknownTopic:
        return  # an answer: the log looked and has no such topic
