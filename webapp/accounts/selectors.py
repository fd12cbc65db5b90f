"""Projects an account may see, and whose key a secret is."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime

from django.db.models import F, QuerySet
from django.utils import timezone

from webapp.accounts.models import Account, ApiKey, Invitation, Membership, Project
from webapp.core.errors import NotFound
from webapp.core.remembered import OUTAGE_S, Remembered

KEY_MARK = "fk"
KEYS_KEPT_S = 2.0

RIGHT_KEYS_KEPT_S = 3600.0

# Of right secrets only, so that a flood of wrong ones pushes nothing out.
_keys: Remembered[str, ApiKey] = Remembered(KEYS_KEPT_S, stale_s=OUTAGE_S, max_entries=4096)
_were_right: Remembered[str, bool] = Remembered(RIGHT_KEYS_KEPT_S, max_entries=4096)


def projects_of(*, account: Account) -> QuerySet[Project]:
    return Project.objects.filter(memberships__account=account).order_by("slug")


def project_for(*, account: Account, slug: str) -> Project:
    """The account's project of this name. Raises `NotFound` also for a project that is not theirs."""
    project = projects_of(account=account).filter(slug=slug).first()
    if project is None:
        raise NotFound(f"There is no project {slug!r}.")
    return project


def membership_for(*, account: Account, slug: str) -> Membership:
    """The account's membership of the project of this name, with the project. Raises `NotFound` as `project_for`."""
    found = Membership.objects.filter(account=account, project__slug=slug).select_related("project").first()
    if found is None:
        raise NotFound(f"There is no project {slug!r}.")
    return found


def memberships_of(*, project: Project) -> QuerySet[Membership]:
    """By name of the account."""
    return Membership.objects.filter(project=project).select_related("account").order_by("account__username")


def membership_get(*, project: Project, membership_id: int) -> Membership:
    """Raises `NotFound`."""
    found = memberships_of(project=project).filter(pk=membership_id).first()
    if found is None:
        raise NotFound(f"There is no member {membership_id}.")
    return found


def invitations_of(*, project: Project) -> QuerySet[Invitation]:
    """Those that nobody has accepted yet, newest first."""
    return Invitation.objects.filter(project=project, accepted_at=None)


def invitation_get(*, project: Project, invitation_id: int) -> Invitation:
    """Raises `NotFound`."""
    found = invitations_of(project=project).select_related("project").filter(pk=invitation_id).first()
    if found is None:
        raise NotFound(f"There is no invitation {invitation_id}.")
    return found


def invitation_for(*, token: str, now: datetime) -> Invitation:
    """The open invitation of this token. Raises `NotFound`."""
    open_ones = Invitation.objects.filter(accepted_at=None, expires_at__gt=now).select_related("project")
    found = open_ones.filter(token_sha256=secret_digest(token)).first() if len(token) <= 100 else None
    if found is None:
        raise NotFound("This invitation was used, withdrawn, or is too old. Ask for a new one.")
    return found


def api_keys_of(*, project: Project) -> QuerySet[ApiKey]:
    """Keys in use, newest first, then the revoked ones."""
    return ApiKey.objects.filter(project=project).order_by(F("revoked_at").desc(nulls_first=True), "-created_at")


def api_key_get(*, project: Project, key_id: int) -> ApiKey:
    """Raises `NotFound`."""
    key = api_keys_of(project=project).filter(pk=key_id).first()
    if key is None:
        raise NotFound(f"There is no key {key_id}.")
    return key


def api_key_authenticate(*, secret: str) -> ApiKey | None:
    """The key whose secret this is, with its project, or None. A revocation elsewhere is seen within `KEYS_KEPT_S`."""
    mark, _, rest = secret.partition("_")
    prefix, _, hidden = rest.partition("_")
    if mark != KEY_MARK or not prefix or not hidden or len(secret) > 200 or not secret.isascii():
        return None
    digest = secret_digest(secret)
    # Remembered by the digest: a wrong secret never meets a right one's answer, and memory holds no secrets.
    try:
        key = _keys.get(digest, lambda: _look_up(prefix, digest))
    except _UnknownKeyError:
        return None
    if not key.works_at(timezone.now()):
        return None
    _were_right.get(digest, lambda: True)
    return key


def api_key_was_right(*, secret: str) -> bool:
    """Whether this process knew the secret for a key's within the last `RIGHT_KEYS_KEPT_S`; it may have been revoked since."""
    try:
        return _were_right.get(secret_digest(secret), _raise_unknown)
    except _UnknownKeyError:
        return False


def api_keys_forget() -> None:
    """Ask PostgreSQL again at the next request."""
    _keys.forget()


def secret_digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def _look_up(prefix: str, digest: str) -> ApiKey:
    key = ApiKey.objects.select_related("project").filter(prefix=prefix, revoked_at__isnull=True).first()
    if key is None or not hmac.compare_digest(key.secret_sha256, digest):
        raise _UnknownKeyError
    return key


def _raise_unknown() -> bool:
    raise _UnknownKeyError


class _UnknownKeyError(Exception):
    """Raised so that it is not remembered."""
