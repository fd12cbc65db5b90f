"""A key sees its own project and nothing of another, at every endpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import get_resolver

from engine.streams import topics
from engine.streams.log import EventLog
from tests.webapp.client import DEFINITION, Api
from tests.webapp.dead_letters import dead_event
from webapp.accounts.models import Project
from webapp.batches.models import Batch
from webapp.catalog.models import Item, User
from webapp.catalog.services import item_put, user_put
from webapp.erasure.services import erasure_order
from webapp.experiments.models import Replay
from webapp.experiments.services import experiment_start
from webapp.registry.services import model_publish
from webapp.serving.models import Deployment
from webapp.serving.services import deployment_put
from webapp.training.models import Run
from webapp.training.search_services import search_start
from webapp.training.services import run_report, run_start


@pytest.fixture
def run(project: Project) -> Run:
    """One of everything in the project `shop`."""
    item_put(project=project, item_id="tea", properties={"title": "Tea"})
    user_put(project=project, user_id="u1", properties={})
    version = model_publish(project=project, name="retrieval", document=DEFINITION)
    main = deployment_put(project=project, name="main", retrieval=version, ranking=None)
    other = deployment_put(project=project, name="other", retrieval=version, ranking=None)
    experiment_start(project=project, name="first", arms=[(main, 5000), (other, 5000)])
    search_start(model_version=version, settings=SEARCH)
    started = run_start(model_version=version, mode="online")
    dead_event(project)
    Batch.objects.create(project=project, deployment="main", k=1, state="succeeded")
    Replay.objects.create(project=project, deployment=main, event_type="click", hours=1, max_answers=1)
    run_report(run=started, values={"loss": 1.0}, num_examples=1, event_time=None)
    return started


@pytest.fixture
def rival(other_project: Project, api_of: Callable[..., Api]) -> Api:
    return api_of(other_project)


SEARCH = {"varies": [{"kind": "choice", "path": "training.batch_size", "values": [64, 128]}]}
CALLS: dict[tuple[str, str], tuple[Any, Any]] = {
    # (method, address): (body, what a key of another project is answered: a status, or a body)
    ("get", "/items"): (None, {"items": [], "next_cursor": None}),
    ("get", "/items/tea"): (None, 404),
    ("patch", "/items/tea"): ({"properties": {"title": "mine"}}, 404),
    ("delete", "/items/tea"): (None, 404),
    ("get", "/users"): (None, {"users": [], "next_cursor": None}),
    ("get", "/users/u1"): (None, 404),
    ("patch", "/users/u1"): ({"properties": {}}, 404),
    ("delete", "/users/u1"): (None, 404),
    ("get", "/erasures"): (None, {"erasures": [], "next_cursor": None}),
    ("get", "/erasures/{erasure}"): (None, 404),
    ("get", "/dead-events"): (None, {"dead_events": [], "next_cursor": None}),
    ("get", "/dead-events/reasons"): (None, {"reasons": [], "limit": 10_000, "flooded_at": None}),
    ("get", "/dead-events/{dead_event}"): (None, 404),
    ("post", "/dead-events/replay"): ({"all": True}, {"replayed": 0, "repeated": 0, "refused": 0}),
    ("post", "/dead-events/discard"): ({"all": True}, {"discarded": 0}),
    ("post", "/recommend"): ({"user_id": "u1", "deployment": "main"}, 404),
    ("post", "/rank"): ({"user_id": "u1", "candidates": ["tea"], "deployment": "main"}, 404),
    ("post", "/similar"): ({"item_id": "tea", "deployment": "main"}, 404),
    ("get", "/batch-recommendations"): (None, {"batches": []}),
    ("post", "/batch-recommendations"): ({"deployment": "main"}, 404),
    ("get", "/batch-recommendations/{batch}"): (None, 404),
    ("post", "/batch-recommendations/{batch}"): ({"action": "stop"}, 404),
    ("delete", "/batch-recommendations/{batch}"): (None, 404),
    ("get", "/batch-recommendations/{batch}/result"): (None, 404),
    ("get", "/models"): (None, {"models": []}),
    ("get", "/models/retrieval"): (None, 404),
    ("get", "/models/retrieval/sync"): (None, 404),
    ("post", "/models/retrieval/snapshot"): ({}, 404),
    ("post", "/models/retrieval/resync"): ({"replica": "replica-1"}, 404),
    ("post", "/replicas/replica-1/drain"): ({}, 404),
    ("delete", "/replicas/replica-1/drain"): (None, 404),
    ("get", "/models/retrieval/runs"): (None, 404),
    ("post", "/models/retrieval/runs"): ({"mode": "batch"}, 404),
    ("get", "/models/retrieval/searches"): (None, 404),
    ("post", "/models/retrieval/searches"): ({"settings": SEARCH}, 404),
    ("get", "/searches/{search}"): (None, 404),
    ("post", "/searches/{search}"): ({"action": "stop"}, 404),
    ("get", "/runs/{run}"): (None, 404),
    ("post", "/runs/{run}"): ({"action": "stop"}, 404),
    ("get", "/runs/{run}/metrics"): (None, 404),
    ("get", "/deployments"): (None, {"deployments": []}),
    ("get", "/deployments/main"): (None, 404),
    ("put", "/deployments/main"): ({"retrieval": {"name": "retrieval"}}, 404),
    ("delete", "/deployments/main"): (None, 404),
    ("post", "/deployments/main/rollback"): ({}, 404),
    ("get", "/deployments/main/revisions"): (None, 404),
    ("get", "/deployments/main/feedback"): (None, 404),
    ("get", "/deployments/main/replays"): (None, 404),
    ("post", "/deployments/main/replays"): ({}, 404),
    ("get", "/replays/{replay}"): (None, 404),
    ("post", "/replays/{replay}"): ({"action": "stop"}, 404),
    ("get", "/experiments"): (None, {"experiments": []}),
    ("post", "/experiments"): ({"name": "mine", "arms": [{"deployment": "main", "share": 1}]}, 404),
    ("get", "/experiments/first"): (None, 404),
    ("post", "/experiments/first"): ({"action": "stop"}, 404),
}
OWN_WRITES: dict[tuple[str, str], Any] = {
    ("post", "/events"): [{"type": "click", "user_id": "u1", "item_id": "tea"}],
    ("put", "/items"): [{"id": "tea", "properties": {"title": "mine"}}],
    ("put", "/items/tea"): {"properties": {"title": "mine"}},
    ("put", "/users"): [{"id": "u1"}],
    ("put", "/users/u1"): {"properties": {}},
    ("get", "/schema"): None,
    ("put", "/schema"): {"document": {"events": {"click": {}, "view": {"role": "impression"}}}},
    ("post", "/models"): {"name": "retrieval", "definition": DEFINITION},
    ("put", "/models/retrieval"): {"definition": {**DEFINITION, "training": {"batch_size": 64}}},
    ("post", "/erasures"): {"kind": "user", "id": "u1"},
}


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_it_shows_a_key_nothing_of_another_project(rival: Api, run: Run, method: str, path: str) -> None:
    body, expected = CALLS[method, path]
    dead = run.project.dead_events.get()
    ids = {
        "run": run.pk,
        "search": run.project.searches.get().pk,
        "dead_event": dead.pk,
        "replay": run.project.replays.get().pk,
        "batch": Batch.objects.get(project=run.project).pk,
        "erasure": erasure_order(project=run.project, kind="user", entity_id="gone", must_exist=False).erasure.pk,
    }
    path = path.format(**ids)
    answer = rival.get(path) if method == "get" else rival.send(method, path, body)
    if isinstance(expected, int):
        assert answer.status_code == expected, answer.content
    else:
        assert answer.json() == expected
    assert list(run.project.dead_events.values()) == [
        {name: getattr(dead, name) for name in vars(dead) if name != "_state"}
    ]


def test_it_keeps_what_a_key_writes_in_its_own_project(
    rival: Api, api: Api, run: Run, project: Project, log: EventLog
) -> None:
    def picture() -> list[Any]:
        rows = [list(model.objects.filter(project=project).values()) for model in (Item, User, Deployment, Run)]
        ends = [log.end_offsets(topic(project.slug)) for topic in (topics.events, topics.catalog)]
        return [rows, ends, api.get("/schema").json(), api.get("/models/retrieval").json()]

    before = picture()
    for (method, path), body in OWN_WRITES.items():
        answer = rival.get(path) if method == "get" else rival.send(method, path, body)
        assert answer.status_code < 300, (method, path, answer.content)
    assert picture() == before


def test_it_is_tried_at_every_endpoint_there_is() -> None:
    tried = {(method, _shape(path)) for method, path in [*CALLS, *OWN_WRITES]}
    for route in get_resolver("webapp.api_urls").url_patterns:
        for method in getattr(getattr(route.callback, "cls", None), "scopes", {}):
            assert (method.lower(), _shape("/" + str(route.pattern))) in tried, (method, route)


def _shape(path: str) -> tuple[str, ...]:
    """An address with every variable part as `*`."""
    fixed = {
        "items",
        "users",
        "models",
        "runs",
        "deployments",
        "experiments",
        "sync",
        "metrics",
        "revisions",
        "rollback",
        "feedback",
        "replays",
        "result",
    }
    return tuple(part if part in fixed or place == 1 else "*" for place, part in enumerate(path.split("/")))
