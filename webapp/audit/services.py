"""The one way into the audit log. Nothing changes or deletes an entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from webapp.accounts.models import Project
from webapp.audit.acting import acting
from webapp.audit.models import MAX_ACTOR, MAX_TARGET, AuditEntry

MAX_DETAILS_BYTES = 16 * 2**10


def audit_record(*, project: Project, action: str, target: str, details: Mapping[str, Any] | None = None) -> None:
    """Note that whoever acts now did `action` (`<entity>_<verb>`, as the service is called) to `target`, such as `deployment main`.

    Called inside the service, in its transaction: what is rolled back was not done. `details` is what JSON can say of what
    changed, never a secret; more than `MAX_DETAILS_BYTES` of it are left out, and the entry says so.
    """
    actor = acting()
    AuditEntry.objects.create(
        project=project,
        actor_kind=actor.kind.value,
        actor_name=actor.name[:MAX_ACTOR],
        action=action,
        target=target[:MAX_TARGET].replace("\x00", "�"),
        details=_kept(details or {}),
        address=actor.address[:64],
    )


def _kept(details: Mapping[str, Any]) -> dict[str, Any]:
    packed = orjson.dumps(dict(details), default=str, option=orjson.OPT_NON_STR_KEYS).replace(b"\\u0000", b"\\ufffd")
    if len(packed) > MAX_DETAILS_BYTES:
        return {"left_out": f"{len(packed)} bytes of details, more than {MAX_DETAILS_BYTES}"}
    kept: dict[str, Any] = orjson.loads(packed)
    return kept
