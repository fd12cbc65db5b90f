"""Pages of deployments, and of how far parameters have travelled."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webapp.accounts.console import REFUSALS, project_page
from webapp.accounts.models import Project
from webapp.registry.models import ModelVersion
from webapp.registry.selectors import model_version
from webapp.serving import selectors, services
from webapp.serving.forms import DeploymentForm
from webapp.serving.freshness_series import freshness_series
from webapp.serving.live import sync_context
from webapp.training.selectors import versions_trained

MODELS_SHOWN = 30


@require_GET
@project_page
def sync(request: HttpRequest, project: Project) -> HttpResponse:
    followed = _followed(project)
    if not followed:
        return render(request, "serving/sync_empty.html", {"project": project, "page": "sync"})
    return _sync_page(request, project, followed[0], followed)


@require_GET
@project_page
def sync_model(request: HttpRequest, project: Project, name: str, version: int) -> HttpResponse:
    return _sync_page(request, project, model_version(project=project, name=name, version=version), _followed(project))


def _sync_page(
    request: HttpRequest, project: Project, shown: ModelVersion, followed: list[ModelVersion]
) -> HttpResponse:
    context = {
        "project": project,
        "page": "sync",
        "shown": shown,
        "followed": followed if shown in followed else [shown, *followed],
        "freshness_points": json.dumps(freshness_series(model_version=shown)),
        **sync_context(model_version=shown),
    }
    return render(request, "serving/sync.html", context)


def _followed(project: Project) -> list[ModelVersion]:
    """Model versions worth following, those that answer by default first: deployed ones, then those being trained."""
    found: dict[int, ModelVersion] = {}
    deployments = sorted(selectors.deployments_of(project=project), key=lambda one: not one.is_default)
    for deployment in deployments:
        for version in (deployment.ranking, deployment.retrieval):
            if version is not None:
                found[version.pk] = version
    for version in versions_trained(project=project)[:MODELS_SHOWN]:
        found.setdefault(version.pk, version)
    return list(found.values())


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def deployments(request: HttpRequest, project: Project) -> HttpResponse:
    chosen: dict[str, Any] = {role: request.GET[role] for role in ("retrieval", "ranking") if role in request.GET}
    known = selectors.deployments_of(project=project)
    form = DeploymentForm(request.POST or None, project=project, initial={"name": "" if known else "main", **chosen})
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        if known.filter(name=data["name"]).exists():
            form.add_error("name", "There is already a deployment of this name; change it on its own page.")
        elif _put(form, project, data.pop("name")):
            messages.success(request, "Replicas take the deployment up within seconds.")
            return redirect("deployments", project.slug)
    context = {
        "project": project,
        "page": "deployments",
        "deployments": known,
        "replicas": selectors.replicas_alive(),
        "form": form,
    }
    return render(request, "serving/deployments.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def deployment(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    shown = selectors.deployment_get(project=project, name=name)
    form = DeploymentForm(request.POST or None, project=project, deployment=shown)
    if request.method == "POST" and form.is_valid() and _put(form, project, name):
        messages.success(request, f"{name} is changed; replicas load what is new and switch over.")
        return redirect("deployments", project.slug)
    context = {"project": project, "page": "deployments", "deployment": shown, "form": form}
    return render(request, "serving/deployment.html", context, status=400 if form.errors else 200)


def _put(form: DeploymentForm, project: Project, name: str, is_default: bool | None = None) -> bool:
    """Whether the service took it; what it refused stands on the form."""
    data = form.cleaned_data
    try:
        services.deployment_put(
            project=project, name=name, retrieval=data["retrieval"], ranking=data["ranking"], is_default=is_default
        )
    except REFUSALS as error:
        form.add_error(None, error.message)
        return False
    return True


@require_POST
@project_page
def deployment_default(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    shown = selectors.deployment_get(project=project, name=name)
    services.deployment_put(
        project=project, name=name, retrieval=shown.retrieval, ranking=shown.ranking, is_default=True
    )
    messages.success(request, f"{name} answers by default.")
    return redirect("deployments", project.slug)


@require_POST
@project_page
def deployment_roll_back(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    shown = selectors.deployment_get(project=project, name=name)
    try:
        services.deployment_roll_back(deployment=shown)
    except REFUSALS as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"{name} answers with the versions it had before; replicas switch within seconds.")
    return redirect("deployments", project.slug)


@require_POST
@project_page
def deployment_delete(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    shown = selectors.deployment_get(project=project, name=name)
    try:
        services.deployment_delete(deployment=shown)
    except REFUSALS as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"{name} is taken out of service.")
    return redirect("deployments", project.slug)
