"""Pages of how far parameters have travelled."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from webapp.accounts.console import project_page
from webapp.accounts.models import Project
from webapp.core.errors import Invalid
from webapp.registry.models import ModelVersion
from webapp.registry.selectors import model_version
from webapp.serving import selectors
from webapp.serving.sync_page import DEFAULT_WINDOW, WINDOWS, publish_page, sync_now, sync_pictures
from webapp.tracing.services import LONGEST_S, SHORTEST_S
from webapp.training.selectors import versions_trained

MODELS_SHOWN = 30


@require_GET
@project_page
def sync(request: HttpRequest, project: Project) -> HttpResponse:
    followed = _followed(project)
    if not followed:
        return render(request, "serving/sync_empty.html", {"project": project, "page": "sync"})
    return _sync_page(request, project, followed[0], followed)


@require_GET
@project_page
def sync_model(request: HttpRequest, project: Project, name: str, version: int) -> HttpResponse:
    return _sync_page(request, project, model_version(project=project, name=name, version=version), _followed(project))


def _sync_page(
    request: HttpRequest, project: Project, shown: ModelVersion, followed: list[ModelVersion]
) -> HttpResponse:
    window = request.GET.get("window", "")
    window = window if window in WINDOWS else DEFAULT_WINDOW
    context = {
        "project": project,
        "page": "sync",
        "followed": followed if shown in followed else [shown, *followed],
        "window": window,
        "windows": [(key, title) for key, (_, title) in WINDOWS.items()],
        "shortest_s": SHORTEST_S,
        "longest_s": LONGEST_S,
        "publishes": publish_page(model_version=shown, before_id=_before(request)),
        **sync_now(model_version=shown),
        **sync_pictures(model_version=shown, window_s=WINDOWS[window][0]),
    }
    return render(request, "serving/sync.html", context)


def _before(request: HttpRequest) -> int | None:
    """Raises `Invalid`."""
    before = request.GET.get("before", "")
    if before and not (before.isascii() and before.isdigit() and len(before) < 19):
        raise Invalid.field("before", "must be the number of a publish", repr(before[:80]))
    return int(before) if before else None


def _followed(project: Project) -> list[ModelVersion]:
    """Model versions worth following, those that answer by default first: deployed ones, then those being trained."""
    found: dict[int, ModelVersion] = {}
    deployments = sorted(selectors.deployments_of(project=project), key=lambda one: not one.is_default)
    for deployment in deployments:
        for version in (deployment.ranking, deployment.retrieval):
            if version is not None:
                found[version.pk] = version
    for version in versions_trained(project=project)[:MODELS_SHOWN]:
        found.setdefault(version.pk, version)
    return list(found.values())
