"""The form that writes a definition, its JSON beside it, and what both say so far."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from engine.spec.architecture import ARCHITECTURES
from engine.spec.definition import ModelDefinition
from engine.spec.source_types import source_types
from webapp.accounts.console import REFUSALS, account_of, problems_of, project_page
from webapp.accounts.models import Project
from webapp.registry import selectors, services
from webapp.registry.architecture_titles import ABOUT, PURPOSES
from webapp.registry.both_sides import BothSides, Changed, digest_of, read_both
from webapp.registry.definition_form import document_from_form, empty_row, is_editable
from webapp.registry.definition_page import controls_of, form_context, posted_by
from webapp.registry.definition_words import definition_words
from webapp.registry.first_definition import first_definition
from webapp.registry.json_text import written
from webapp.registry.lean import lean
from webapp.registry.outlook import outlook_of
from webapp.registry.reading_order import in_reading_order
from webapp.registry.source_words import take_up
from webapp.registry.standing import placed, problems_in

Problems = list[dict[str, str]]

DEFAULT_KIND = "two_tower"


@require_GET
@project_page
def model_start(request: HttpRequest, project: Project) -> HttpResponse:
    """What is the model for? Each purpose with the architecture to begin with, and the others."""
    purposes = [(purpose, [(kind, ABOUT[kind]) for kind in purpose.kinds]) for purpose in PURPOSES]
    return render(request, "registry/model_start.html", {"project": project, "page": "models", "purposes": purposes})


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def model_new(request: HttpRequest, project: Project) -> HttpResponse:
    if request.method == "POST":
        return _write(request, project, request.POST.get("name", "").strip(), is_new=True)
    if source := request.GET.get("clone"):
        return _clone(request, project, source)
    kind = request.GET.get("architecture", DEFAULT_KIND)
    document = first_definition(
        selectors.schema_document(project=project), kind if kind in ARCHITECTURES else DEFAULT_KIND
    )
    return _page(request, project, request.GET.get("name", ""), document, is_new=True)


def _clone(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    """The form of a new model that begins as a version of another: its newest, or the one that `version` names."""
    wanted = request.GET.get("version", "")
    number = int(wanted) if wanted.isdecimal() and len(wanted) < 9 else None
    version = selectors.model_version(project=project, name=name, version=number)
    document = in_reading_order(ModelDefinition, version.document)
    return _page(request, project, "", document, is_new=True, note=f"clone of {version}")


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
    """What the side that was changed makes of the other: parts of the page for htmx to put in place."""
    sides = read_both(request.POST)
    if sides.changed is Changed.BOTH or sides.complaint:
        return render(request, "registry/model_swaps.html", _undecided(project, sides))
    document = sides.document
    takes_text = sides.counts_text and isinstance(document, dict) and is_editable(document)
    if sides.counts_text and not takes_text:
        context = _beside(project, sides.of_form, [*problems_in(document, _schema(project)), _NO_PLACE], sides.text)
        return render(request, "registry/model_swaps.html", context)
    if takes_text:
        document = in_reading_order(ModelDefinition, document)
    context = _beside(project, document, problems_in(document, _schema(project)), sides.text if takes_text else None)
    context["swaps_fields"], context["swaps_text"] = takes_text, not takes_text
    if takes_text:
        context["form_was"] = digest_of(document_from_form(posted_by(context)))
    else:
        context["form_was"] = digest_of(sides.of_form)
    context["text_was"] = context["text"]
    return render(request, "registry/model_swaps.html", context)


def _write(request: HttpRequest, project: Project, name: str, *, is_new: bool) -> HttpResponse:
    """One POST of the form: add or remove a row, take one side's word for the other, or publish."""
    action, _, argument = request.POST.get("action", "publish").partition(":")
    sides = read_both(request.POST)
    if action == "propose":
        kind = request.POST.get("architecture.kind", "")
        document = first_definition(_schema(project), kind if kind in ARCHITECTURES else DEFAULT_KIND)
        return _page(request, project, name, document, is_new=is_new)
    takes_text = action != "refresh" and (sides.counts_text or (sides.text is not None and action == "as_form"))
    if sides.changed is Changed.BOTH and action in ("publish", "add", "remove", "use"):
        return _page(request, project, name, sides.of_form, [_BOTH_CHANGED], is_new=is_new, text=sides.text)
    if sides.complaint and takes_text and action != "as_text":
        return _broken(request, project, name, sides, is_new=is_new)
    document = sides.of_text if takes_text and action != "as_text" else sides.of_form
    if not sides.is_form_there and action == "as_text":
        document = sides.of_text
    if action == "publish":
        return _publish(request, project, name, document, is_new=is_new, sides=sides, by_text=takes_text)
    if takes_text:
        # the form knows no older spellings: a definition that is one is shown as the specification writes it
        document = in_reading_order(ModelDefinition, document)
    if not is_editable(document) or (action == "as_text" and sides.text is None):
        problems = [] if action == "as_text" else [_NO_PLACE]
        return _text_page(request, project, name, written(document), problems, is_new=is_new)
    _change_rows(document, action, argument, project)
    return _page(request, project, name, document, is_new=is_new)


