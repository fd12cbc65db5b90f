"""The inspector: a recommendation by its id, or a user now, from request to answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from engine.spec.schema import EventRole
from webapp.accounts.console import REFUSALS, problems_of, project_page
from webapp.accounts.models import Project
from webapp.catalog.selectors import item_properties, recent_events
from webapp.experiments.choosing import Chosen
from webapp.inspecting.asking import Tried, rerun, tried
from webapp.inspecting.explained import Explained, explained_of
from webapp.inspecting.finding import recommendation_find
from webapp.inspecting.forms import AskForm, FindForm
from webapp.inspecting.logged import Logged, logged_of
from webapp.serving.preview_comparing import compared, explanation_of, reasons_of
from webapp.serving.try_page import suggested_users

RECENT_LOOKED_AT = 300
RECENT_SHOWN = 12


@require_safe
@project_page
def inspector(request: HttpRequest, project: Project) -> HttpResponse:
    find = FindForm(request.GET if "recommendation_id" in request.GET else None)
    asked = {"k": "10", **request.GET.dict()} if "user_id" in request.GET else None
    ask = AskForm(asked, project=project, initial={"k": 10})
    context: dict[str, Any] = {"project": project, "page": "inspector", "find_form": find, "ask_form": ask}
    status = 200
    if find.is_bound:
        found, status = _recommendation(project, find)
        context |= found
        if request.GET.get("part") == "rerun":
            return render(request, "inspecting/rerun.html", {**context, **_rerun(project, context.get("logged"))})
        if request.GET.get("rerun"):
            context |= _rerun(project, context.get("logged"))
    elif ask.is_bound:
        context |= _trial(project, ask) if ask.is_valid() else {}
        status = 200 if ask.is_valid() else 400
    else:
        context["recent"] = _recent(project)
    recent = context.get("recent")
    # The events that say what was given lately also say to whom.
    context["users"] = list({one["user_id"]: None for one in recent}) if recent else suggested_users(project=project)
    return render(request, "inspecting/inspector.html", context, status=status)


def _recommendation(project: Project, form: FindForm) -> tuple[dict[str, Any], int]:
    if not form.is_valid():
        return {}, 400
    data = form.cleaned_data
    at: datetime | None = data["at"]
    near_ms = None if at is None else int(at.replace(tzinfo=at.tzinfo or UTC).timestamp() * 1000)
    wanted = data["recommendation_id"].strip()
    found = recommendation_find(project=project, recommendation_id=wanted, near_ms=near_ms)
    if found is None:
        return {"missing": wanted, "near": at}, 404
    logged = logged_of(project=project, found=found)
    return {"found": found, "logged": logged, "by_place": [*logged.items]}, 200


def _rerun(project: Project, logged: Logged | None) -> dict[str, Any]:
    """What the same request would answer now, beside what was shown."""
    if logged is None or logged.served is None:
        return {"rerun_refused": "The log does not say which deployment answered, so it cannot be asked again."}
    try:
        reply = rerun(project=project, logged=logged)
    except REFUSALS as error:
        return {"rerun_refused": error.message}
    explained = explained_of(reply)
    shown = [item.item_id for item in logged.items]
    now = [item.item_id for item in explained.items]
    reasons = reasons_of(explanation_of(reply))
    gone = {item_id: reasons.get(item_id, "no source brought it") for item_id in shown if item_id not in now}
    return {
        "explained": explained,
        "beside": [
            {
                "place": place + 1,
                "then": shown[place] if place < len(shown) else "",
                "gone": gone.get(shown[place], "") if place < len(shown) else "",
                "now": now[place] if place < len(now) else "",
                "move": shown.index(now[place]) - place if place < len(now) and now[place] in shown else None,
                "fell": place - shown.index(now[place]) if place < len(now) and now[place] in shown else 0,
            }
            for place in range(max(len(shown), len(now)))
        ],
        "num_same": sum(one == other for one, other in zip(shown, now, strict=False)),
        "properties": _properties(project, explained),
        "is_rerun": True,
    }


def _trial(project: Project, form: AskForm) -> dict[str, Any]:
    asked, other = form.asked(), form.compared_with()
    try:
        chosen, reply = tried(project=project, asked=asked)
        second = None if other is None else tried(project=project, asked=other)
    except REFUSALS as error:
        return {"refused": error.message, "problems": problems_of(error)}
    explained = explained_of(reply)
    context: dict[str, Any] = {
        "asked": asked,
        "chosen": chosen,
        "explained": explained,
        "properties": _properties(project, explained),
    }
    if other is not None and second is not None:
        context |= {
            "other": other,
            "other_chosen": second[0],
            "comparison": compared(reply, second[1]),
            "titles": (_title(asked, chosen), _title(other, second[0])),
        }
    return context


def _title(asked: Tried, chosen: Chosen) -> str:
    return f"{asked.user_id or 'nobody'}, by {chosen.deployment.name}"


def _properties(project: Project, explained: Explained) -> dict[str, dict[str, Any]]:
    return item_properties(project=project, item_ids=[item.item_id for item in explained.items])


def _recent(project: Project) -> list[dict[str, Any]]:
    """The newest recommendations in the log, each once."""
    recent: dict[str, dict[str, Any]] = {}
    for event in recent_events(project=project, limit=RECENT_LOOKED_AT):
        if event.role is EventRole.IMPRESSION and event.recommendation_id and event.recommendation_id not in recent:
            recent[event.recommendation_id] = {
                "id": event.recommendation_id,
                "at": datetime.fromtimestamp(event.received_ms / 1000, tz=UTC),
                "user_id": event.user_id,
                "served": event.served,
                "items": event.item_ids,
            }
        if len(recent) == RECENT_SHOWN:
            break
    return list(recent.values())
