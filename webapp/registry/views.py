"""Pages of a project's schema: the current one, and its versions with their differences and what those mean."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from engine.errors import InvalidDocument
from engine.spec.schema import EventRole, Schema
from webapp.accounts.console import project_page
from webapp.accounts.models import Project
from webapp.registry import selectors
from webapp.registry.differences import differences
from webapp.registry.models import SchemaVersion
from webapp.registry.reading_order import in_reading_order
from webapp.registry.schema_meaning import Meaning, meaning
from webapp.registry.schema_uses import models_in_use

VERSIONS_SHOWN = 50


@require_GET
@project_page
def schema(request: HttpRequest, project: Project) -> HttpResponse:
    return _schema_page(request, project, selectors.schema_current(project=project))


@require_GET
@project_page
def schema_version(request: HttpRequest, project: Project, version: int) -> HttpResponse:
    return _schema_page(request, project, selectors.schema_version(project=project, version=version))


def _schema_page(request: HttpRequest, project: Project, shown: SchemaVersion) -> HttpResponse:
    """Beside the version before it, or the one that `against` names."""
    versions = list(selectors.schema_versions(project=project)[:VERSIONS_SHOWN])
    against = request.GET.get("against", "")
    earlier = selectors.schema_versions(project=project).exclude(pk=shown.pk)
    before = earlier.filter(version=int(against)).first() if against.isdecimal() and len(against) < 9 else None
    before = before or earlier.filter(version__lt=shown.version).first()
    document = in_reading_order(Schema, shown.document)
    context = {
        "project": project,
        "page": "schema",
        "shown": shown,
        "current": versions[0],
        "versions": versions,
        "before": before,
        "differences": differences(in_reading_order(Schema, before.document), document) if before else [],
        "meanings": _meanings(project, before, shown),
        "sections": _sections(document),
        "document": document,
    }
    return render(request, "registry/schema.html", context)


def _meanings(project: Project, before: SchemaVersion | None, shown: SchemaVersion) -> list[Meaning]:
    if before is None:
        return []
    try:
        return meaning(Schema.parse(before.document), Schema.parse(shown.document), models_in_use(project=project))
    except InvalidDocument:
        return []


def _sections(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The schema as readable tables: users, items, then each event type with its role."""
    entities = [
        {"name": name, "title": name.capitalize(), "role": "", "properties": document.get(name, {})}
        for name in ("users", "items")
    ]
    events = [
        {
            "name": f"event-{name}",
            "title": name,
            "role": declared.get("role", EventRole.ACTION),
            "properties": declared.get("properties", {}),
        }
        for name, declared in document.get("events", {}).items()
    ]
    return entities + events
