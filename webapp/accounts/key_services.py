"""API keys come to be, are followed by others, and go."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from webapp.accounts.models import ApiKey, Project, Scope
from webapp.accounts.selectors import KEY_MARK, api_keys_forget, secret_digest
from webapp.audit.acting import acting
from webapp.audit.services import audit_record
from webapp.core.errors import Conflict, Invalid

logger = logging.getLogger(__name__)

USE_NOTED_EVERY = timedelta(minutes=1)
LONGEST_LIFE = timedelta(days=3660)
TEMPORARY_LIFE = timedelta(hours=1)
TEMPORARY_KEPT = timedelta(days=7)
MAX_TEMPORARY = 50


def api_key_create(
    *, project: Project, name: str, scopes: Sequence[str], expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """A key and its secret, which is kept nowhere and shown this once. Raises `Invalid`."""
    unknown = [scope for scope in scopes if scope not in Scope.values]
    if unknown or not scopes:
        rule = f"must be one or more of {', '.join(Scope.values)}"
        raise Invalid.field("scopes", rule, repr(list(scopes)))
    if not 0 < len(name) <= 120:
        raise Invalid.field("name", "must have 1 to 120 characters", repr(name[:80]))
    now = timezone.now()
    if expires_at is not None and not now < expires_at <= now + LONGEST_LIFE:
        raise Invalid.field("expires_at", "must be in the future, at most ten years from now", expires_at.isoformat())
    with transaction.atomic():
        key, secret = _make(project, name, scopes, expires_at)
        audit_record(
            project=project,
            action="api_key_create",
            target=f"API key {name}",
            details={"prefix": key.prefix, "scopes": key.scopes, "expires_at": expires_at},
        )
    return key, secret


def api_key_rotate(*, api_key: ApiKey, grace: timedelta) -> tuple[ApiKey, str]:
    """A key with the same name, scopes and end, and its secret; the old one works for `grace` longer, so that its users can change over.

    Raises `Conflict` for a key that does not work any more.
    """
    now = timezone.now()
    with transaction.atomic():
        old = ApiKey.objects.select_for_update(of=("self",)).select_related("project").get(pk=api_key.pk)
        if not old.works_at(now):
            raise Conflict("This key does not work any more: make a new one.")
        key, secret = _make(old.project, old.name, old.scopes, old.expires_at)
        ends_at = now + grace
        old.expires_at = min(old.expires_at, ends_at) if old.expires_at else ends_at
        old.save(update_fields=["expires_at"])
        audit_record(
            project=old.project,
            action="api_key_rotate",
            target=f"API key {old.name}",
            details={"old_prefix": old.prefix, "prefix": key.prefix, "old_works_until": old.expires_at},
        )
    api_keys_forget()
    return key, secret


def api_key_mint(*, project: Project, name: str, scopes: Sequence[str]) -> tuple[ApiKey, str]:
    """A key for trying calls, which ends by itself after `TEMPORARY_LIFE`. Raises `Invalid`, `Conflict` when there are too many."""
    now = timezone.now()
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        living = ApiKey.objects.filter(project=project, is_temporary=True, revoked_at=None, expires_at__gt=now)
        if living.count() >= MAX_TEMPORARY:
            raise Conflict(f"There are {MAX_TEMPORARY} keys for trying calls; the oldest ends within the hour.")
        key, secret = _make(project, name[:120], scopes, now + TEMPORARY_LIFE, is_temporary=True)
        audit_record(
            project=project, action="api_key_mint", target=f"API key {key.name}", details={"prefix": key.prefix}
        )
    return key, secret


def api_key_revoke(*, api_key: ApiKey) -> None:
    """The key stops working: here at once, in other processes within `KEYS_KEPT_S`."""
    with transaction.atomic():
        if ApiKey.objects.filter(pk=api_key.pk, revoked_at__isnull=True).update(revoked_at=Now()):
            audit_record(
                project=api_key.project,
                action="api_key_revoke",
                target=f"API key {api_key.name}",
                details={"prefix": api_key.prefix},
            )
    api_keys_forget()


def api_keys_prune(*, now: datetime) -> int:
    """Forget keys for trying calls that ended `TEMPORARY_KEPT` ago; answers how many."""
    return ApiKey.objects.filter(is_temporary=True, expires_at__lt=now - TEMPORARY_KEPT).delete()[0]


def api_key_used(*, api_key: ApiKey) -> None:
    """Note the time of use, at most once a minute, so that a busy key does not write with every request."""
    now = timezone.now()
    if not api_key_use_is_due(api_key=api_key, now=now):
        return
    api_key.last_used_at = now
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - USE_NOTED_EVERY)
    try:
        ApiKey.objects.filter(stale, pk=api_key.pk).update(last_used_at=now)
    except (OperationalError, InterfaceError) as error:  # a request that needs no database goes on
        logger.warning("the use of a key was not noted: %s", error)


def api_key_use_is_due(*, api_key: ApiKey, now: datetime) -> bool:
    """Whether `api_key_used` would write."""
    return api_key.last_used_at is None or api_key.last_used_at <= now - USE_NOTED_EVERY


def _make(
    project: Project, name: str, scopes: Sequence[str], expires_at: datetime | None, *, is_temporary: bool = False
) -> tuple[ApiKey, str]:
    prefix = secrets.token_hex(5)
    secret = f"{KEY_MARK}_{prefix}_{secrets.token_urlsafe(32)}"
    key = ApiKey.objects.create(
        project=project,
        name=name,
        prefix=prefix,
        secret_sha256=secret_digest(secret),
        scopes=sorted(set(scopes)),
        expires_at=expires_at,
        created_by=acting().name[:200],
        is_temporary=is_temporary,
    )
    return key, secret
