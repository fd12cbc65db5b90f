"""Pages of deployments: all of them, and one with its revisions and what became of what it showed."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from webapp.accounts.console import REFUSALS, account_of, project_page
from webapp.accounts.models import Project
from webapp.experiments.feedback_page import feedback_tables
from webapp.experiments.feedback_pictures import SPANS, hours_of, traffic_pictures
from webapp.experiments.feedback_selectors import deployment_feedback, feedback_by_deployment
from webapp.experiments.replay_views import ReplayForm, replays_context
from webapp.serving import selectors, services
from webapp.serving.answering import answering_of
from webapp.serving.deployment_selectors import revisions_of
from webapp.serving.document_words import Change, Lines, changes, document_lines
from webapp.serving.forms import DeploymentForm
from webapp.serving.models import Deployment, DeploymentRevision

REVISIONS_SHOWN = 20


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def deployments(request: HttpRequest, project: Project) -> HttpResponse:
    chosen: dict[str, Any] = {role: request.GET[role] for role in ("retrieval", "ranking") if role in request.GET}
    known = selectors.deployments_of(project=project)
    shown = feedback_by_deployment(project=project)
    form = DeploymentForm(request.POST or None, project=project, initial={"name": "" if known else "main", **chosen})
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        if known.filter(name=data["name"]).exists():
            form.add_error("name", "There is already a deployment of this name; change it on its own page.")
        elif _put(request, form, project, data.pop("name")):
            messages.success(request, "Replicas take the deployment up within seconds.")
            return redirect("deployments", project.slug)
    context = {
        "project": project,
        "page": "deployments",
        "deployments": [(one, shown.get(one.name)) for one in known],
        "replicas": selectors.replicas_alive(),
        "form": form,
    }
    return render(request, "serving/deployments.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def deployment(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    shown = selectors.deployment_get(project=project, name=name)
    form = DeploymentForm(request.POST or None, project=project, deployment=shown)
    if request.method == "POST" and form.is_valid() and _put(request, form, project, name):
        messages.success(request, f"{name} is changed; replicas load what is new and switch over.")
        return redirect("deployment", project.slug, name)
    hours = hours_of(request.GET.get("hours", ""))
    feedback = deployment_feedback(deployment=shown, hours=hours)
    lines = document_lines(shown.document)
    context = {
        "project": project,
        "page": "deployments",
        "deployment": shown,
        "form": form,
        "lines": lines,
        "own": {change.what for change in changes(document_lines({}), lines)},
        "answering": answering_of(deployment=shown),
        "pictures": traffic_pictures(deployment=shown, hours=hours),
        "spans": SPANS,
        "revisions": _revisions(shown),
        "feedback": feedback,
        **feedback_tables(feedback),
        "replay_form": ReplayForm(project=project),
        **replays_context(shown),
    }
    return render(request, "serving/deployment.html", context, status=400 if form.errors else 200)


def _put(request: HttpRequest, form: DeploymentForm, project: Project, name: str) -> bool:
    """Whether the service took it; what it refused stands on the form."""
    data = form.cleaned_data
    try:
        services.deployment_put(
            project=project,
            name=name,
            retrieval=data["retrieval"],
            ranking=data["ranking"],
            by=account_of(request).get_username(),
        )
    except REFUSALS as error:
        form.add_error(None, error.message)
        return False
    return True


def _revisions(shown: Deployment) -> list[dict[str, Any]]:
    """The newest, each with what it changed."""
    found = list(revisions_of(deployment=shown)[: REVISIONS_SHOWN + 1])
    before: list[DeploymentRevision | None] = [*found[1:], None]
    pairs = list(zip(found, before, strict=True))[:REVISIONS_SHOWN]
    return [
        {"revision": one, "is_current": one.number == shown.revision, "changes": _changes(one, previous)}
        for one, previous in pairs
    ]


def _changes(one: DeploymentRevision, previous: DeploymentRevision | None) -> list[Change]:
    return [] if previous is None else changes(_whole(previous), _whole(one))


def _whole(revision: DeploymentRevision) -> Lines:
    models = {"Retrieval model": revision.retrieval, "Ranking model": revision.ranking}
    named = {role: str(version) for role, version in models.items() if version is not None}
    return named | document_lines(revision.document)


@require_POST
@project_page
def deployment_default(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    services.deployment_make_default(deployment=selectors.deployment_get(project=project, name=name))
    messages.success(request, f"{name} answers by default.")
    return redirect("deployments", project.slug)


@require_POST
@project_page
def deployment_roll_back(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    """To the revision posted, or to the one before."""
    shown = selectors.deployment_get(project=project, name=name)
    wanted = request.POST.get("revision", "")
    try:
        services.deployment_roll_back(
            deployment=shown,
            number=int(wanted) if wanted.isdecimal() and len(wanted) < 10 else None,
            by=account_of(request).get_username(),
        )
    except REFUSALS as error:
        messages.error(request, error.message)
    else:
        said = f"{name} is what revision {wanted} was" if wanted else f"{name} answers with the versions it had before"
        messages.success(request, f"{said}; replicas switch within seconds.")
    return redirect("deployment", project.slug, name) if wanted else redirect("deployments", project.slug)


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
