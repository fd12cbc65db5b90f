"""Changing a schema: as a form or as JSON, with what is wrong with it, what differs and what that means beside either."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from engine.errors import InvalidDocument
from engine.spec.schema import EventRole, PropertyType, Schema
from webapp.accounts.console import REFUSALS, account_of, problems_of, project_page
from webapp.accounts.models import Project
from webapp.catalog.imports.page import proposed_schema
from webapp.catalog.imports.proposing import Addition
from webapp.catalog.imports.selectors import import_get
from webapp.catalog.models import Import
from webapp.core.strict_json import BrokenJson, read_json
from webapp.registry import selectors, services
from webapp.registry.differences import differences
from webapp.registry.models import SchemaVersion
from webapp.registry.reading_order import in_reading_order
from webapp.registry.schema_meaning import meaning
from webapp.registry.schema_page import form_context
from webapp.registry.schema_rows import NamedRow, SchemaRows, fits_form, rows_from_form, rows_of
from webapp.registry.schema_uses import models_in_use


@dataclass(slots=True)
class Posted:
    """What was posted: `rows` of the form, or `text`; the document of either, None for text that is no JSON."""

    document: Any
    rows: SchemaRows | None = None
    text: str | None = None
    problems: list[dict[str, str]] = field(default_factory=list)


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def schema_edit(request: HttpRequest, project: Project) -> HttpResponse:
    """With `import=<id>` it starts from what that file needs, and goes back to the import when it is published."""
    current = selectors.schema_current(project=project)
    if request.method != "POST":
        return _begun(request, project, current)
    posted = _posted(request)
    action = request.POST.get("action", "publish")
    if action == "publish":
        return _publish(request, project, current, posted)
    if posted.document is None:
        return _text_page(request, project, current, posted.text or "", posted.problems)
    if action == "as_text":
        return _text_page(request, project, current, _indented(posted.document), [])
    return _changed(request, project, current, posted)


def _begun(request: HttpRequest, project: Project, current: SchemaVersion) -> HttpResponse:
    document = in_reading_order(Schema, current.document)
    additions: list[Addition] = []
    source = _import_of(request, project)
    if source is not None:
        document, additions = proposed_schema(source, Schema.parse(current.document, "schema"))
        document = in_reading_order(Schema, document)
    if not fits_form(document):
        return _text_page(request, project, current, _indented(document), [])
    return _form_page(request, project, current, rows_of(document), [], additions=additions)


def _changed(request: HttpRequest, project: Project, current: SchemaVersion, posted: Posted) -> HttpResponse:
    """A row added or taken away, or the text as a form."""
    rows = posted.rows
    if rows is None:
        if not fits_form(posted.document):
            rule = "has parts the form has no place for; publish it as text"
            shape = {"field": "(document)", "rule": rule, "received": ""}
            return _text_page(request, project, current, posted.text or "", [shape])
        rows = rows_of(in_reading_order(Schema, posted.document))
    action, _, argument = request.POST.get("action", "").partition(":")
    _change_rows(rows, action, argument)
    return _form_page(request, project, current, rows, [])


@require_POST
@project_page
def schema_preview(request: HttpRequest, project: Project) -> HttpResponse:
    """The document as it stands, what is wrong with it, what differs from the one in force, and what that means."""
    current = selectors.schema_current(project=project)
    return render(request, "registry/schema_preview.html", _preview(project, current, _posted(request)))


def _publish(request: HttpRequest, project: Project, current: SchemaVersion, posted: Posted) -> HttpResponse:
    problems = posted.problems
    if not problems:
        try:
            published = services.schema_publish(
                project=project,
                document=posted.document,
                note=request.POST.get("note", ""),
                account=account_of(request),
            )
        except REFUSALS as error:
            problems = problems_of(error) or [{"field": "(document)", "rule": error.message, "received": ""}]
        else:
            return _published(request, project, current, published)
    if posted.rows is not None:
        return _form_page(request, project, current, posted.rows, problems)
    return _text_page(request, project, current, posted.text or "", problems)


def _published(
    request: HttpRequest, project: Project, current: SchemaVersion, published: SchemaVersion
) -> HttpResponse:
    if published.version == current.version:
        messages.info(request, f"Nothing differs from version {current.version}, so it stays.")
    else:
        messages.success(request, f"Version {published.version} is in force.")
    source = _import_of(request, project)
    return redirect("import", project.slug, source.pk) if source is not None else redirect("schema", project.slug)


def _posted(request: HttpRequest) -> Posted:
    if "document" in request.POST:
        text = request.POST["document"]
        try:
            return Posted(read_json(text), text=text)
        except BrokenJson as error:
            complaint = {"field": "(document)", "rule": f"is not JSON: {error}", "received": ""}
            return Posted(None, text=text, problems=[complaint])
    rows = rows_from_form(request.POST)
    document, problems = rows.document()
    return Posted(document, rows=rows, problems=problems)


def _import_of(request: HttpRequest, project: Project) -> Import | None:
    """The import that the page was come to from. Raises `NotFound` for another project's."""
    given = request.GET.get("import", "")
    return import_get(project=project, import_id=int(given)) if given.isdecimal() and len(given) < 19 else None


