"""Accounts, projects and API keys come to be and go."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from webapp.accounts.models import Account, ApiKey, Membership, Project, Scope
from webapp.accounts.selectors import KEY_MARK, api_keys_forget, secret_digest
from webapp.audit.services import audit_record
from webapp.core.errors import Conflict, Invalid
from webapp.core.log import ensure_topics
from webapp.registry.services import schema_publish

logger = logging.getLogger(__name__)

USE_NOTED_EVERY = timedelta(minutes=1)

DEFAULT_SCHEMA: dict[str, object] = {
    "users": {},
    "items": {"title": {"type": "string"}, "category": {"type": "string"}},
    "events": {
        "impression": {"role": "impression"},
        "click": {"role": "action"},
        "purchase": {"role": "action"},
    },
}
"""What a new project starts with, so that its first event is accepted; a team publishes its own as version 2."""


def account_create(*, username: str, password: str, email: str = "") -> Account:
    """A person who may sign in. Raises `Conflict` for a name that is taken, `Invalid` for a weak password."""
    account = Account(username=username, email=email)
    try:
        account.clean_fields(exclude=["password"])
        validate_password(password, account)
    except ValidationError as error:
        raise _invalid(error) from error
    account.set_password(password)
    try:
        with transaction.atomic():
            account.save()
    except IntegrityError as error:
        raise Conflict(f"There is already an account {username!r}.") from error
    return account


def project_create(*, slug: str, name: str, account: Account | None = None, is_generated: bool = False) -> Project:
    """A tenant with its topics and a first schema; `account` becomes its member. Raises `Conflict`, `Invalid`."""
    project = Project(slug=slug, name=name or slug, is_generated=is_generated)
    try:
        project.clean_fields()
    except ValidationError as error:
        raise _invalid(error) from error
    with transaction.atomic():
        try:
            with transaction.atomic():
                project.save()
        except IntegrityError as error:
            raise Conflict(f"There is already a project {slug!r}.") from error
        if account is not None:
            Membership.objects.create(account=account, project=project)
        audit_record(project=project, action="project_create", target=f"project {slug}")
        schema_publish(project=project, document=DEFAULT_SCHEMA, note="what a new project starts with", account=account)
        ensure_topics(slug)
    return project


def api_key_create(*, project: Project, name: str, scopes: Sequence[str]) -> tuple[ApiKey, str]:
    """A key and its secret, which is kept nowhere and shown this once. Raises `Invalid`."""
    unknown = [scope for scope in scopes if scope not in Scope.values]
    if unknown or not scopes:
        rule = f"must be one or more of {', '.join(Scope.values)}"
        raise Invalid.field("scopes", rule, repr(list(scopes)))
    if not 0 < len(name) <= 120:
        raise Invalid.field("name", "must have 1 to 120 characters", repr(name[:80]))
    prefix = secrets.token_hex(5)
    secret = f"{KEY_MARK}_{prefix}_{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        key = ApiKey.objects.create(
            project=project, name=name, prefix=prefix, secret_sha256=secret_digest(secret), scopes=sorted(set(scopes))
        )
        audit_record(
            project=project,
            action="api_key_create",
            target=f"API key {name}",
            details={"prefix": prefix, "scopes": key.scopes},
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


def _invalid(error: ValidationError) -> Invalid:
    if hasattr(error, "error_dict"):
        problems = [
            {"field": field, "rule": text, "received": ""}
            for field, texts in error.message_dict.items()
            for text in texts
        ]
    else:
        problems = [{"field": "password", "rule": text, "received": ""} for text in error.messages]
    return Invalid("; ".join(f"{one['field']}: {one['rule']}" for one in problems), problems=problems)
