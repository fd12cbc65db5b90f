"""The editor of a deployment's document: a form of its main parts, or its JSON; what is wrong stands at its field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from engine.spec.deployment import DeploymentDocument
from engine.spec.strict_json import BrokenJson, read_json
from webapp.accounts.console import REFUSALS, account_of, only_reads, problems_of, project_page, require_role
from webapp.accounts.models import Project, Role
from webapp.registry.selectors import schema_document
from webapp.serving import selectors, services
from webapp.serving.document_form import change_rows, document_from_form, form_context, indented, is_editable
from webapp.serving.expression_reports import readable_names
from webapp.serving.models import Deployment
from webapp.serving.preview_views import preview_context, whom_context

Problems = Sequence[dict[str, str]]


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
@only_reads
def deployment_document(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    """Every role drafts and previews here; `_save`, which alone writes, asks for one that may."""
    shown = selectors.deployment_get(project=project, name=name)
    if request.method != "POST":
        return _form_page(request, shown, shown.document or DeploymentDocument().as_json())
    if "document" in request.POST:
        return _from_text(request, shown, request.POST["document"])
    return _from_form(request, shown)


def _from_form(request: HttpRequest, shown: Deployment) -> HttpResponse:
    """Saved; or shown again with a row more or less, as JSON, or with its preview."""
    document, problems = document_from_form(request.POST)
    action, _, argument = request.POST.get("action", "save").partition(":")
    if action == "preview":
        return _form_page(request, shown, document, preview=preview_context(shown, request.POST))
    if problems:
        return _form_page(request, shown, document, problems)
    if action == "save":
        return _save(request, shown, document, as_text=False)
    if action == "as_text":
        return _text_page(request, shown, indented(document))
    change_rows(document, action, argument)
    return _form_page(request, shown, document)


def _from_text(request: HttpRequest, shown: Deployment, text: str) -> HttpResponse:
    """Saved; or shown as the form, when the form has a place for all that it says."""
    try:
        document = read_json(text)
    except BrokenJson as error:
        return _text_page(
            request, shown, text, [{"field": "(document)", "rule": f"is not JSON: {error}", "received": ""}]
        )
    if request.POST.get("action") == "as_form" and is_editable(document):
        return _form_page(request, shown, DeploymentDocument.parse(document).as_json())
    if request.POST.get("action") == "preview":
        return _text_page(request, shown, text, preview=preview_context(shown, request.POST))
    return _save(request, shown, document, as_text=True)


def _save(request: HttpRequest, shown: Deployment, document: Any, *, as_text: bool) -> HttpResponse:
    """Raises `Forbidden` for a viewer."""
    require_role(request, Role.EDITOR)
    try:
        changed = services.deployment_put(
            project=shown.project,
            name=shown.name,
            retrieval=shown.retrieval,
            ranking=shown.ranking,
            document=document,
            by=account_of(request).get_username(),
            note=request.POST.get("note", "")[:500].replace("\x00", ""),
        )
    except REFUSALS as error:
        found = problems_of(error) or [{"field": "(document)", "rule": error.message, "received": ""}]
        problems = [{**one, "field": one["field"].removeprefix("document.")} for one in found]
        if as_text:
            return _text_page(request, shown, request.POST["document"], problems)
        return _form_page(request, shown, document, problems)
    messages.success(request, f"{shown.name} is at revision {changed.revision}; replicas follow within seconds.")
    return redirect("deployment", shown.project.slug, shown.name)


def _form_page(
    request: HttpRequest,
    shown: Deployment,
    document: dict[str, Any],
    problems: Problems = (),
    preview: Mapping[str, Any] | None = None,
) -> HttpResponse:
    schema = schema_document(project=shown.project)
    context = {
        **_frame(request, shown, problems, preview),
        **form_context(document, problems, properties=sorted(schema.items), data=request.POST),
        "readable": readable_names(schema),
    }
    return render(request, "serving/document_form.html", context, status=400 if problems else 200)


def _text_page(
    request: HttpRequest,
    shown: Deployment,
    text: str,
    problems: Problems = (),
    preview: Mapping[str, Any] | None = None,
) -> HttpResponse:
    context = _frame(request, shown, problems, preview) | {"text": text}
    return render(request, "serving/document_text.html", context, status=400 if problems else 200)


def _frame(
    request: HttpRequest, shown: Deployment, problems: Problems, preview: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        **whom_context(shown.project, request.POST),
        **(preview or {}),
        "project": shown.project,
        "page": "deployments",
        "deployment": shown,
        "note": request.POST.get("note", ""),
        "problems": list(problems),
    }
