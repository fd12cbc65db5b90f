"""Pages of models: the list, one model with its versions, and the form that writes a definition."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from engine.errors import InvalidDocument
from engine.spec.architecture import ARCHITECTURES, kinds_of_retrieval
from engine.spec.definition import ModelDefinition
from webapp.accounts.console import REFUSALS, account_of, problems_of, project_page
from webapp.accounts.models import Project
from webapp.core.strict_json import BrokenJson, read_json
from webapp.registry import selectors, services
from webapp.registry.definition_form import document_from_form, empty_row, is_editable
from webapp.registry.definition_page import form_context
from webapp.registry.definition_words import definition_words
from webapp.registry.differences import differences
from webapp.registry.first_definition import (
    dense_sources,
    feature_sources,
    first_definition,
    label_events,
    slot_sources,
)
from webapp.registry.outlook import outlook_of
from webapp.registry.reading_order import in_reading_order
from webapp.training import selectors as training
from webapp.training.example_files import run_files

RUNS_SHOWN = 8
VERSIONS_SHOWN = 50


@require_GET
@project_page
def models(request: HttpRequest, project: Project) -> HttpResponse:
    rows = [(version.model, version) for version in selectors.newest_versions(project=project)]
    return render(request, "registry/models.html", {"project": project, "page": "models", "rows": rows})


@require_GET
@project_page
def model(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    shown_model = selectors.model_get(project=project, name=name)
    versions = list(selectors.model_versions(model=shown_model)[:VERSIONS_SHOWN])
    wanted = request.GET.get("version", "")
    shown = next((version for version in versions if str(version.version) == wanted), versions[0])
    before = next((version for version in versions if version.version < shown.version), None)
    document = in_reading_order(ModelDefinition, shown.document)
    words = definition_words(document)
    context = {
        "project": project,
        "page": "models",
        "model": shown_model,
        "versions": versions,
        "shown": shown,
        "is_retrieval": shown.document.get("architecture", {}).get("kind") in kinds_of_retrieval(),
        "document": document,
        "words": words,
        "slots": [(slot, words.get("slots", {}).get(slot["name"], "")) for slot in document["slots"]],
        "before": before,
        "differences": differences(in_reading_order(ModelDefinition, before.document), document) if before else [],
        "earlier": [version for version in versions if version.version < shown.version],
        "outlook": outlook_of(project=project, document=document),
        "files": run_files(),
        "runs": training.runs_of(project=project, model=shown_model)[:RUNS_SHOWN],
    }
    return render(request, "registry/model.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def model_new(request: HttpRequest, project: Project) -> HttpResponse:
    if request.method == "POST":
        return _write(request, project, request.POST.get("name", "").strip(), is_new=True)
    architecture = request.GET.get("architecture", "two_tower")
    document = first_definition(
        selectors.schema_document(project=project), architecture if architecture in ARCHITECTURES else "two_tower"
    )
    return _page(request, project, "", document, is_new=True)


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def model_edit(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    version = selectors.model_version(project=project, name=name)
    if request.method == "POST":
        return _write(request, project, name, is_new=False)
    document = in_reading_order(ModelDefinition, version.document)
    return _page(request, project, name, document, is_new=False)


@require_POST
@project_page
def model_preview(request: HttpRequest, project: Project) -> HttpResponse:
    """The document that the form's controls make now, and what is still wrong with it."""
    document = document_from_form(request.POST)
    context = {
        "document": document,
        "problems": _problems(project, document),
        "words": definition_words(document),
    }
    return render(request, "registry/model_preview.html", context)


