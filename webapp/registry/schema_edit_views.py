"""Changing a schema: as a form with the JSON beside it, with what is wrong with it, what differs and what that means."""

from __future__ import annotations

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
from webapp.registry import selectors, services
from webapp.registry.differences import differences
from webapp.registry.json_text import written
from webapp.registry.models import SchemaVersion
from webapp.registry.reading_order import in_reading_order
from webapp.registry.schema_meaning import meaning
from webapp.registry.schema_page import form_context
from webapp.registry.schema_rows import NamedRow, SchemaRows, fits_form, rows_of
from webapp.registry.schema_sides import NO_PLACE, Posted, form_digest, read_posted
from webapp.registry.schema_uses import models_in_use

Problems = list[dict[str, str]]


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def schema_edit(request: HttpRequest, project: Project) -> HttpResponse:
    """With `import=<id>` it starts from what that file needs, and goes back to the import when it is published."""
    current = selectors.schema_current(project=project)
    if request.method != "POST":
        return _begun(request, project, current)
    posted = read_posted(request.POST.dict())
    action, _, argument = request.POST.get("action", "publish").partition(":")
    if action == "publish":
        return _publish(request, project, current, posted)
    posted = posted.decided(action)
    if posted.document is None or posted.is_undecided:
        return _again(request, project, current, posted, posted.problems)
    if action == "as_text":
        return _text_page(request, project, current, written(posted.document), [])
    rows = posted.rows_of_side()
    if rows is None:
        return _again(request, project, current, posted, [NO_PLACE])
    _change_rows(rows, action, argument)
    return _form_page(request, project, current, rows, [])


@require_POST
@project_page
def schema_preview(request: HttpRequest, project: Project) -> HttpResponse:
    """What is wrong with the document as it stands, what differs from the one in force, and what that means; and the JSON of a form."""
    current = selectors.schema_current(project=project)
    posted = read_posted(request.POST.dict())
    context = _preview(project, current, posted)
    if posted.rows is not None and posted.text is None:
        context |= _json_side(posted.document) | {"swaps_json": True}
    return render(request, "registry/schema_preview.html", context)


def _begun(request: HttpRequest, project: Project, current: SchemaVersion) -> HttpResponse:
    document = in_reading_order(Schema, current.document)
    additions: list[Addition] = []
    source = _import_of(request, project)
    if source is not None:
        document, additions = proposed_schema(source, Schema.parse(current.document, "schema"))
        document = in_reading_order(Schema, document)
    if not fits_form(document):
        return _text_page(request, project, current, written(document), [])
    return _form_page(request, project, current, rows_of(document), [], additions=additions)


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
    return _again(request, project, current, posted, problems)


def _published(
    request: HttpRequest, project: Project, current: SchemaVersion, published: SchemaVersion
) -> HttpResponse:
    if published.version == current.version:
        messages.info(request, f"Nothing differs from version {current.version}, so it stays.")
    else:
        messages.success(request, f"Version {published.version} is in force.")
    source = _import_of(request, project)
    return redirect("import", project.slug, source.pk) if source is not None else redirect("schema", project.slug)


def _again(
    request: HttpRequest, project: Project, current: SchemaVersion, posted: Posted, problems: Problems
) -> HttpResponse:
    """The page as it was posted, nothing of it lost."""
    if posted.rows is None:
        return _text_page(request, project, current, posted.text or "", problems)
    return _form_page(request, project, current, posted.rows, problems, beside=posted)


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
        "is_by_text": posted.is_by_text and posted.rows is not None,
        "differences": differences(before, made.as_json()) if made else [],
        "meanings": meaning(Schema.parse(current.document), made, models_in_use(project=project)) if made else [],
    }


def _json_side(document: Any) -> dict[str, Any]:
    """The JSON beside the form, and what the page has to remember to tell later which of the two was changed."""
    return {"json": written(in_reading_order(Schema, document)), "form_was": form_digest(document)}


def _form_page(
    request: HttpRequest,
    project: Project,
    current: SchemaVersion,
    rows: SchemaRows,
    problems: Problems,
    *,
    additions: list[Addition] | None = None,
    beside: Posted | None = None,
) -> HttpResponse:
    """`beside` has the JSON that was changed beside the form, and stands until one is taken into the other."""
    document, named = rows.document()
    side = _json_side(document)
    posted = Posted(document, rows=rows, problems=named)
    preview = _preview(project, current, posted)
    context = (
        preview
        | _frame(request, project, current, problems)
        | form_context(rows, problems or preview["preview_problems"])
        | side
        | {"json_was": side["json"], "additions": additions or []}
    )
    if beside is not None and beside.text is not None:
        context["json"] = beside.text
        context["form_was"] = "" if beside.is_undecided else context["form_was"]
    return render(request, "registry/schema_form.html", context, status=400 if problems else 200)


def _text_page(
    request: HttpRequest, project: Project, current: SchemaVersion, text: str, problems: Problems
) -> HttpResponse:
    preview = _preview(project, current, read_posted({"document": text}))
    context = preview | _frame(request, project, current, problems) | {"text": text}
    return render(request, "registry/schema_text.html", context, status=400 if problems else 200)


def _frame(request: HttpRequest, project: Project, current: SchemaVersion, problems: Problems) -> dict[str, Any]:
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
