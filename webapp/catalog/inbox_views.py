"""Pages of the inbox: reasons, the events of one reason, one event; and what a person does with them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from engine.spec.strict_json import BrokenJson, read_json
from engine.streams import topics
from webapp.accounts.console import REFUSALS, project_page
from webapp.accounts.models import Project
from webapp.catalog import inbox_selectors as selectors
from webapp.catalog import inbox_services as services
from webapp.catalog.inbox_selectors import TITLES, Selection
from webapp.catalog.inbox_taking import inbox_limit
from webapp.core.errors import Invalid
from webapp.core.pictures.bars import Bar, Bars, bars

PAGE_SIZE = 50
BARS_SHOWN = 10
LAST_SHOWN_MS = 253_402_300_799_000  # the end of the year 9999


def _context(project: Project, **values: Any) -> dict[str, Any]:
    topic = topics.events(project.slug)
    return {"project": project, "page": "inbox", "tab": "inbox", "topic": topic, **values}


@require_GET
@project_page
def inbox(request: HttpRequest, project: Project) -> HttpResponse:
    state = selectors.inbox_state(project=project)
    context = _context(project, state=state, limit=inbox_limit(), picture=_picture(project, state))
    return render(request, "catalog/inbox.html", context)


def _picture(project: Project, state: selectors.InboxState) -> Bars | None:
    """How many there are of each reason and field, most first; one reason alone needs no picture."""
    if len(state.groups) < 2:
        return None
    address = reverse("dead_events", args=[project.slug])
    values = [
        Bar(
            f"{group.title} {group.field}".strip(),
            group.num_all,
            f"{address}?{urlencode({'reason': group.reason, 'field': group.field})}" if group.num_kept else "",
        )
        for group in state.groups[:BARS_SHOWN]
    ]
    return bars(values, unit="messages", title="Bad messages by reason")


@require_GET
@project_page
def dead_events(request: HttpRequest, project: Project) -> HttpResponse:
    selection = Selection(reason=request.GET.get("reason", ""), field=request.GET.get("field", ""))
    cursor = request.GET.get("cursor") or None
    found = selectors.dead_events_page(project=project, selection=selection, cursor=cursor, limit=PAGE_SIZE)
    state = selectors.inbox_state(project=project)
    chosen = (selection.reason, selection.field)
    group = next((one for one in state.groups if (one.reason, one.field) == chosen), None)
    title = TITLES.get(selection.reason or "", selection.reason)
    context = _context(project, found=found, group=group, selection=selection, title=title, is_first=cursor is None)
    return render(request, "catalog/dead_events.html", context)


@require_GET
@project_page
def dead_event(request: HttpRequest, project: Project, dead_event_id: int) -> HttpResponse:
    row = selectors.dead_event_get(project=project, dead_event_id=dead_event_id)
    document = None
    if row.is_whole:
        try:
            document = read_json(row.value)
        except BrokenJson:
            document = None
    has_time = 0 < row.timestamp_ms < LAST_SHOWN_MS
    context = _context(
        project,
        row=row,
        document=document,
        is_json=isinstance(document, dict | list),
        title=TITLES.get(row.reason, row.reason),
        record_time=datetime.fromtimestamp(row.timestamp_ms / 1000, tz=UTC) if has_time else None,
    )
    return render(request, "catalog/dead_event.html", context)


@require_POST
@project_page
def inbox_act(request: HttpRequest, project: Project) -> HttpResponse:
    """Replay or discard what the form says: the ticked, all of a reason and field, or everything."""
    try:
        selection = _selected(request)
        if request.POST.get("act", "").startswith("replay"):
            done = services.dead_events_replay(project=project, selection=selection)
            words, is_good = _words(done)
            (messages.success if is_good else messages.warning)(request, words)
        else:
            num = services.dead_events_discard(project=project, selection=selection)
            messages.success(request, f"{_events(num)} discarded.")
    except REFUSALS as error:
        messages.error(request, error.message)
        return redirect(_back(request, project, still=True))
    return redirect(_back(request, project, still=bool(selection.ids)))


def _selected(request: HttpRequest) -> Selection:
    scope = request.POST.get("act", "").partition(":")[2]
    if scope == "all":
        return Selection()
    if scope == "group":
        return Selection(reason=request.POST.get("reason", ""), field=request.POST.get("field", ""))
    ids = tuple(int(one) for one in request.POST.getlist("ids") if one.isdecimal() and len(one) <= 18)
    if not ids:
        raise Invalid("Tick the events that are meant first.")
    return Selection(ids=ids)


def _back(request: HttpRequest, project: Project, *, still: bool) -> str:
    """To the reason's page while it has any, else to the inbox."""
    reason, field = request.POST.get("reason"), request.POST.get("field", "")
    if still and reason:
        left = selectors.dead_events_page(project=project, selection=Selection(reason=reason, field=field), limit=1)
        if left.rows:
            return f"{reverse('dead_events', args=[project.slug])}?{urlencode({'reason': reason, 'field': field})}"
    return reverse("inbox", args=[project.slug])


def _words(done: services.Replayed) -> tuple[str, bool]:
    words = [f"{_events(done.num_replayed)} replayed."]
    if done.num_repeated:
        words.append(f"{_events(done.num_repeated)} had an id that was accepted before.")
    if done.num_refused:
        words.append(f"{_events(done.num_refused)} still break a rule, and stay.")
    return " ".join(words), not done.num_refused


def _events(number: int) -> str:
    return f"{number:,} event" + ("" if number == 1 else "s")
