"""Accounts and projects come to be; what keys and members do has files of its own."""

from __future__ import annotations

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from webapp.accounts.key_services import api_key_create, api_key_revoke, api_key_use_is_due, api_key_used
from webapp.accounts.models import Account, Membership, Project, Role
from webapp.audit.services import audit_record
from webapp.core.errors import Conflict, Invalid
from webapp.core.log import ensure_topics
from webapp.registry.services import schema_publish

__all__ = [
    "DEFAULT_SCHEMA",
    "account_create",
    "api_key_create",
    "api_key_revoke",
    "api_key_use_is_due",
    "api_key_used",
    "project_create",
]

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
    """A tenant with its topics and a first schema; `account` becomes its owner. Raises `Conflict`, `Invalid`."""
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
            Membership.objects.create(account=account, project=project, role=Role.OWNER)
        audit_record(project=project, action="project_create", target=f"project {slug}")
        schema_publish(project=project, document=DEFAULT_SCHEMA, note="what a new project starts with", account=account)
        ensure_topics(slug)
    return project


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
