"""Pages of a project's schema: the current one, editing it, and its versions with their differences."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from engine.spec.schema import EventRole, PropertyType, Schema
from webapp.accounts.console import REFUSALS, account_of, problems_of, project_page
from webapp.accounts.models import Project
from webapp.registry import selectors, services
from webapp.registry.differences import differences
from webapp.registry.forms import DocumentForm
from webapp.registry.models import SchemaVersion
from webapp.registry.reading_order import in_reading_order

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
    versions = list(selectors.schema_versions(project=project)[:VERSIONS_SHOWN])
    before = selectors.schema_versions(project=project).filter(version__lt=shown.version).first()
    context = {
        "project": project,
        "page": "schema",
        "shown": shown,
        "current": versions[0],
        "versions": versions,
        "before": before,
        "differences": differences(before.document, shown.document) if before else [],
        "sections": _sections(shown.document),
        "document": in_reading_order(Schema, shown.document),
    }
    return render(request, "registry/schema.html", context)


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


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def schema_edit(request: HttpRequest, project: Project) -> HttpResponse:
    current = selectors.schema_current(project=project)
    if request.method == "POST":
        form = DocumentForm(request.POST)
        problems: list[dict[str, str]] = []
        if form.is_valid():
            try:
                published = services.schema_publish(
                    project=project,
                    document=form.cleaned_data["document"],
                    note=form.cleaned_data["note"],
                    account=account_of(request),
                )
            except REFUSALS as error:
                problems = problems_of(error)
                form.add_error("document", "The rules broken are named above." if problems else error.message)
            else:
                _say_what_was_published(request, current, published)
                return redirect("schema", project.slug)
    else:
        document = in_reading_order(Schema, current.document)
        form = DocumentForm(initial={"document": json.dumps(document, indent=2, ensure_ascii=False)})
        problems = []
    context = {
        "project": project,
        "page": "schema",
        "form": form,
        "problems": problems,
        "current": current,
        "property_types": [kind.value for kind in PropertyType],
        "roles": [role.value for role in EventRole],
    }
    return render(request, "registry/schema_edit.html", context, status=400 if form.errors else 200)


def _say_what_was_published(request: HttpRequest, current: SchemaVersion, published: SchemaVersion) -> None:
    if published.version == current.version:
        messages.info(request, f"Nothing differs from version {current.version}, so it stays.")
    else:
        messages.success(request, f"Version {published.version} is in force.")
