"""What is done with a model as a whole: compared, archived, taken out again."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webapp.accounts.console import project_page
from webapp.accounts.models import Project
from webapp.registry import selectors
from webapp.registry.archiving import model_archive, model_unarchive, uses_of
from webapp.registry.comparing import compare

VERSIONS_OFFERED = 200


@require_GET
@project_page
def model_compare(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    """Any two versions, `before` and `after`; by default the newest two."""
    model = selectors.model_get(project=project, name=name)
    versions = list(selectors.model_versions(model=model)[:VERSIONS_OFFERED])
    by_number = {str(version.version): version for version in versions}
    after = by_number.get(request.GET.get("after", ""), versions[0])
    earlier = next((version for version in versions if version.version < after.version), after)
    before = by_number.get(request.GET.get("before", ""), earlier)
    context = {
        "project": project,
        "page": "models",
        "model": model,
        "versions": versions,
        "before": before,
        "after": after,
        "comparison": compare(before, after),
    }
    return render(request, "registry/model_compare.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def model_archive_page(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    """Asks first, and says where the model is in use when it is."""
    model = selectors.model_get(project=project, name=name)
    if request.method == "POST":
        model_archive(model=model)
        messages.success(request, f"{name} is archived: hidden from lists, neither trained nor deployed.")
        return redirect("models", project.slug)
    context = {"project": project, "page": "models", "model": model, "uses": uses_of(model=model)}
    return render(request, "registry/model_archive.html", context)


@require_POST
@project_page
def model_unarchive_page(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    model_unarchive(model=selectors.model_get(project=project, name=name))
    messages.success(request, f"{name} is out of the archive.")
    return redirect("model", project.slug, name)
