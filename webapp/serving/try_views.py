"""The try-it page: ask, click, and see the answer change once parameters have learned from the click."""

from __future__ import annotations

import time
import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from engine.spec.schema import EventRole, Schema
from webapp.accounts.console import REFUSALS, project_page
from webapp.accounts.models import Project
from webapp.catalog.services import events_ingest
from webapp.registry.selectors import schema_document
from webapp.serving.forms import TryForm
from webapp.serving.services import recommend
from webapp.serving.try_page import Click, Coverage, Trial, coverage_of, fallen_out, ranked, suggested_users

WAIT_LIMIT_S = 120.0


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def try_it(request: HttpRequest, project: Project) -> HttpResponse:
    trial = _trial(request, project)
    form = TryForm(_posted(request), initial={"user_id": trial.user_id, "k": trial.k} if trial else {"k": 10})
    if request.method == "POST" and form.is_valid():
        user_id, k = form.cleaned_data["user_id"], form.cleaned_data["k"]
        try:
            answer = recommend(project=project, user_id=user_id, k=k, context={}, exclude=())
        except REFUSALS as error:
            form.add_error(None, error.message)
        else:
            _keep(request, project, Trial(user_id, k, answer))
            return redirect("try_it", project.slug)
    context = {
        "project": project,
        "page": "try_it",
        "form": form,
        "users": suggested_users(project=project),
        "action": _action(schema_document(project=project)),
        **_trial_context(project, trial),
    }
    return render(request, "serving/try_it.html", context, status=400 if form.errors else 200)


@require_POST
@project_page
def try_click(request: HttpRequest, project: Project) -> HttpResponse:
    trial, action = _trial(request, project), _action(schema_document(project=project))
    if trial is None or action is None:
        return redirect("try_it", project.slug)
    if trial.after is not None:  # the click is on the newer answer, which becomes the one to compare with
        trial.answer, trial.after = trial.after, None
    item_id = request.POST.get("item_id", "")
    row = {
        "event_id": uuid.uuid4().hex,
        "type": action,
        "user_id": trial.user_id,
        "item_id": item_id,
        "recommendation_id": trial.answer["recommendation_id"],
    }
    result = events_ingest(project=project, rows=[row], source="console").results[0]
    if result.partition is None or result.offset is None:
        broken = "; ".join(f"{problem.field} {problem.rule}" for problem in result.problems)
        messages.error(request, f"The {action} was not accepted: {broken}")
        return redirect("try_it", project.slug)
    trial.click = Click(item_id, result.partition, result.offset, accepted_s=time.time())
    _keep(request, project, trial)
    return redirect("try_it", project.slug)


@require_POST
@project_page
def try_after(request: HttpRequest, project: Project) -> HttpResponse:
    """Look whether the click has been learned from; once it has, ask again and keep the new answer. htmx asks for the part alone."""
    trial = _trial(request, project)
    coverage = Coverage()
    if trial and trial.click and trial.after is None:
        coverage = coverage_of(project=project, answer=trial.answer, click=trial.click)
        if coverage.is_complete:
            trial.click.served_after_s = trial.click.served_after_s or time.time() - trial.click.accepted_s
            try:
                trial.after = recommend(project=project, user_id=trial.user_id, k=trial.k, context={}, exclude=())
            except REFUSALS as error:  # a replica that was there a moment ago; the next look asks again
                messages.error(request, error.message)
            _keep(request, project, trial)
    if not getattr(request, "htmx", False):
        return redirect("try_it", project.slug)
    context = {"project": project, **_trial_context(project, trial, coverage)}
    context["action"] = _action(schema_document(project=project))
    return render(request, "serving/try_answer.html", context)


def _posted(request: HttpRequest) -> dict[str, str] | None:
    """The form as it was sent; a user of the suggestions is asked for like one that is typed."""
    if request.method != "POST":
        return None
    posted = {name: str(value) for name, value in request.POST.items()}
    return posted | {"user_id": posted["seen_user"]} if posted.get("seen_user") else posted


def _trial_context(project: Project, trial: Trial | None, coverage: Coverage | None = None) -> dict[str, Any]:
    if trial is None:
        return {"trial": None}
    context: dict[str, Any] = {
        "trial": trial,
        "items": ranked(project=project, answer=trial.answer, click=trial.click),
        "models": trial.answer["models"],
    }
    if trial.click and trial.after is None:
        waited_s = time.time() - trial.click.accepted_s
        context |= {
            "coverage": coverage or coverage_of(project=project, answer=trial.answer, click=trial.click),
            "waited_s": waited_s,
            "is_waiting": waited_s < WAIT_LIMIT_S,
        }
    if trial.after:
        context |= {
            "items_after": ranked(project=project, answer=trial.after, click=trial.click, before=trial.answer),
            "fallen_out": fallen_out(before=trial.answer, after=trial.after),
            "models": trial.after["models"],
        }
    return context


def _action(schema: Schema) -> str | None:
    """The event type a click on the page posts: `click` when it is declared an action, else the first action."""
    actions = [name for name, declared in schema.events.items() if declared.role is EventRole.ACTION]
    return "click" if "click" in actions else next(iter(actions), None)


def _session_key(project: Project) -> str:
    return f"trial:{project.pk}"


def _trial(request: HttpRequest, project: Project) -> Trial | None:
    return Trial.from_session(request.session.get(_session_key(project)))


def _keep(request: HttpRequest, project: Project, trial: Trial) -> None:
    request.session[_session_key(project)] = trial.as_session()