def _change_rows(rows: SchemaRows, action: str, argument: str) -> None:
    """`add:users` appends an empty row, `remove:users.2` takes one away; `events.1.properties` is a part too."""
    if action == "add":
        part = rows.part(argument)
        if part is not None:
            part.append(NamedRow(""))
    elif action == "remove":
        path, _, index = argument.rpartition(".")
        part = rows.part(path)
        if part is not None and index.isdigit() and int(index) < len(part):
            del part[int(index)]


def _preview(project: Project, current: SchemaVersion, posted: Posted) -> dict[str, Any]:
    before = in_reading_order(Schema, current.document)
    problems = list(posted.problems)
    made: Schema | None = None
    if not problems:
        try:
            made = Schema.parse(posted.document, "schema")
        except InvalidDocument as error:
            problems = problems_of(error)
    return {
        "project": project,
        "current": current,
        "preview_problems": problems,
        "document": made.as_json() if made else posted.document,
        "is_text": posted.text is not None,
        "differences": differences(before, made.as_json()) if made else [],
        "is_valid": made is not None,
        "meanings": meaning(Schema.parse(current.document), made, models_in_use(project=project)) if made else [],
    }


def _form_page(
    request: HttpRequest,
    project: Project,
    current: SchemaVersion,
    rows: SchemaRows,
    problems: list[dict[str, str]],
    *,
    additions: list[Addition] | None = None,
) -> HttpResponse:
    document, named = rows.document()
    preview = _preview(project, current, Posted(document, rows=rows, problems=named))
    context = (
        preview
        | _frame(request, project, current, problems)
        | form_context(rows, problems or preview["preview_problems"])
    )
    context["additions"] = additions or []
    return render(request, "registry/schema_form.html", context, status=400 if problems else 200)


def _text_page(
    request: HttpRequest, project: Project, current: SchemaVersion, text: str, problems: list[dict[str, str]]
) -> HttpResponse:
    try:
        posted = Posted(read_json(text), text=text)
    except BrokenJson as error:
        posted = Posted(
            None, text=text, problems=[{"field": "(document)", "rule": f"is not JSON: {error}", "received": ""}]
        )
    context = _preview(project, current, posted) | _frame(request, project, current, problems) | {"text": text}
    return render(request, "registry/schema_text.html", context, status=400 if problems else 200)


def _frame(
    request: HttpRequest, project: Project, current: SchemaVersion, problems: list[dict[str, str]]
) -> dict[str, Any]:
    return {
        "project": project,
        "page": "schema",
        "current": current,
        "problems": problems,
        "note": request.POST.get("note", ""),
        "source": _import_of(request, project),
        "property_types": [kind.value for kind in PropertyType],
        "roles": [role.value for role in EventRole],
    }


def _indented(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)
