"""Who belongs to a project and as what: added, invited by a link, given another role, removed. An owner always stays."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from webapp.accounts.models import Account, Invitation, Membership, Project, Role
from webapp.accounts.selectors import secret_digest
from webapp.audit.services import audit_record
from webapp.core.errors import Conflict, Invalid, NotFound

MAX_INVITATIONS = 50
LONGEST_LIFE = timedelta(days=30)


def member_add(*, project: Project, username: str, role: str) -> Membership:
    """An account that exists becomes a member. Raises `Invalid`, `Conflict` for one that is."""
    _check_role(role)
    account = Account.objects.filter(username=username, is_active=True).first()
    if account is None:
        raise Invalid.field(
            "username", "must be the name of an account; invite people who have none", repr(username[:80])
        )
    with transaction.atomic():
        membership = _join(project, account, role)
        audit_record(project=project, action="member_add", target=f"member {username}", details={"role": role})
    return membership


def member_set_role(*, membership: Membership, role: str) -> Membership:
    """From the next request on. Raises `Invalid`, `Conflict` when the last owner would be none."""
    _check_role(role)
    with transaction.atomic():
        kept = _locked(membership)
        if kept.role == role:
            return kept
        if role != Role.OWNER:
            _check_another_owner(kept)
        before, kept.role = kept.role, role
        kept.save(update_fields=["role"])
        audit_record(
            project=kept.project,
            action="member_set_role",
            target=f"member {kept.account.get_username()}",
            details={"before": before, "after": role},
        )
    return kept


def member_remove(*, membership: Membership) -> None:
    """The account sees nothing of the project from the next request on. Raises `Conflict` for the last owner."""
    with transaction.atomic():
        kept = _locked(membership)
        _check_another_owner(kept)
        audit_record(
            project=kept.project,
            action="member_remove",
            target=f"member {kept.account.get_username()}",
            details={"role": kept.role},
        )
        kept.delete()


def invitation_create(
    *, project: Project, role: str, account: Account, lasts: timedelta, now: datetime, note: str = ""
) -> tuple[Invitation, str]:
    """An invitation and its token, which is kept nowhere and shown this once. Raises `Invalid`, `Conflict`."""
    _check_role(role)
    if not timedelta(0) < lasts <= LONGEST_LIFE:
        raise Invalid.field("days", f"must be 1 to {LONGEST_LIFE.days}", str(lasts))
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        Invitation.objects.filter(project=project, accepted_at=None, expires_at__lte=now).delete()
        if Invitation.objects.filter(project=project, accepted_at=None).count() >= MAX_INVITATIONS:
            raise Conflict(f"There are {MAX_INVITATIONS} open invitations; withdraw one first.")
        invitation = Invitation.objects.create(
            project=project,
            role=role,
            note=note[:120],
            token_sha256=secret_digest(token),
            created_by=account.get_username(),
            expires_at=now + lasts,
        )
        audit_record(
            project=project,
            action="invitation_create",
            target=f"invitation {note or invitation.pk}",
            details={"role": role, "expires_at": invitation.expires_at},
        )
    return invitation, token


def invitation_withdraw(*, invitation: Invitation) -> None:
    """Its link leads nowhere from now on."""
    with transaction.atomic():
        audit_record(
            project=invitation.project,
            action="invitation_withdraw",
            target=f"invitation {invitation.note or invitation.pk}",
        )
        invitation.delete()


def invitation_accept(*, token: str, account: Account, now: datetime) -> Membership:
    """The account becomes a member; the link is used up. Raises `NotFound` for one that does not hold, `Conflict` for a member."""
    with transaction.atomic():
        found = Invitation.objects.select_for_update(of=("self",)).select_related("project")
        invitation = found.filter(token_sha256=secret_digest(token), accepted_at=None, expires_at__gt=now).first()
        if invitation is None:
            raise NotFound("This invitation was used, withdrawn, or is too old. Ask for a new one.")
        membership = _join(invitation.project, account, invitation.role)
        invitation.accepted_at = now
        invitation.save(update_fields=["accepted_at"])
        audit_record(
            project=invitation.project,
            action="invitation_accept",
            target=f"member {account.get_username()}",
            details={"role": invitation.role, "invited_by": invitation.created_by},
        )
    return membership


def _join(project: Project, account: Account, role: str) -> Membership:
    try:
        with transaction.atomic():
            return Membership.objects.create(project=project, account=account, role=role)
    except IntegrityError as error:
        raise Conflict(f"{account.get_username()} is a member already.") from error


def _locked(membership: Membership) -> Membership:
    """With the project's row held: two owners must not remove each other at the same moment."""
    Project.objects.select_for_update().get(pk=membership.project_id)
    found = Membership.objects.select_related("project", "account").filter(pk=membership.pk).first()
    if found is None:
        raise NotFound("This account is no member any more.")
    return found


def _check_another_owner(membership: Membership) -> None:
    if membership.role != Role.OWNER:
        return
    others = Membership.objects.filter(project=membership.project, role=Role.OWNER).exclude(pk=membership.pk)
    if not others.exists():
        raise Conflict("This is the project's last owner. Make somebody else an owner first.")


def _check_role(role: str) -> None:
    if role not in Role.values:
        raise Invalid.field("role", f"must be one of {', '.join(Role.values)}", repr(role[:80]))
