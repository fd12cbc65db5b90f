"""Hyper-parameter searches: start, look, stop, and make a trial a version."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from webapp.accounts.authentication import project_of
from webapp.accounts.models import Scope
from webapp.accounts.permissions import ANY_SCOPE
from webapp.core.api import ApiView, ErrorBody
from webapp.core.errors import Invalid
from webapp.core.fields import read
from webapp.registry.selectors import model_get, model_version
from webapp.training import search_selectors as selectors
from webapp.training import search_services as services
from webapp.training.search_models import Search, Trial
from webapp.training.search_serializers import (
    SearchActionBody,
    SearchBody,
    SearchDetailAnswer,
    SearchesAnswer,
)

MANAGES = (Scope.MANAGE,)
NUM_SEARCHES = 100


class ModelSearchesView(ApiView):
    scopes = {"GET": ANY_SCOPE, "POST": MANAGES}

    @extend_schema(
        operation_id="searches_list",
        summary="List a model's newest searches",
        tags=["searches"],
        responses={200: SearchesAnswer, 404: ErrorBody},
    )
    def get(self, request: Request, name: str) -> Response:
        project = project_of(request)
        found = selectors.searches_of(project=project, model=model_get(project=project, name=name))
        return Response({"searches": [_search(search) for search in found[:NUM_SEARCHES]]})

    @extend_schema(
        operation_id="search_start",
        summary="Search for better settings of a model",
        description="Each trial learns the project's earlier examples with other values and is judged by the last, each scored "
        "before it is learned. Answers 409 while another search of the same model is at work.",
        tags=["searches"],
        request=SearchBody,
        responses={201: SearchDetailAnswer, 400: ErrorBody, 404: ErrorBody, 409: ErrorBody},
    )
    def post(self, request: Request, name: str) -> Response:
        body = read(SearchBody, request.data)
        version = model_version(project=project_of(request), name=name, version=body["version"])
        return Response(_detail(services.search_start(model_version=version, settings=body["settings"])), status=201)


class SearchView(ApiView):
    scopes = {"GET": ANY_SCOPE, "POST": MANAGES}

    @extend_schema(
        operation_id="search_get",
        summary="Read a search and its trials",
        tags=["searches"],
        responses={200: SearchDetailAnswer, 404: ErrorBody},
    )
    def get(self, request: Request, search_id: int) -> Response:
        return Response(_detail(selectors.search_get(project=project_of(request), search_id=search_id)))

    @extend_schema(
        operation_id="search_act",
        summary="Stop a search, or make a trial a model version",
        tags=["searches"],
        request=SearchActionBody,
        responses={200: SearchDetailAnswer, 400: ErrorBody, 404: ErrorBody, 409: ErrorBody},
    )
    def post(self, request: Request, search_id: int) -> Response:
        body = read(SearchActionBody, request.data)
        search = selectors.search_get(project=project_of(request), search_id=search_id)
        if body["action"] == "stop":
            return Response(_detail(services.search_stop(search=search)))
        if body["trial"] is None:
            raise Invalid.field("trial", "must be the number of a trial", "nothing")
        trial = selectors.trial_get(search=search, number=body["trial"])
        return Response(_detail(search, services.trial_publish(trial=trial).version))


def _search(search: Search) -> dict[str, Any]:
    return {
        "id": search.pk,
        "model": search.model_version.model.name,
        "version": search.model_version.version,
        "settings": search.settings,
        "state": search.state,
        "wanted": search.wanted,
        "error": search.error,
        "created_at": search.created_at,
        "started_at": search.started_at,
        "finished_at": search.finished_at,
    }


def _detail(search: Search, published_version: int | None = None) -> dict[str, Any]:
    trials = [_trial(trial) for trial in selectors.trials_of(search=search)]
    return {**_search(search), "trials": trials, "published_version": published_version}


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "params": trial.params,
        "state": trial.state,
        "value": trial.value,
        "rungs": trial.rungs,
        "details": trial.details,
        "error": trial.error,
        "started_at": trial.started_at,
        "finished_at": trial.finished_at,
    }
