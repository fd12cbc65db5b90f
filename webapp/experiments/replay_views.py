"""Replays on a deployment's page: asked for, watched, stopped."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from engine.spec.schema import EventRole
from webapp.accounts.console import REFUSALS, account_of, project_page
from webapp.accounts.models import Project
from webapp.experiments.replay_selectors import replay_get, replays_of
from webapp.experiments.replay_services import MAX_ANSWERS, MAX_HOURS, Wanted, replay_start, replay_stop
from webapp.registry.selectors import schema_document
from webapp.serving.deployment_selectors import deployment_get, deployments_of
from webapp.serving.models import Deployment

SHOWN = 5


class ReplayForm(forms.Form):
    event_type = forms.ChoiceField(label="Action")
    logged = forms.ChoiceField(label="Answers of", required=False)
    hours = forms.IntegerField(label="Hours back", min_value=1, max_value=MAX_HOURS, initial=24)
    max_answers = forms.IntegerField(label="At most", min_value=1, max_value=MAX_ANSWERS, initial=5_000)

    def __init__(self, data: QueryDict | None = None, *, project: Project) -> None:
        super().__init__(data, auto_id="replay_%s")
        events = schema_document(project=project).events
        actions = [(name, name) for name, declared in events.items() if declared.role is EventRole.ACTION]
        names = [(one.name, one.name) for one in deployments_of(project=project)]
        for field, choices in (("event_type", actions), ("logged", [("", "every deployment"), *names])):
            found = self.fields[field]
            assert isinstance(found, forms.ChoiceField)
            found.choices = choices


def replays_context(deployment: Deployment) -> dict[str, Any]:
    """What `serving/replays.html` shows."""
    found = list(replays_of(deployment=deployment)[:SHOWN])
    return {"replays": found, "is_replaying": any(replay.is_open for replay in found)}


@require_GET
@project_page
def deployment_replays(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    """The list alone, for a page that is open while a replay is at work."""
    shown = deployment_get(project=project, name=name)
    context = {"project": project, "deployment": shown, **replays_context(shown)}
    return render(request, "serving/replays.html", context)


@require_POST
@project_page
def deployment_replay(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    shown = deployment_get(project=project, name=name)
    form = ReplayForm(request.POST, project=project)
    if not form.is_valid():
        said = "; ".join(f"{field}: {errors.as_text()}" for field, errors in form.errors.items())
        messages.error(request, f"The replay cannot begin: {said}")
        return redirect("deployment", project.slug, name)
    try:
        replay_start(deployment=shown, wanted=Wanted(**form.cleaned_data), by=account_of(request).get_username())
    except REFUSALS as error:
        messages.error(request, error.message)
    else:
        messages.success(request, "The replay begins as soon as a worker is free.")
    return redirect("deployment", project.slug, name)


@require_POST
@project_page
def replay_stop_page(request: HttpRequest, project: Project, replay_id: int) -> HttpResponse:
    found = replay_stop(replay=replay_get(project=project, replay_id=replay_id))
    messages.success(request, "The replay stops.")
    return redirect("deployment", project.slug, found.deployment.name)
