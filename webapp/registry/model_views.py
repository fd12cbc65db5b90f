"""Pages of models: the list, and one model with its versions."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from engine.spec.architecture import kinds_of_retrieval
from engine.spec.definition import ModelDefinition
from webapp.accounts.console import project_page
from webapp.accounts.models import Project
from webapp.registry import selectors
from webapp.registry.definition_words import definition_words
from webapp.registry.differences import differences
from webapp.registry.model_list import deployments_of, listed_models, num_archived
from webapp.registry.outlook import outlook_of
from webapp.registry.reading_order import in_reading_order
from webapp.training import selectors as training
from webapp.training.example_files import run_files

RUNS_SHOWN = 8
VERSIONS_SHOWN = 50


@require_GET
@project_page
def models(request: HttpRequest, project: Project) -> HttpResponse:
    """Those in use, or with `archived` those in the archive."""
    archived = bool(request.GET.get("archived"))
    context = {
        "project": project,
        "page": "models",
        "archived": archived,
        "rows": listed_models(project=project, archived=archived),
        "num_archived": num_archived(project=project),
    }
    return render(request, "registry/models.html", context)


@require_GET
@project_page
def model(request: HttpRequest, project: Project, name: str) -> HttpResponse:
    shown_model = selectors.model_get(project=project, name=name)
    versions = list(selectors.model_versions(model=shown_model)[:VERSIONS_SHOWN])
    wanted = request.GET.get("version", "")
    shown = next((version for version in versions if str(version.version) == wanted), versions[0])
    before = next((version for version in versions if version.version < shown.version), None)
    document = in_reading_order(ModelDefinition, shown.document)
    words = definition_words(document)
    context = {
        "project": project,
        "page": "models",
        "model": shown_model,
        "versions": versions,
        "shown": shown,
        "is_retrieval": shown.document.get("architecture", {}).get("kind") in kinds_of_retrieval(),
        "document": document,
        "words": words,
        "slots": [(slot, words.get("slots", {}).get(slot["name"], "")) for slot in document["slots"]],
        "before": before,
        "differences": differences(in_reading_order(ModelDefinition, before.document), document) if before else [],
        "deployments": deployments_of(project=project, model=shown_model),
        "earlier": [version for version in versions if version.version < shown.version],
        "outlook": outlook_of(project=project, document=document),
        "files": run_files(),
        "runs": training.runs_of(project=project, model=shown_model)[:RUNS_SHOWN],
    }
    return render(request, "registry/model.html", context)
