"""The page of one long job, and its progress alone, which the page asks for while there is any."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from webapp.long_jobs.models import LongJob


def long_job_page(
    request: HttpRequest, *, room: str, template: str, job: LongJob, context: dict[str, Any]
) -> HttpResponse:
    """`<room>/<template>.html`, or with `part=1` `<room>/progress.html`. Both know `is_ended`."""
    context = {**context, "is_ended": job.is_ended}
    if not request.GET.get("part"):
        return render(request, f"{room}/{template}.html", context)
    progress = render(request, f"{room}/progress.html", context)
    if job.is_ended:  # what stands around it has changed with it
        progress["HX-Refresh"] = "true"
    return progress
