"""A deployment's document over the API: checked, numbered, kept, and gone back to."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from engine.spec.deployment import DeploymentDocument
from tests.webapp.client import DEFINITION, RANKING_DEFINITION, Api
from webapp.accounts.models import Project
from webapp.accounts.services import DEFAULT_SCHEMA
from webapp.registry.services import model_publish, schema_publish
from webapp.serving.models import Deployment, DeploymentRevision
from webapp.serving.selectors import deployments_active

DEFAULTS = DeploymentDocument().as_json()
LATEST = {"retrieval": {"sources": [{"kind": "latest", "quota": 50}]}}


@pytest.fixture(autouse=True)
def _models(project: Project) -> None:
    items = {"title": {"type": "string"}, "category": {"type": "string"}, "price": {"type": "float"}}
    schema_publish(project=project, document={**DEFAULT_SCHEMA, "items": items})
    model_publish(project=project, name="retrieval", document=DEFINITION)
    model_publish(project=project, name="ranking", document=RANKING_DEFINITION)


def put(api: Api, **body: Any) -> Any:
    return api.put("/deployments/main", {"retrieval": {"name": "retrieval"}, "ranking": {"name": "ranking"}, **body})


def problems(answer: Any) -> dict[str, str]:
    assert answer.status_code == 400, answer.json()
    return {one["field"]: one["rule"] for one in answer.json()["extra"]["problems"]}


def test_it_writes_every_default_out(api: Api) -> None:
    made = put(api).json()
    assert (made["document"], made["revision"]) == (DEFAULTS, 1)


def test_it_keeps_the_document_of_a_change_that_names_none(api: Api) -> None:
    put(api, document=LATEST)
    changed = put(api, ranking=None).json()
    assert (changed["ranking"], changed["revision"]) == (None, 2)
    assert changed["document"]["retrieval"]["sources"] == LATEST["retrieval"]["sources"]
    assert put(api, ranking=None, document={}).json()["document"] == DEFAULTS


def test_it_numbers_what_changed_and_nothing_else(api: Api) -> None:
    put(api)
    put(api, document={}, note="the same")
    put(api, document=LATEST, note="newest only")
    found = api.get("/deployments/main/revisions").json()["revisions"]
    assert [(one["revision"], one["note"]) for one in found] == [(2, "newest only"), (1, "")]
    assert {one["created_by"] for one in found} == {"API key test"}
    older = api.get("/deployments/main/revisions?before=2").json()["revisions"]
    assert [(one["revision"], one["document"], one["ranking"]) for one in older] == [
        (1, DEFAULTS, {"name": "ranking", "version": 1})
    ]


def test_it_goes_back_to_any_revision_whole(api: Api) -> None:
    put(api)
    put(api, document=LATEST)
    put(api, ranking=None)
    to_first = api.post("/deployments/main/rollback", {"revision": 1}).json()
    assert (to_first["revision"], to_first["document"], to_first["ranking"]["name"]) == (4, DEFAULTS, "ranking")
    undone = api.post("/deployments/main/rollback", {}).json()
    assert (undone["revision"], undone["ranking"]) == (5, None)
    assert undone["document"]["retrieval"]["sources"] == LATEST["retrieval"]["sources"]
    assert api.get("/deployments/main/revisions").json()["revisions"][0]["note"] == "back to revision 3"
    assert api.post("/deployments/main/rollback", {"revision": 9}).status_code == 404
    assert api.post("/deployments/main/rollback", {"revision": 0}).status_code == 400


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"filters": "x"}, "document.filters"),
        ({"timeout_ms": 1}, "document.timeout_ms"),
        ({"score": {"kind": "product", "weights": {"purchase": 1}}}, "document.score.weights.purchase"),
        ({"calibration": {"purchase": {}}}, "document.calibration.purchase"),
        ({"caps": [{"property": "colour", "max_items": 1}]}, "document.caps.0.property"),
        ({"diversity": {"kind": "mmr", "by": "colour"}}, "document.diversity.by"),
        ({"seen": {"event_types": ["sneeze"]}}, "document.seen.event_types.0"),
        ({"filter": "item.colour = 'red'"}, "document.filter"),
        ({"filter": "item.price <"}, "document.filter"),
        ({"promotions": [{"name": "p", "items": ["a", "nul\x00"], "slots": [1]}]}, "document.promotions.0.items.1"),
        ({"boosts": [{"when": "item.price < 9"}, {"when": "item.price"}]}, "document.boosts.1.when"),
        ({"promotions": [{"name": "p", "when": "1 = 'a'", "slots": [1]}]}, "document.promotions.0.when"),
        ({"filter": "item.price < $max", "parameters": {"max": "dear"}}, "document.parameters.max"),
        ({"filter": "item.price < $x", "boosts": [{"when": "item.category = $x"}]}, "document.boosts.0.when"),
    ],
)
def test_it_names_what_does_not_fit_the_schema_or_the_models(api: Api, document: dict[str, Any], field: str) -> None:
    assert list(problems(put(api, document=document))) == [field]
    assert api.get("/deployments/main").status_code == 404


def test_it_takes_tasks_of_the_model_and_properties_of_the_schema(api: Api) -> None:
    document = {
        "score": {"kind": "product", "weights": {"click": 1.5}},
        "calibration": {"click": {"slope": 0.9}},
        "caps": [{"property": "category", "max_items": 2}],
        "diversity": {"kind": "mmr", "by": "category"},
        "seen": {"event_types": ["click"]},
        "filter": "item.price < $max and (item.category is null or item.category not in $without)",
        "boosts": [{"when": "item.price < 10", "multiply": 1.2}],
        "parameters": {"max": 100},
    }
    assert put(api, document=document).status_code == 200
    assert "document.score.weights.click" in problems(put(api, ranking=None))
    assert "document.diversity.by" in problems(put(api, retrieval=None, document={"diversity": {"kind": "dpp"}}))


def test_it_deploys_without_models_what_asks_for_none(api: Api) -> None:
    assert list(problems(api.put("/deployments/main", {"document": {}}))) == ["document.retrieval.sources.0.kind"]
    assert api.put("/deployments/main", {"document": LATEST}).status_code == 200


def test_it_tells_replicas_the_document_and_its_number(api: Api) -> None:
    put(api, document=LATEST)
    put(api, document={**LATEST, "timeout_ms": 250})
    (active,) = deployments_active()
    assert (active.revision, DeploymentDocument.parse(active.document).timeout_ms) == (2, 250)


def test_it_keeps_revisions_to_their_project(api: Api, other_project: Project, api_of: Any) -> None:
    put(api)
    rival = api_of(other_project)
    assert rival.get("/deployments/main/revisions").status_code == 404
    assert rival.post("/deployments/main/rollback", {"revision": 1}).status_code == 404


def test_it_gives_deployments_of_before_their_revisions(project: Project) -> None:
    connection.check_constraints()
    executor = MigrationExecutor(connection)
    executor.migrate([("serving", "0003_deployment_rollback")])
    before = executor.loader.project_state([("serving", "0003_deployment_rollback")]).apps
    versions = before.get_model("registry", "ModelVersion").objects
    retrieval, ranking = versions.get(model__name="retrieval"), versions.get(model__name="ranking")
    deployments = before.get_model("serving", "Deployment").objects
    deployments.create(project_id=project.pk, name="new", retrieval=retrieval, is_default=True)
    deployments.create(
        project_id=project.pk, name="old", retrieval=retrieval, ranking=ranking, previous_retrieval=retrieval
    )

    connection.check_constraints()  # PostgreSQL alters no table with checks pending

    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())
    assert [(one.name, one.revision, one.document) for one in Deployment.objects.order_by("name")] == [
        ("new", 1, DEFAULTS),
        ("old", 2, DEFAULTS),
    ]
    revisions = DeploymentRevision.objects.order_by("deployment__name", "number")
    assert [(one.number, one.retrieval_id, one.ranking_id) for one in revisions] == [
        (1, retrieval.pk, None),
        (1, retrieval.pk, None),
        (2, retrieval.pk, ranking.pk),
    ]