def _write(request: HttpRequest, project: Project, name: str, *, is_new: bool) -> HttpResponse:
    """One POST of the form: add or remove a row, change between form and text, or publish."""
    action, _, argument = request.POST.get("action", "publish").partition(":")
    as_text = "document" in request.POST
    if as_text:
        document, complaint = _parsed(request.POST["document"])
        if complaint:
            return _text_page(request, project, name, request.POST["document"], [complaint], is_new=is_new)
    else:
        document = document_from_form(request.POST)
    if action == "publish":
        return _publish(request, project, name, document, is_new=is_new, as_text=as_text)
    if action == "as_text":
        return _text_page(request, project, name, _indented(document), [], is_new=is_new)
    if as_text:
        # the form knows no older spellings: a definition that is one is shown as the specification writes it
        document = in_reading_order(ModelDefinition, document)
    if not is_editable(document):
        shape = {
            "field": "(document)",
            "rule": "has parts the form has no place for; publish it as text",
            "received": "",
        }
        return _text_page(request, project, name, _indented(document), [shape], is_new=is_new)
    _change_rows(document, action, argument)
    return _page(request, project, name, document, is_new=is_new)


def _change_rows(document: dict[str, Any], action: str, argument: str) -> None:
    """`add:slots` appends an empty row with the next free number; `remove:slots.2` takes a row away."""
    part, _, index = argument.partition(".")
    rows = document.get(part)
    if not isinstance(rows, list):
        return
    if action == "add":
        numbers = [row["number"] for row in rows if isinstance(row.get("number"), int)]
        rows.append({"number": max(numbers, default=0) + 1} if part == "slots" else empty_row(part))
    elif action == "remove" and index.isdigit() and int(index) < len(rows):
        del rows[int(index)]


def _publish(
    request: HttpRequest, project: Project, name: str, document: Any, *, is_new: bool, as_text: bool
) -> HttpResponse:
    write = services.model_create if is_new else services.model_publish
    try:
        version = write(
            project=project,
            name=name,
            document=document,
            note=request.POST.get("note", ""),
            account=account_of(request),
        )
    except REFUSALS as error:
        problems = problems_of(error) or [{"field": "name", "rule": error.message, "received": ""}]
        if as_text:
            return _text_page(request, project, name, request.POST["document"], problems, is_new=is_new)
        return _page(request, project, name, document, problems, is_new=is_new)
    messages.success(request, f"{version} is written. Train it next.")
    return redirect("model", project.slug, version.model.name)


def _problems(project: Project, document: Any) -> list[dict[str, str]]:
    try:
        ModelDefinition.parse(document).check_against(selectors.schema_document(project=project))
    except InvalidDocument as error:
        return problems_of(error)
    return []


def _parsed(text: str) -> tuple[Any, dict[str, str] | None]:
    try:
        return read_json(text), None
    except BrokenJson as error:
        return None, {"field": "(document)", "rule": f"is not JSON: {error}", "received": ""}


def _indented(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


def _frame(
    request: HttpRequest, project: Project, name: str, problems: list[dict[str, str]], is_new: bool
) -> dict[str, Any]:
    return {
        "project": project,
        "page": "models",
        "name": name,
        "is_new": is_new,
        "note": request.POST.get("note", ""),
        "problems": problems,
    }


def _page(
    request: HttpRequest,
    project: Project,
    name: str,
    document: dict[str, Any],
    problems: list[dict[str, str]] | None = None,
    *,
    is_new: bool,
) -> HttpResponse:
    schema = selectors.schema_document(project=project)
    problems = problems or []
    context = _frame(request, project, name, problems, is_new) | form_context(
        document,
        problems,
        slot_sources=slot_sources(schema) + feature_sources(document),
        dense_sources=dense_sources(schema) + feature_sources(document),
        label_events=label_events(schema),
    )
    context["preview_problems"] = _problems(project, document)
    context["words"] = definition_words(document)
    return render(request, "registry/model_form.html", context, status=400 if problems else 200)


def _text_page(
    request: HttpRequest, project: Project, name: str, text: str, problems: list[dict[str, str]], *, is_new: bool
) -> HttpResponse:
    context = _frame(request, project, name, problems, is_new) | {"text": text}
    return render(request, "registry/model_text.html", context, status=400 if problems else 200)
