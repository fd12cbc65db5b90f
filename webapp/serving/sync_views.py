"""The parameter-sync page's buttons."""

from __future__ import annotations

import math
from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from webapp.accounts.console import REFUSALS, account_of, project_page
from webapp.accounts.models import Project
from webapp.core.errors import Invalid
from webapp.registry.models import ModelVersion
from webapp.registry.selectors import model_version
from webapp.serving import sync_orders
from webapp.tracing.services import pace_clear, pace_set


@require_POST
@project_page
def sync_snapshot(request: HttpRequest, project: Project, name: str, version: int) -> HttpResponse:
    found = model_version(project=project, name=name, version=version)
    by = account_of(request).get_username()
    return _done(
        request,
        found,
        lambda: sync_orders.snapshot_order(model_version=found, asked_by=by),
        "The trainer writes a snapshot; the page says when it is done.",
    )


@require_POST
@project_page
def sync_resync(request: HttpRequest, project: Project, name: str, version: int) -> HttpResponse:
    found, replica = model_version(project=project, name=name, version=version), request.POST.get("replica", "")
    by = account_of(request).get_username()
    return _done(
        request,
        found,
        lambda: sync_orders.resync_order(model_version=found, replica=replica, asked_by=by),
        f"{replica} loads the newest snapshot, and answers meanwhile.",
    )


@require_POST
@project_page
def sync_drain(request: HttpRequest, project: Project, name: str, version: int) -> HttpResponse:
    found, replica = model_version(project=project, name=name, version=version), request.POST.get("replica", "")
    if request.POST.get("undo"):
        return _done(
            request,
            found,
            lambda: sync_orders.replica_undrain(replica=replica, project=project),
            f"{replica} is asked again within a second.",
        )
    return _done(
        request,
        found,
        lambda: sync_orders.replica_drain(replica=replica, project=project),
        f"{replica} ends what it has begun and is asked for nothing more.",
    )


@require_POST
@project_page
def sync_pace(request: HttpRequest, project: Project, name: str, version: int) -> HttpResponse:
    """How often the trainer publishes; without a number, as often as the definition says."""
    found = model_version(project=project, name=name, version=version)
    if request.POST.get("undo"):
        return _done(
            request,
            found,
            lambda: pace_clear(model_version=found),
            f"{found} is published as often as its definition says, within a second.",
        )
    by, interval_s = account_of(request).get_username(), _seconds(request.POST.get("interval_s", ""))
    return _done(
        request,
        found,
        lambda: pace_set(model_version=found, interval_s=interval_s, by=by),
        f"{found} is published every {interval_s:g} s, within a second.",
    )


def _seconds(text: str) -> float:
    """Raises `Invalid`."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise Invalid.field("interval_s", "must be a number of seconds", repr(text[:80]))
    return seconds


def _done(request: HttpRequest, shown: ModelVersion, do: Callable[[], object], said: str) -> HttpResponse:
    try:
        do()
    except REFUSALS as error:
        messages.error(request, error.message)
    else:
        messages.success(request, said)
    return redirect("sync_model", shown.model.project.slug, shown.model.name, shown.version)
