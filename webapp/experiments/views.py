"""The page of experiments: what runs, what ran, and a new split."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from webapp.accounts.console import REFUSALS, project_page
from webapp.accounts.models import Project
from webapp.experiments import selectors, services
from webapp.experiments.forms import ExperimentForm
from webapp.serving.selectors import deployments_of


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def experiments(request: HttpRequest, project: Project) -> HttpResponse:
    deployments = list(deployments_of(project=project).filter(is_active=True))
    form = ExperimentForm(request.POST or None, deployments=deployments)
    if request.method == "POST" and form.is_valid():
        try:
            services.experiment_start(project=project, name=form.cleaned_data["name"], arms=form.arms())
        except REFUSALS as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, "The split is in force; each user keeps the arm they fall into.")
            return redirect("experiments", project.slug)
    found = list(selectors.experiments_of(project=project))
    context = {
        "project": project,
        "page": "experiments",
        "experiments": found,
        "is_running": any(experiment.is_running for experiment in found),
        "deployments": deployments,
        "form": form,
    }
    return render(request, "experiments/experiments.html", context, status=400 if form.errors else 200)


@require_POST
@project_page
def experiment_stop(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    experiment = selectors.experiment_get(project=project, name=name)
    services.experiment_stop(experiment=experiment)
    messages.success(request, f"{experiment.name} is stopped; the default deployment answers everyone.")
    return redirect("experiments", project.slug)
