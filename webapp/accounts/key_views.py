"""The page of a project's API keys, and what is done to one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST
from rest_framework.settings import api_settings

from webapp.accounts import key_services, selectors
from webapp.accounts.console import has_role, project_page, require_role
from webapp.accounts.forms import ApiKeyForm, RotateForm
from webapp.accounts.models import ApiKey, Project, Role, Scope
from webapp.accounts.scope_words import calls_by_scope
from webapp.accounts.throttling import parse_rate
from webapp.compat.personalize.keys import access_key_id, secret_access_key
from webapp.core.errors import Invalid

ENDED_SHOWN = 20
PERIODS = {1: "a second", 60: "a minute", 3600: "an hour", 86_400: "a day"}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def api_keys(request: HttpRequest, project: Project) -> HttpResponse:
    may_manage = has_role(request, Role.OWNER)
    form = ApiKeyForm(request.POST or None, may_manage=may_manage)
    made: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        key, secret = key_services.api_key_create(
            project=project,
            name=form.cleaned_data["name"],
            scopes=form.cleaned_data["scopes"],
            expires_at=form.expires_at(timezone.now()),
        )
        made = _shown_once(key, secret)
        form = ApiKeyForm(may_manage=may_manage)
    return _page(request, project, form, made)


@never_cache
@require_POST
@project_page
def api_key_rotate(request: HttpRequest, project: Project, key_id: int) -> HttpResponse:
    old = _key_to_change(request, project, key_id)
    form = RotateForm(request.POST)
    if not form.is_valid():
        raise Invalid.field("hours", "must be one of the choices", repr(request.POST.get("hours", "")[:20]))
    grace = timedelta(hours=int(form.cleaned_data["hours"]))
    key, secret = key_services.api_key_rotate(api_key=old, grace=grace)
    return _page(request, project, ApiKeyForm(may_manage=has_role(request, Role.OWNER)), _shown_once(key, secret))


@require_POST
@project_page
def api_key_revoke(request: HttpRequest, project: Project, key_id: int) -> HttpResponse:
    key = _key_to_change(request, project, key_id)
    key_services.api_key_revoke(api_key=key)
    messages.success(request, f"Key {key.name} no longer works.")
    return redirect("api_keys", project.slug)


def _key_to_change(request: HttpRequest, project: Project, key_id: int) -> ApiKey:
    """Raises `NotFound`, `Forbidden` for a key with the scope manage unless an owner asks."""
    key = selectors.api_key_get(project=project, key_id=key_id)
    if Scope.MANAGE in key.scopes:
        require_role(request, Role.OWNER)
    return key


def _shown_once(key: ApiKey, secret: str) -> dict[str, Any]:
    return {
        "secret": secret,
        "made": key,
        "signing": {"access_key_id": access_key_id(key), "secret_access_key": secret_access_key(key)},
    }


def _page(request: HttpRequest, project: Project, form: ApiKeyForm, made: dict[str, Any]) -> HttpResponse:
    now = timezone.now()
    keys = list(selectors.api_keys_of(project=project)[:500])
    calls = calls_by_scope()
    context = {
        "project": project,
        "page": "api_keys",
        "form": form,
        "rotate": RotateForm(),
        "keys": [key for key in keys if key.works_at(now)],
        "ended": [key for key in keys if not key.works_at(now)][:ENDED_SHOWN],
        "scopes": [(scope.value, scope.label, calls[scope.value]) for scope in Scope],
        "rate": rate_words(str(api_settings.DEFAULT_THROTTLE_RATES["key"])),
        **made,
    }
    return render(request, "accounts/api_keys.html", context, status=400 if form.errors else 200)


def rate_words(rate: str) -> str:
    """`2000/second` as `2,000 times a second`."""
    number, window_s = parse_rate(rate)
    return f"{number:,} times {PERIODS[window_s]}"
