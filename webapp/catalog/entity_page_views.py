"""The page of one user and the page of one item: what is known of it, what it did or what is like it, and what would be answered."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from engine.serving.known import Deed, ItemKnown, UserKnown
from engine.spec.values import BrokenRule, check_id
from webapp.accounts.console import project_page
from webapp.accounts.models import Project
from webapp.catalog.entity_answers import ReplicaKnows, known_by_replicas, recommended_to, similar_to
from webapp.catalog.entity_history import actions_on_item, history_of
from webapp.catalog.entity_views import ROOMS, declared_of, entity_find
from webapp.catalog.models import Entity
from webapp.catalog.selectors import item_properties
from webapp.catalog.storage import Kind

DEEDS_SHOWN = 20


@require_GET
@project_page
def user(request: HttpRequest, project: Project, user_id: str) -> HttpResponse:
    found = _entity(project, "user", user_id)
    said = known_by_replicas(project=project, kind="user", entity_id=user_id)
    known = next((one.known for one in said if isinstance(one.known, UserKnown)), None)
    history = history_of(project=project, user_id=user_id, known=known, page=request.GET.get("page", "1"))
    if found is None and not history.num_deeds:
        return _unknown(request, project, "user", user_id)
    context = _context(project, "user", user_id, found)
    context |= {
        "history": history,
        "deeds": _with_properties(project, history.deeds),
        "answer": recommended_to(project=project, user_id=user_id),
        "replicas": said,
    }
    return render(request, "catalog/user.html", context)


@require_GET
@project_page
def item(request: HttpRequest, project: Project, item_id: str) -> HttpResponse:
    found = _entity(project, "item", item_id)
    if found is None:
        return _unknown(request, project, "item", item_id)
    said = known_by_replicas(project=project, kind="item", entity_id=item_id)
    known = next((one.known for one in said if isinstance(one.known, ItemKnown)), None)
    context = _context(project, "item", item_id, found)
    context |= {
        "answer": similar_to(project=project, item_id=item_id),
        "known": known,
        "replicas": [(one, _availability(one)) for one in said],
        "recent": actions_on_item(project=project, item_id=item_id),
    }
    return render(request, "catalog/item.html", context)


def _entity(project: Project, kind: Kind, entity_id: str) -> Any:
    """The row, or None. Raises `Http404` for what cannot be an id."""
    try:
        check_id(entity_id)
    except BrokenRule as broken:
        raise Http404(str(broken)) from None
    return entity_find(project, kind, entity_id)


def _unknown(request: HttpRequest, project: Project, kind: Kind, entity_id: str) -> HttpResponse:
    context = _context(project, kind, entity_id, None)
    return render(request, "catalog/entity_unknown.html", context, status=404)


def _context(project: Project, kind: Kind, entity_id: str, found: Entity | None) -> dict[str, Any]:
    declared = declared_of(project, kind)
    properties = found.properties if found is not None else {}
    room = next(room for room in ROOMS.values() if room.kind == kind)
    return {
        "project": project,
        "page": room.many,
        "kind": kind,
        "many": room.many,
        "entity_id": entity_id,
        "entity": found,
        "properties": [(name, one.type.value, properties.get(name)) for name, one in declared.items()],
        "undeclared": {name: value for name, value in properties.items() if name not in declared},
    }


def _availability(said: ReplicaKnows) -> str:
    """In a word what the replica does with the item."""
    if not isinstance(said.known, ItemKnown):
        return "not known"
    if not said.known.is_in_catalogue:
        return "not in its catalogue"
    return "servable" if said.known.is_servable else "hidden"


def _with_properties(project: Project, deeds: tuple[Deed, ...]) -> list[tuple[Deed, dict[str, Any]]]:
    properties = item_properties(project=project, item_ids={deed.item_id for deed in deeds})
    return [(deed, properties.get(deed.item_id, {})) for deed in deeds]
