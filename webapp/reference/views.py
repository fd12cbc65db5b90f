"""The reference's pages: the list of operations with a quick start, one operation with a form to try it, and a key to try with."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from webapp.accounts.console import account_of, has_role, project_page
from webapp.accounts.key_services import api_key_mint
from webapp.accounts.models import Project, Role, Scope
from webapp.reference.document import Operation, by_tag, operation_get, operations
from webapp.reference.examples import body_of, event, path_values
from webapp.reference.snippets import address_of, curl, python
from webapp.reference.values import Values, values_of

NOT_TRIED = ("Content-Encoding",)
"""A page sends plain text."""

RECOMMENDATION = "the recommendation_id of step 2"


@require_GET
@project_page
def api_reference(request: HttpRequest, project: Project) -> HttpResponse:
    query = request.GET.get("q", "")[:100]
    groups = by_tag(query)
    context = {
        "project": project,
        "page": "api_reference",
        "groups": groups,
        "query": query,
        "num_found": sum(len(found) for _, found in groups),
        "num_all": len(operations()),
        "steps": [] if query else _quick_start(_base_url(request), values_of(project)),
        "base_url": _base_url(request),
    }
    return render(request, "reference/reference.html", context)


@never_cache
@require_GET
@project_page
def api_operation(request: HttpRequest, project: Project, operation_id: str) -> HttpResponse:
    operation = operation_get(operation_id)
    values = values_of(project)
    parts, body = path_values(operation, values), body_of(operation, values)
    base_url = _base_url(request)
    context = {
        "project": project,
        "page": "api_reference",
        "operation": operation,
        "parts": [(one, parts[one.name]) for one in operation.in_path],
        "others": [one for one in operation.parameters if one.place != "path" and one.name not in NOT_TRIED],
        "body": None if body is None else json.dumps(body, indent=2, ensure_ascii=False),
        "curl": curl(operation, base_url, parts, body),
        "python": python(operation, base_url, parts, body),
        "address": address_of(operation, parts),
        "siblings": next((found for tag, found in by_tag() if tag == operation.tag), []),
        "mint": reverse("api_key_mint", args=[project.slug]),
        "missing": _missing(request, operation),
        "changes": operation.method not in ("GET",),
    }
    return render(request, "reference/operation.html", context)


@never_cache
@require_POST
@project_page
def api_key_mint_page(request: HttpRequest, project: Project) -> HttpResponse:
    """`{"secret", "expires_at", "scopes"}` of a key that ends within the hour, for the page's own memory."""
    scopes = _scopes_for(request)
    name = f"API reference, {account_of(request).get_username()}"
    key, secret = api_key_mint(project=project, name=name, scopes=scopes)
    assert key.expires_at is not None
    return JsonResponse({"secret": secret, "expires_at": key.expires_at.isoformat(), "scopes": key.scopes})


def _scopes_for(request: HttpRequest) -> list[str]:
    """Those that the member may give to a key."""
    everybody = [Scope.INGEST.value, Scope.RECOMMEND.value]
    return [*everybody, Scope.MANAGE.value] if has_role(request, Role.OWNER) else everybody


def _missing(request: HttpRequest, operation: Operation) -> str:
    """Why a key made here would not do, in words."""
    if not operation.scopes:
        return ""
    if not has_role(request, Role.EDITOR):
        return "A viewer makes no keys: paste one, or ask an editor."
    if not set(operation.scopes) & set(_scopes_for(request)):
        return "Only owners make keys with the scope manage: paste one, or ask an owner."
    return ""


def _quick_start(base_url: str, values: Values) -> list[dict[str, Any]]:
    feedback = {"events": [event(values, RECOMMENDATION)]}
    steps = (
        ("events_post", "Send an event", None),
        ("recommend", "Get recommendations", None),
        ("events_post", "Send feedback", feedback),
    )
    found = []
    for number, (operation_id, title, given) in enumerate(steps, 1):
        operation = operation_get(operation_id)
        body = given or body_of(operation, values)
        found.append(
            {
                "id": f"step-{number}",
                "title": title,
                "operation": operation,
                "curl": curl(operation, base_url, {}, body),
                "python": python(operation, base_url, {}, body),
            }
        )
    return found


def _base_url(request: HttpRequest) -> str:
    return f"{request.scheme}://{request.get_host()}"
