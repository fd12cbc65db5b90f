"""Runs: start, look, stop."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from webapp.accounts.authentication import project_of
from webapp.accounts.models import Scope
from webapp.accounts.permissions import ANY_SCOPE
from webapp.core.api import ApiView, ErrorBody
from webapp.core.fields import read
from webapp.registry.selectors import model_get, model_version
from webapp.training import selectors, services
from webapp.training.models import Run
from webapp.training.resuming import run_resume
from webapp.training.run_orders import checkpoint_order
from webapp.training.serializers import (
    MetricsAnswer,
    MetricsQuery,
    RunActionBody,
    RunAnswer,
    RunBody,
    RunDetailAnswer,
    RunsAnswer,
)

MANAGES = (Scope.MANAGE,)
NUM_RUNS = 100


class ModelRunsView(ApiView):
    scopes = {"GET": ANY_SCOPE, "POST": MANAGES}

    @extend_schema(
        operation_id="runs_list",
        summary="List a model's newest runs",
        tags=["runs"],
        responses={200: RunsAnswer, 404: ErrorBody},
    )
    def get(self, request: Request, name: str) -> Response:
        project = project_of(request)
        runs = selectors.runs_of(project=project, model=model_get(project=project, name=name))
        return Response({"runs": [_run(run) for run in runs[:NUM_RUNS]]})

    @extend_schema(
        operation_id="run_start",
        summary="Train a model",
        description="Answers 409 while another run of the same version is at work.",
        tags=["runs"],
        request=RunBody,
        responses={201: RunAnswer, 400: ErrorBody, 404: ErrorBody, 409: ErrorBody},
    )
    def post(self, request: Request, name: str) -> Response:
        body = read(RunBody, request.data)
        project = project_of(request)
        version = model_version(project=project, name=name, version=body["version"])
        earlier = body["start_from"]
        run = services.run_start(
            model_version=version,
            mode=body["mode"],
            until_time=body["until_time"],
            continues_online=body["continues_online"],
            start_from=None if earlier is None else model_version(project=project, name=name, version=earlier),
            input_file=body["input_file"],
        )
        return Response(_run(run), status=201)


class RunView(ApiView):
    scopes = {"GET": ANY_SCOPE, "POST": MANAGES}

    @extend_schema(
        operation_id="run_get", summary="Read a run", tags=["runs"], responses={200: RunDetailAnswer, 404: ErrorBody}
    )
    def get(self, request: Request, run_id: int) -> Response:
        run = selectors.run_get(project=project_of(request), run_id=run_id)
        return Response({**_run(run), "report": run.report, "reported_at": run.reported_at})

    @extend_schema(
        operation_id="run_act",
        summary="Stop a run, resume it, or have it write a checkpoint now",
        description="`resume` goes on with a stopped or failed run from its newest checkpoint. Answers 409 where that cannot be.",
        tags=["runs"],
        request=RunActionBody,
        responses={200: RunAnswer, 400: ErrorBody, 404: ErrorBody, 409: ErrorBody},
    )
    def post(self, request: Request, run_id: int) -> Response:
        action = read(RunActionBody, request.data)["action"]
        run = selectors.run_get(project=project_of(request), run_id=run_id)
        if action == "checkpoint":
            checkpoint_order(run=run, asked_by="API")
        else:
            run = services.run_stop(run=run) if action == "stop" else run_resume(run=run)
        return Response(_run(run))


class RunMetricsView(ApiView):
    scopes = {"GET": ANY_SCOPE}

    @extend_schema(
        operation_id="run_metrics",
        summary="A run's curves, thinned evenly when there are more points than `limit`",
        tags=["runs"],
        parameters=[MetricsQuery],
        responses={200: MetricsAnswer, 404: ErrorBody},
    )
    def get(self, request: Request, run_id: int) -> Response:
        query = read(MetricsQuery, request.query_params.dict())
        run = selectors.run_get(project=project_of(request), run_id=run_id)
        points = [
            {
                "id": point.pk,
                "at": point.at,
                "num_examples": point.num_examples,
                "event_time": point.event_time,
                "values": point.values,
            }
            for point in selectors.run_metrics(run=run, **query)
        ]
        return Response({"metrics": points})


def _run(run: Run) -> dict[str, Any]:
    return {
        "id": run.pk,
        "model": run.model_version.model.name,
        "version": run.model_version.version,
        "mode": run.mode,
        "state": run.state,
        "wanted": run.wanted,
        "until_time": run.until_time,
        "continues_online": run.continues_online,
        "start_from": run.start_from.version if run.start_from else None,
        "input_file": run.input_file,
        "start_offsets": run.start_offsets,
        "end_offsets": run.end_offsets,
        "progress": run.progress,
        "num_examples": run.num_examples,
        "num_restarts": run.num_restarts,
        "num_failures": run.num_failures,
        "retry_at": run.retry_at,
        "latest": run.latest,
        "error": run.error,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
    }
