"""The live preview beside a deployment's document: asked by htmx while somebody edits, or by a button."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from engine.spec.strict_json import BrokenJson, read_json
from engine.spec.values import BrokenRule, check_id
from webapp.accounts.console import only_reads, project_page
from webapp.accounts.models import Project
from webapp.core.clock import wall_ms
from webapp.serving import selectors
from webapp.serving.document_form import document_from_form
from webapp.serving.models import Deployment
from webapp.serving.preview import MAX_SESSION, MAX_SHOWN, Preview, Whom, preview_of
from webapp.serving.try_page import suggested_users

PARTS = ("filter", "boosts", "promotions")


@require_POST
@project_page
@only_reads
def deployment_preview(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    """A POST, since a document is too long for an address; whoever may look at the deployment may ask."""
    shown = selectors.deployment_get(project=project, name=name)
    return render(request, "serving/preview_parts.html", preview_context(shown, request.POST))


def preview_context(shown: Deployment, posted: Mapping[str, Any]) -> dict[str, Any]:
    """The draft that the posted form or JSON describes, tried on whom it names."""
    document, problems = _draft(posted)
    whom = whom_of(posted)
    if problems or document is None:
        preview = Preview(whom, problems, ())
    else:
        preview = preview_of(deployment=shown, document=document, whom=whom, now_ms=wall_ms())
    reports = {part: [one for one in preview.reports if one.part == part] for part in PARTS}
    return {"project": shown.project, "deployment": shown, "preview": preview, "reports": reports, "whom": whom}


def whom_context(project: Project, posted: Mapping[str, Any]) -> dict[str, Any]:
    """The controls that say whom it is tried on; somebody seen lately is proposed."""
    users = list(suggested_users(project=project))
    whom = whom_of(posted) if "preview_user" in posted else Whom(users[0] if users else "")
    return {"whom": whom, "users": users}


def whom_of(posted: Mapping[str, Any]) -> Whom:
    """An id that is none is nobody's."""
    session = [one.strip() for one in str(posted.get("preview_session", "")).split(",")]
    k = str(posted.get("preview_k", ""))
    return Whom(
        _id(str(posted.get("preview_user", "")).strip()),
        tuple(one for one in session if _id(one))[:MAX_SESSION],
        min(MAX_SHOWN, max(1, int(k))) if k.isdecimal() and len(k) < 6 else 10,
    )


def _id(text: str) -> str:
    try:
        return check_id(text) if text else ""
    except BrokenRule:
        return ""


def _draft(posted: Mapping[str, Any]) -> tuple[dict[str, Any] | None, list[dict[str, str]]]:
    if "document" not in posted:
        return document_from_form(posted)
    try:
        document = read_json(str(posted["document"]))
    except BrokenJson as error:
        return None, [{"field": "(document)", "rule": f"is not JSON: {error}", "received": ""}]
    if not isinstance(document, dict):
        return None, [{"field": "(document)", "rule": "must be an object", "received": ""}]
    return document, []
