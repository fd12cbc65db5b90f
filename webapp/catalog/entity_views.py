"""Pages of users and items: lists with their filters, and making, changing, hiding one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from engine.spec.schema import Property, PropertyType
from webapp.accounts.console import REFUSALS, problems_of, project_page
from webapp.accounts.models import Project
from webapp.catalog import selectors, services
from webapp.catalog.entity_forms import EntityForm, EntityJsonForm, EntitySearchForm
from webapp.catalog.entity_search import EntityPage, EntityQuery, entities_found
from webapp.catalog.storage import Kind
from webapp.core.errors import NotFound
from webapp.registry.selectors import schema_document

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Room:
    """How the pages of one kind are called: the list's name in addresses, and the page's."""

    kind: Kind
    many: str
    page: str


ROOMS: Final = {"users": Room("user", "users", "user"), "items": Room("item", "items", "item")}


def room_of(many: str) -> Room:
    """Raises `Http404`."""
    if many not in ROOMS:
        raise Http404(many)
    return ROOMS[many]


def declared_of(project: Project, kind: Kind) -> dict[str, Property]:
    """The properties that the schema in force declares."""
    schema = schema_document(project=project)
    return schema.users if kind == "user" else schema.items


@require_GET
@project_page
def items(request: HttpRequest, project: Project) -> HttpResponse:
    return _list(request, project, ROOMS["items"])


@require_GET
@project_page
def users(request: HttpRequest, project: Project) -> HttpResponse:
    return _list(request, project, ROOMS["users"])


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def entity_new(request: HttpRequest, project: Project, many: str) -> HttpResponse:
    """Make one; an id that is there already is refused, lest somebody overwrite what they did not see."""
    room = room_of(many)
    declared = declared_of(project, room.kind)
    form = EntityForm(request.POST or None, declared=declared, is_new=True, has_hidden=room.kind == "item")
    problems: list[dict[str, str]] = []
    if request.method == "POST" and form.is_valid():
        entity_id = form.cleaned_data["id"]
        if entity_find(project, room.kind, entity_id) is not None:
            form.add_error("id", f"There is a {room.kind} {entity_id} already; open it to change it.")
        else:
            problems = _written(request, project, room, entity_id, form.properties, form.cleaned_data.get("hidden"))
            if not problems:
                return redirect(room.page, project.slug, entity_id)
    context = _context(project, room, form=form, problems=problems, is_new=True)
    return render(request, "catalog/entity_edit.html", context, status=400 if form.errors or problems else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def entity_edit(request: HttpRequest, project: Project, many: str, entity_id: str) -> HttpResponse:
    """Change the properties, in fields or as JSON (`?as=json`); the whole set is written anew."""
    room = room_of(many)
    entity = _get(project, room.kind, entity_id)
    declared, as_json = declared_of(project, room.kind), request.GET.get("as") == "json"
    data = request.POST or None
    form: forms.Form
    if as_json:
        form = EntityJsonForm(data, initial={"document": json.dumps(entity.properties, indent=2, ensure_ascii=False)})
    else:
        form = EntityForm(data, declared=declared, properties=entity.properties)
    problems: list[dict[str, str]] = []
    if request.method == "POST" and form.is_valid():
        properties = form.properties if isinstance(form, EntityForm) else form.cleaned_data["document"]
        problems = _written(request, project, room, entity_id, properties)
        if not problems:
            return redirect(room.page, project.slug, entity_id)
    undeclared = sorted(entity.properties.keys() - declared.keys())
    context = _context(
        project, room, form=form, problems=problems, entity=entity, as_json=as_json, undeclared=undeclared
    )
    return render(request, "catalog/entity_edit.html", context, status=400 if form.errors or problems else 200)


@require_POST
@project_page
def item_hide(request: HttpRequest, project: Project) -> HttpResponse:
    """Hide an item or show it again, as the form says; back to the page it came from."""
    item_id, hidden = request.POST.get("item_id", ""), request.POST.get("hidden") == "yes"
    written = services.item_patch(project=project, item_id=item_id, properties={}, hidden=hidden)
    if written.replicas_pending:
        names = ", ".join(written.replicas_pending)
        messages.warning(request, f"{item_id} is hidden; not confirmed yet by {names}.")
    else:
        messages.success(request, f"{item_id} is recommended {'no more' if hidden else 'again'}.")
    if request.POST.get("from") == "item":
        return redirect("item", project.slug, item_id)
    kept = QueryDict(request.POST.get("back", "")).urlencode()
    return redirect(f"{reverse('items', args=[project.slug])}{'?' if kept else ''}{kept}")


def entity_find(project: Project, kind: Kind, entity_id: str) -> Any:
    """The user or item, or None."""
    try:
        return _get(project, kind, entity_id)
    except NotFound:
        return None


def _get(project: Project, kind: Kind, entity_id: str) -> Any:
    if kind == "user":
        return selectors.user_get(project=project, user_id=entity_id)
    return selectors.item_get(project=project, item_id=entity_id)


def _written(  # noqa: PLR0917 - what, where, and by whom
    request: HttpRequest, project: Project, room: Room, entity_id: str, properties: object, hidden: bool | None = None
) -> list[dict[str, str]]:
    """Writes; answers what was wrong, and then nothing was written."""
    try:
        if room.kind == "user":
            services.user_put(project=project, user_id=entity_id, properties=properties)
        else:
            services.item_put(project=project, item_id=entity_id, properties=properties, hidden=hidden)
    except REFUSALS as error:
        return problems_of(error) or [{"field": "properties", "rule": error.message, "received": ""}]
    messages.success(request, f"{entity_id} is saved. Replicas answer by it within a second.")
    return []


def _list(request: HttpRequest, project: Project, room: Room) -> HttpResponse:
    form = EntitySearchForm(request.GET, declared=declared_of(project, room.kind), has_hidden=room.kind == "item")
    cursor = request.GET.get("cursor") or None
    is_good = form.is_valid()
    query = form.query if is_good else EntityQuery()
    found: EntityPage[Any] = EntityPage([], None)
    if is_good:
        found = entities_found(project=project, kind=room.kind, query=query, cursor=cursor, limit=PAGE_SIZE)
    kept = request.GET.copy()
    kept.pop("cursor", None)
    declared = declared_of(project, room.kind)
    columns = [(name, declared[name].type in (PropertyType.INTEGER, PropertyType.FLOAT)) for name in form.columns]
    context = _context(
        project,
        room,
        form=form,
        found=found,
        columns=columns,
        rows=[(row, [(row.properties.get(name), is_number) for name, is_number in columns]) for row in found.rows],
        is_first=cursor is None,
        is_filtered=not query.is_everything or not is_good,
        kept=kept.urlencode(),
    )
    return render(request, "catalog/entities.html", context, status=200 if is_good else 400)


def _context(project: Project, room: Room, **values: Any) -> dict[str, Any]:
    return {"project": project, "page": room.many, "tab": room.many, "kind": room.kind, "many": room.many, **values}
