"""Hyper-parameter searches: what may vary, one at a time, trials in order of merit, and a trial that becomes a version."""

from __future__ import annotations

from typing import Any

import pytest

from tests.webapp.client import DEFINITION, Api
from webapp.accounts.models import Project
from webapp.long_jobs.selectors import long_jobs_to_revive
from webapp.long_jobs.services import long_jobs_end_unwanted
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish
from webapp.training import search_services as services
from webapp.training.search_models import Search, Trial
from webapp.training.search_selectors import trials_finished

VARIES: list[dict[str, Any]] = [
    {"kind": "log_range", "path": "sparse_optimizer.learning_rate", "low": 0.01, "high": 0.1},
    {"kind": "choice", "path": "training.batch_size", "values": [64, 128]},
]


@pytest.fixture
def version(project: Project) -> ModelVersion:
    return model_publish(project=project, name="retrieval", document=DEFINITION)


@pytest.fixture
def search(version: ModelVersion) -> Search:
    return services.search_start(model_version=version, settings={"varies": VARIES, "num_trials": 4})


def tried(search: Search, number: int, value: float | None, state: str = "complete") -> Trial:
    params = {"sparse_optimizer.learning_rate": 0.01 * (number + 1), "training.batch_size": 64}
    trial = services.trial_begin(search=search, number=number, params=params)
    services.trial_finished(trial=trial, state=state, value=value)
    return trial


def test_it_starts_a_search_with_every_setting_written_out(api: Api, version: ModelVersion) -> None:
    answer = api.post("/models/retrieval/searches", {"settings": {"varies": VARIES}})
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert (body["model"], body["version"], body["state"], body["trials"]) == ("retrieval", 1, "queued", [])
    assert body["settings"] | {"varies": []} == {
        "varies": [], "num_trials": 20, "max_minutes": None, "num_seeds": 1, "input_file": "", "task": None, "metric": "auc",
        "fraction": 0.1, "prunes": True, "seed": 17,
    }  # fmt: skip
    listed = api.get("/models/retrieval/searches").json()["searches"]
    assert [one["id"] for one in listed] == [body["id"]]


@pytest.mark.parametrize(
    ("varied", "field"),
    [
        ({"kind": "choice", "path": "nothing.here", "values": [1]}, "varies.0"),
        ({"kind": "choice", "path": "training.batch_size", "values": [64, 0]}, "varies.0"),
        ({"kind": "range", "path": "sparse_optimizer.learning_rate", "low": 0, "high": 1}, "varies.0"),
        ({"kind": "choice", "path": "slots.0.source", "values": ["item.colour"]}, "varies.0"),
        ({"kind": "log_range", "path": "sparse_optimizer.learning_rate", "low": 0, "high": 1}, "varies.0.log_range"),
        ({"kind": "wish", "path": "a"}, "varies.0"),
    ],
)
def test_it_refuses_what_no_trial_could_follow(
    api: Api, version: ModelVersion, varied: dict[str, Any], field: str
) -> None:
    answer = api.post("/models/retrieval/searches", {"settings": {"varies": [varied]}})
    assert answer.status_code == 400
    assert answer.json()["extra"]["problems"][0]["field"] == field, answer.json()


def test_it_judges_no_retrieval_model_by_a_loss(api: Api, version: ModelVersion) -> None:
    settings = {"varies": VARIES, "metric": "log_loss"}
    assert api.post("/models/retrieval/searches", {"settings": settings}).status_code == 400


def test_it_works_on_one_search_of_a_model_at_a_time(api: Api, search: Search) -> None:
    again = {"settings": {"varies": VARIES}}
    assert api.post("/models/retrieval/searches", again).status_code == 409
    assert api.post(f"/searches/{search.pk}", {"action": "stop"}).json()["state"] == "stopped"
    assert api.post("/models/retrieval/searches", again).status_code == 201


@pytest.mark.parametrize(("metric", "best_first"), [("auc", [1, 0, 2]), ("log_loss", [0, 1, 2])])
def test_it_lists_the_best_trial_first(api: Api, version: ModelVersion, metric: str, best_first: list[int]) -> None:
    search = services.search_start(model_version=version, settings={"varies": VARIES})
    Search.objects.update(settings={**search.settings, "metric": metric})
    tried(search, 0, 0.6)
    tried(search, 1, 0.7)
    tried(search, 2, None, "pruned")
    trials = api.get(f"/searches/{search.pk}").json()["trials"]
    assert [trial["number"] for trial in trials] == best_first


def test_it_makes_a_trial_the_next_version_of_the_model(api: Api, search: Search) -> None:
    tried(search, 0, 0.71)
    answer = api.post(f"/searches/{search.pk}", {"action": "publish", "trial": 0})
    assert answer.json()["published_version"] == 2
    made = ModelVersion.objects.get(version=2)
    assert made.document["training"]["batch_size"] == 64
    assert made.document["sparse_optimizer"]["learning_rate"] == 0.01
    assert made.note == f"search {search.pk}, trial 0: auc 0.71"
    again = api.post(f"/searches/{search.pk}", {"action": "publish", "trial": 0})
    assert again.json()["published_version"] == 2


def test_it_makes_no_version_of_a_trial_that_came_to_nothing(api: Api, search: Search) -> None:
    tried(search, 0, None, "pruned")
    assert api.post(f"/searches/{search.pk}", {"action": "publish", "trial": 0}).status_code == 409
    assert api.post(f"/searches/{search.pk}", {"action": "publish", "trial": 9}).status_code == 404
    assert api.post(f"/searches/{search.pk}", {"action": "publish"}).status_code == 400
    assert ModelVersion.objects.count() == 1


def test_it_begins_an_interrupted_trial_anew_and_draws_from_finished_ones(search: Search) -> None:
    tried(search, 0, 0.6)
    interrupted = services.trial_begin(search=search, number=1, params={"training.batch_size": 64})
    services.trial_note_rung(trial=interrupted, rung=0, value=0.5)
    assert [trial.number for trial in trials_finished(search=search)] == [0]
    anew = services.trial_begin(search=search, number=1, params={"training.batch_size": 128})
    assert (anew.rungs, search.trials.count()) == ({}, 2)


def test_it_revives_what_is_wanted_and_ends_what_is_not(search: Search) -> None:
    assert long_jobs_to_revive(model=Search) == [search.pk]
    Search.objects.update(wanted=False, state="running")
    assert long_jobs_to_revive(model=Search) == []
    assert long_jobs_end_unwanted(model=Search) == 1
    search.refresh_from_db()
    assert (search.state, search.finished_at is None) == ("stopped", False)


def test_it_keeps_a_metric_that_is_not_finite_as_none(search: Search) -> None:
    assert tried(search, 0, float("nan")).value is None
