"""Pages of searches: starting one from a model version, its trials as they come, and making a trial a version."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from engine.spec.definition import ModelDefinition
from engine.spec.early_stopping import WatchedMetric
from webapp.accounts.console import REFUSALS, account_of, problems_of, project_page, project_stream
from webapp.accounts.models import Project
from webapp.core.sse import sse_response
from webapp.registry.selectors import model_version
from webapp.training import search_selectors as selectors
from webapp.training import search_services as services
from webapp.training.example_files import example_files
from webapp.training.parallel_coordinates import brushes, picture, word_of
from webapp.training.run_list import id_in
from webapp.training.search_form import SHOW, SearchForm

INTERVAL_S = 2.0
MAX_LIFE_S = 300.0
SEARCHES_SHOWN = 50


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def search_new(request: HttpRequest, project: Project, name: str, version: int) -> HttpResponse:
    """The form; what it posts is refused on the same page, as it was typed."""
    base = model_version(project=project, name=name, version=version)
    form = SearchForm(base.document, request.POST.dict() if request.method == "POST" else None)
    context: dict[str, Any] = {
        "project": project, "page": "models", "base": base, "form": form, "metrics": list(WatchedMetric),
        "tasks": ModelDefinition.parse(base.document).tasks, "files": example_files(),
        "stopping": base.document.get("training", {}).get("early_stopping"),
        "searches": selectors.searches_of(project=project, model=base.model)[:SEARCHES_SHOWN],
    }  # fmt: skip
    if request.method == "POST" and form.how != SHOW:
        try:
            started = services.search_start(model_version=base, settings=form.settings())
        except REFUSALS as error:
            context |= {"message": error.message, "problems": problems_of(error)}
        else:
            return redirect("search", project.slug, started.pk)
    return render(request, "training/search_new.html", context, status=400 if "message" in context else 200)


@require_GET
@project_page
def searches(request: HttpRequest, project: Project) -> HttpResponse:
    """All of the project's, newest first, with the best trial of each."""
    before = request.GET.get("before", "")
    found = selectors.searches_page(project=project, before=id_in(before))
    return render(request, "training/searches.html", {"project": project, "page": "searches", "shown": found})


@require_GET
@project_page
def search(request: HttpRequest, project: Project, search_id: int) -> HttpResponse:
    shown = selectors.search_get(project=project, search_id=search_id)
    wanted = request.GET.get("publish", "")
    trials = list(selectors.trials_of(search=shown))
    complete = [trial for trial in trials if trial.state == "complete" and trial.value is not None]
    chosen = next((trial for trial in complete if str(trial.number) == wanted), None)
    context = {
        **_context(shown, project),
        "page": "searches",
        "ended": shown.is_ended,
        "brushes": brushes(selectors.search_settings(shown)),
        "publish": chosen,
        "best": complete[0] if complete and chosen is None else None,
    }
    return render(request, "training/search.html", context)


@require_GET
@project_page
def search_update(_: HttpRequest, project: Project, search_id: int) -> HttpResponse:
    """What the stream sends, asked for once."""
    return JsonResponse(_update(project=project, search_id=search_id))


@require_GET
@project_stream
async def search_live(_: HttpRequest, project: Project, search_id: int) -> HttpResponseBase:
    await sync_to_async(selectors.search_get)(project=project, search_id=search_id)
    return sse_response(_updates(project, search_id), max_life_s=MAX_LIFE_S)


async def _updates(project: Project, search_id: int) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    while True:
        update = await sync_to_async(_update)(project=project, search_id=search_id)
        yield "update", update
        if update["ended"]:
            return
        await asyncio.sleep(INTERVAL_S)


def _update(*, project: Project, search_id: int) -> dict[str, Any]:
    shown = selectors.search_get(project=project, search_id=search_id)
    context = _context(shown, project)
    return {
        "html": render_to_string("training/search_picture.html", context),
        "trials": render_to_string("training/search_trials.html", context),
        "ended": shown.is_ended,
    }


def _context(shown: Any, project: Project) -> dict[str, Any]:
    settings, trials = selectors.search_settings(shown), list(selectors.trials_of(search=shown))
    paths = [each.path for each in settings.varies]
    rows = [
        {
            "trial": trial,
            "cells": [word_of(trial.params.get(path)) for path in paths],
            "num_epochs": len(trial.details.get("epochs", [])) or len(trial.rungs),
            "seeds": [value for value in trial.details.get("seeds", []) if value is not None],
        }
        for trial in trials
    ]
    num_over = sum(trial.state != "running" for trial in trials)
    return {
        "project": project,
        "search": shown,
        "settings": settings,
        "paths": paths,
        "rows": rows,
        "has_epochs": bool(shown.model_version.document.get("training", {}).get("early_stopping")),
        "num_over": num_over,
        "share": num_over / settings.num_trials,
        "picture": picture(settings, trials),
    }


@require_POST
@project_page
def search_stop(request: HttpRequest, project: Project, search_id: int) -> HttpResponse:
    services.search_stop(search=selectors.search_get(project=project, search_id=search_id))
    messages.success(request, "The search stops at the batch it is at; its finished trials stay.")
    return redirect("search", project.slug, search_id)


@require_POST
@project_page
def trial_publish(request: HttpRequest, project: Project, search_id: int, number: int) -> HttpResponse:
    found = selectors.search_get(project=project, search_id=search_id)
    try:
        made = services.trial_publish(
            trial=selectors.trial_get(search=found, number=number), account=account_of(request)
        )
    except REFUSALS as error:
        messages.error(request, error.message)
        return redirect("search", project.slug, search_id)
    messages.success(request, f"Trial {number} is now {made}. Train it to use it.")
    return redirect("model", project.slug, made.model.name)
