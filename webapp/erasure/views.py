"""Pages of erasures: the question before one, the receipt, and the list."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from engine.spec.values import BrokenRule, check_id
from webapp.accounts.console import project_page
from webapp.accounts.models import Project
from webapp.catalog.entity_views import entity_find, room_of
from webapp.erasure import selectors
from webapp.erasure.services import erasure_order


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def erasure_new(request: HttpRequest, project: Project, many: str, entity_id: str) -> HttpResponse:
    """Ask first; a POST is the answer."""
    room = room_of(many)
    try:
        check_id(entity_id)
    except BrokenRule as broken:
        raise Http404(str(broken)) from None
    if request.method == "POST":
        ordered = erasure_order(project=project, kind=room.kind, entity_id=entity_id, must_exist=False)
        return redirect("erasure", project.slug, ordered.erasure.pk)
    entity = entity_find(project, room.kind, entity_id)
    context = {"kind": room.kind, "many": many, "entity_id": entity_id, "entity": entity}
    return render(request, "erasure/new.html", _context(project, room.many, **context))


@require_GET
@project_page
def erasure(request: HttpRequest, project: Project, erasure_id: int) -> HttpResponse:
    found = selectors.erasure_get(project=project, erasure_id=erasure_id)
    many = f"{found.kind}s"
    context = _context(project, many, erasure=found, lines=selectors.lines_of(found), many=many)
    return render(request, "erasure/erasure.html", context)


@require_GET
@project_page
def erasures(request: HttpRequest, project: Project) -> HttpResponse:
    cursor = request.GET.get("cursor") or None
    page = selectors.erasures_page(project=project, cursor=cursor)
    return render(request, "erasure/erasures.html", _context(project, "users", found=page, is_first=cursor is None))


def _context(project: Project, page: str, **values: Any) -> dict[str, Any]:
    return {"project": project, "page": page, **values}
