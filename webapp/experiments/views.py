"""Pages of experiments: what runs, what ran, a new split; and one, with its arms, metrics, guardrails and shadows."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webapp.accounts.console import REFUSALS, account_of, project_page
from webapp.accounts.models import Project
from webapp.experiments import selectors, services
from webapp.experiments.feedback_selectors import shadow_feedback
from webapp.experiments.forms import ExperimentForm
from webapp.experiments.history_picture import history_picture
from webapp.experiments.interval_history import interval_points
from webapp.experiments.metrics import metrics_of
from webapp.experiments.models import Experiment
from webapp.experiments.picture import forest
from webapp.experiments.split_picture import split_pieces
from webapp.registry.selectors import schema_document
from webapp.serving.selectors import deployments_of


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def experiments(request: HttpRequest, project: Project) -> HttpResponse:
    deployments = list(deployments_of(project=project).filter(is_active=True))
    metrics = [metric.name for metric in metrics_of(schema_document(project=project))]
    form = ExperimentForm(request.POST or None, deployments=deployments, metrics=metrics)
    if request.method == "POST" and form.is_valid():
        try:
            services.experiment_start(
                project=project,
                name=form.cleaned_data["name"],
                arms=form.arms(),
                design=form.design(),
                by=account_of(request).get_username(),
            )
        except REFUSALS as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, "The split is in force; each user keeps the arm they fall into.")
            return redirect("experiments", project.slug)
    found = list(selectors.experiments_of(project=project))
    context = {
        "project": project,
        "page": "experiments",
        "experiments": [{"experiment": one, "pieces": split_pieces(one.arms.all())} for one in found],
        "is_running": any(experiment.is_running for experiment in found),
        "deployments": deployments,
        "form": form,
    }
    return render(request, "experiments/experiments.html", context, status=400 if form.errors else 200)


@require_GET
@project_page
def experiment(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    shown = selectors.experiment_get(project=project, name=name)
    metrics = _metrics(shown)
    points = interval_points(experiment=shown)
    drawn = [one for metric in metrics if (one := forest(shown.results, metric)) is not None]
    decides = shown.metric or (metrics[0] if metrics else "")
    context = {
        "project": project,
        "page": "experiments",
        "experiment": shown,
        "decides": decides,
        "metrics": [
            {"name": one.metric, "forest": one, "history": history_picture(points, one.metric)}
            for one in drawn
            if not one.is_empty or one.metric == decides
        ],
        "empty_metrics": [one.metric for one in drawn if one.is_empty and one.metric != decides],
        "arms": _arms(shown),
        "pieces": split_pieces(shown.arms.all()),
        "rails": _rails(shown),
        "shadows": shadow_feedback(experiment=shown),
    }
    return render(request, "experiments/experiment.html", context)


@require_POST
@project_page
def experiment_stop(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    experiment = selectors.experiment_get(project=project, name=name)
    services.experiment_stop(experiment=experiment, by=account_of(request).get_username())
    messages.success(request, f"{experiment.name} is stopped; the default deployment answers everyone.")
    return redirect("experiment", project.slug, name)


@require_POST
@project_page
def experiment_act(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    """Promote an arm, stop one, or undo a promotion."""
    shown = selectors.experiment_get(project=project, name=name)
    try:
        said = _act(shown, request)
    except REFUSALS as error:
        messages.error(request, error.message)
    else:
        messages.success(request, said)
    return redirect("experiment", project.slug, name)


def _act(shown: Experiment, request: HttpRequest) -> str:
    if request.POST.get("action") == "roll_back":
        back = services.experiment_roll_back(experiment=shown)
        return f"{back.default_before} answers by default again."
    arm = get_object_or_404(shown.arms.select_related("deployment"), name=request.POST.get("arm", "")[:63])
    if request.POST.get("action") == "stop_arm":
        services.arm_stop(arm=arm, why={"by": account_of(request).get_username()})
        return f"{arm.name} is stopped; its users go to the control."
    services.experiment_promote(experiment=shown, arm=arm, by=account_of(request).get_username())
    return f"{arm.deployment} answers by default, and the experiment is over."


def _arms(shown: Experiment) -> list[dict[str, Any]]:
    """Each with the users and items that were counted for it; None where nothing is counted of a shadow."""
    counted = {arm["name"]: arm for arm in shown.results.get("arms", ())}
    return [
        {
            "arm": arm,
            "num_users": counted.get(arm.name, {}).get("num_users") if arm.kind != arm.Kind.SHADOW else None,
            "num_shown": counted.get(arm.name, {}).get("num_shown") if arm.kind != arm.Kind.SHADOW else None,
        }
        for arm in shown.arms.all()
    ]


def _rails(shown: Experiment) -> list[dict[str, Any]]:
    """Where each guardrail stands with each arm; before anything was counted only what was asked for."""
    known: list[dict[str, Any]] = shown.results.get("guardrails") or []
    if known:
        return known
    return [
        {"metric": rail.metric, "harm": rail.harm, "tolerance": rail.tolerance, "state": "waiting", "num_users": 0}
        | {"min_users": rail.min_users, "relative_low": None, "arm": ""}
        for rail in shown.guardrails.all()
    ]


def _metrics(shown: Experiment) -> list[str]:
    """Those that the results have, what it is decided by first."""
    found: list[str] = []
    for arm in shown.results.get("arms", ()):
        found += [metric for metric in arm["metrics"] if metric not in found]
    return sorted(found, key=lambda metric: metric != shown.metric)
