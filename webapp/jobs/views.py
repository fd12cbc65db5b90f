"""The list of long work with what can be done about it, and the processes that do it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from webapp.accounts.console import project_page
from webapp.accounts.models import Project
from webapp.core.errors import Invalid
from webapp.core.jobs import QUEUES
from webapp.jobs import selectors, services
from webapp.jobs.pulse import pulse_now
from webapp.jobs.sources import kinds_named
from webapp.jobs.work import WorkKind
from webapp.serving.models import Replica
from webapp.serving.selectors import ALIVE_S

STATES = {"": None, "open": True, "ended": False}
PURPOSES = {
    "jobs": "batch runs, searches, imports, exports, batches, replays",
    "trainer": "online runs",
    "joiner": "making examples of events",
    "periodic": "what is due every few seconds",
}


@require_GET
@project_page
def jobs(request: HttpRequest, project: Project) -> HttpResponse:
    kind, state = request.GET.get("kind", ""), request.GET.get("state", "")
    cursor = request.GET.get("cursor", "")
    found = selectors.work_page(project=project, kinds=kinds_named(kind), is_open=STATES.get(state), cursor=cursor)
    leases = selectors.leases_of(rows=found.rows)
    began = selectors.began_by(project=project, rows=found.rows)
    now = timezone.now()
    given = request.GET.copy()
    given.pop("cursor", None)
    context = {
        "project": project,
        "page": "jobs",
        "rows": [
            {
                "work": one,
                "lasted_s": one.lasted_s(now),
                "held": leases.get(one.lease) if one.is_open else None,
                "by": one.by or began.get((one.kind.value, one.id), ""),
            }
            for one in found.rows
        ],
        "next_cursor": found.next_cursor,
        "is_first": not cursor,
        "query": given.urlencode(),
        "kinds": [(each.value, each.label) for each in WorkKind],
        "kind": kind,
        "state": state,
        "here": request.get_full_path(),
    }
    return render(request, "jobs/jobs.html", context)


@require_GET
@project_page
def processes(request: HttpRequest, project: Project) -> HttpResponse:
    pulse = pulse_now()
    now = timezone.now()
    replicas = Replica.objects.filter(positions__deployment__project=project).distinct().order_by("name")
    context = {
        "project": project,
        "page": "jobs",
        "tab": "processes",
        "pulse": pulse,
        "queues": [{"queue": one, "purpose": PURPOSES.get(one.name, "")} for one in pulse.queues] if pulse else [],
        "leases": selectors.project_leases(project=project),
        "replicas": [
            {"replica": one, "is_alive": (now - one.heartbeat_at).total_seconds() < ALIVE_S} for one in replicas
        ],
        "num_queues": len(set(QUEUES.values())),
    }
    return render(request, "jobs/processes.html", context)


@require_POST
@project_page
def job_act(request: HttpRequest, project: Project, kind: str, work_id: int) -> HttpResponse:
    act = request.POST.get("act", "")
    selectors.work_get(project=project, kind=kind, work_id=work_id)
    if act == "stop":
        work = services.work_stop(project=project, kind=kind, work_id=work_id)
        messages.success(request, f"{work.kind.label} {work.id} stops.")
    elif act == "again":
        work = services.work_again(project=project, kind=kind, work_id=work_id)
        words = "goes on" if work.again == "Resume" else "is asked for again"
        messages.success(request, f"{work.kind.label} {work.id} {words}.")
    else:
        raise Invalid.field("act", "must be stop or again", repr(act[:20]))
    back = request.POST.get("back", "")
    if back and url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        return redirect(back)
    return redirect("jobs", project.slug)