_NO_PLACE = {"field": "(document)", "rule": "has parts the form has no place for; publish it as text", "received": ""}
_BOTH_CHANGED = {
    "field": "(document)",
    "rule": "the form and the JSON were both changed, each without the other: say which of them counts",
    "received": "",
}


def _change_rows(document: dict[str, Any], action: str, argument: str, project: Project) -> None:
    """`add:slots` appends an empty row with the next free number; `remove:slots.2` takes a row away; `use:item.price` takes up a source."""
    if action == "use":
        take_up(document, argument, source_types(_schema(project)))
        return
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
    request: HttpRequest, project: Project, name: str, document: Any, *, is_new: bool, sides: BothSides, by_text: bool
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
        if not sides.is_form_there or not isinstance(document, dict) or not is_editable(document):
            return _text_page(request, project, name, sides.text or written(document), problems, is_new=is_new)
        return _page(request, project, name, document, problems, is_new=is_new, text=sides.text if by_text else None)
    messages.success(request, f"{version} is written. Train it next.")
    return redirect("model", project.slug, version.model.name)


def _schema(project: Project) -> Any:
    return selectors.schema_document(project=project)


def _broken(request: HttpRequest, project: Project, name: str, sides: BothSides, *, is_new: bool) -> HttpResponse:
    """The JSON is none: it stays as it was typed, and so does the form where there is one."""
    problems = [sides.complaint] if sides.complaint else []
    if not sides.is_form_there:
        return _text_page(request, project, name, sides.text or "", problems, is_new=is_new)
    return _page(request, project, name, sides.of_form, problems, is_new=is_new, text=sides.text)


def _undecided(project: Project, sides: BothSides) -> dict[str, Any]:
    """Neither side is touched: the JSON is none, or both were changed."""
    problems = [sides.complaint] if sides.complaint else problems_in(sides.of_text, _schema(project))
    context = _beside(project, sides.of_form, problems, sides.text, with_outlook=False)
    context["both_changed"] = sides.changed is Changed.BOTH
    return context


def _beside(
    project: Project, document: Any, problems: Problems, text: str | None, *, with_outlook: bool = True
) -> dict[str, Any]:
    """The form's context, the text, what is wrong at which place, and what the document will be and take."""
    context = form_context(document, problems, _schema(project)) | {"project": project}
    context["text"] = written(lean(document)) if text is None else text
    context["standing"] = placed(problems, context["text"], controls_of(context))
    context["line_numbers"] = range(1, context["text"].count("\n") + 2)
    context["wrong_lines"] = {problem.line for problem in context["standing"]}
    context["words"] = definition_words(document)
    if with_outlook:
        context["outlook"] = outlook_of(project=project, document=document)
    return context


def _page(
    request: HttpRequest,
    project: Project,
    name: str,
    document: dict[str, Any],
    problems: Problems | None = None,
    *,
    is_new: bool,
    text: str | None = None,
    note: str = "",
) -> HttpResponse:
    """The form and its JSON. With a `text` of its own the JSON side says that, and is not what the form says."""
    context = _beside(project, document, problems or [], text)
    unfinished = [] if problems else problems_in(document, _schema(project))
    if unfinished:
        # said beside the JSON and at no control: nobody has tried to publish it yet
        marked = form_context(document, unfinished, _schema(project))
        context["standing"] = placed(unfinished, context["text"], controls_of(marked))
        context["wrong_lines"] = {problem.line for problem in context["standing"]}
    as_made = digest_of(document_from_form(posted_by(context)))
    context |= _frame(request, project, name, problems or [], is_new) | {
        "form_was": request.POST.get("form_was", as_made) if text is not None else as_made,
        "text_was": request.POST.get("document_was", "") if text is not None else context["text"],
        "both_changed": problems == [_BOTH_CHANGED],
    }
    context["note"] = context["note"] or note
    return render(request, "registry/model_form.html", context, status=400 if problems else 200)


def _text_page(
    request: HttpRequest, project: Project, name: str, text: str, problems: Problems, *, is_new: bool
) -> HttpResponse:
    context = _frame(request, project, name, problems, is_new) | {"text": text}
    return render(request, "registry/model_text.html", context, status=400 if problems else 200)


def _frame(request: HttpRequest, project: Project, name: str, problems: Problems, is_new: bool) -> dict[str, Any]:
    return {
        "project": project,
        "page": "models",
        "name": name,
        "is_new": is_new,
        "note": request.POST.get("note", ""),
        "problems": problems,
    }
