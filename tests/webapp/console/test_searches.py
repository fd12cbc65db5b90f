"""Pages of searches: the form, the trials, the picture, and the winner in one click."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from engine.spec.demo import demo_ranker, demo_schema
from tests.webapp.console.page import Page
from webapp.accounts.models import Project
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish, schema_publish
from webapp.training.parallel_coordinates import HEIGHT, WIDTH, picture
from webapp.training.search_models import Search
from webapp.training.search_selectors import search_settings
from webapp.training.search_services import search_start, trial_begin, trial_finished

VARIES = [
    {"kind": "log_range", "path": "sparse_optimizer.learning_rate", "low": 0.001, "high": 0.1},
    {"kind": "choice", "path": "architecture.hidden", "values": [[64, 32], [16]]},
]


@pytest.fixture
def version(project: Project) -> ModelVersion:
    schema_publish(project=project, document=demo_schema())
    return model_publish(project=project, name="ranker", document=demo_ranker())


@pytest.fixture
def search(version: ModelVersion) -> Search:
    search = search_start(model_version=version, settings={"varies": VARIES, "num_trials": 4})
    for number, (rate, hidden, value) in enumerate([(0.001, [64, 32], 0.6), (0.01, [16], 0.8), (0.1, [16], 0.7)]):
        params = {"sparse_optimizer.learning_rate": rate, "architecture.hidden": hidden}
        trial_finished(trial=trial_begin(search=search, number=number, params=params), state="complete", value=value)
    trial_begin(search=search, number=3, params={"sparse_optimizer.learning_rate": 0.02, "architecture.hidden": [16]})
    return search


def test_it_suggests_what_may_vary_and_starts_with_it(browser: Client, project: Project, version: ModelVersion) -> None:
    address = f"/p/{project.slug}/models/ranker/v1/search"
    page = Page(browser.get(address).content.decode())
    assert not page.unlabelled
    form = browser.get(address).context["typed"]
    assert [each["path"] for each in json.loads(form["varies"])] == [
        "sparse_optimizer.learning_rate", "dense_optimizer.learning_rate", "architecture.hidden",
    ]  # fmt: skip
    answer = browser.post(address, form)
    search = Search.objects.get()
    assert answer.headers["Location"] == f"/p/{project.slug}/searches/{search.pk}/"
    assert (search.settings["num_trials"], search.wanted) == (20, True)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"varies": "[{"}, "not JSON"),
        ({"varies": "[]"}, "varies"),
        ({"num_trials": "many"}, "num_trials"),
        ({"varies": '[{"kind": "choice", "path": "nowhere", "values": [1]}]'}, "is no place in the definition"),
    ],
)
def test_it_says_what_is_wrong_and_keeps_what_was_typed(
    browser: Client, project: Project, version: ModelVersion, typed: dict[str, str], said: str
) -> None:
    form = {"varies": json.dumps(VARIES), "num_trials": "7", "metric": "auc"} | typed
    answer = browser.post(f"/p/{project.slug}/models/ranker/v1/search", form)
    assert answer.status_code == 400
    page = answer.content.decode()
    assert said in page
    assert answer.context["typed"] == form
    assert not Search.objects.exists()


def test_it_shows_trials_the_best_first_with_a_line_for_each(browser: Client, project: Project, search: Search) -> None:
    page = browser.get(f"/p/{project.slug}/searches/{search.pk}/").content.decode()
    assert page.index("0.8") < page.index("0.7") < page.index("0.6")
    assert page.count("<polyline") == 3 and page.count('class="best"') == 1
    assert "The best so far is trial 1" in page
    assert "[64, 32]" in page and "sparse_optimizer.learning_rate" in page
    assert page.count("Make it a version</a>") == 3
    update = browser.get(f"/p/{project.slug}/searches/{search.pk}/update").json()
    assert update["ended"] is False and "<polyline" in update["html"]


def test_it_makes_the_winner_the_next_version_in_one_click(browser: Client, project: Project, search: Search) -> None:
    page = browser.get(f"/p/{project.slug}/searches/{search.pk}/").content.decode()
    assert f'action="/p/{project.slug}/searches/{search.pk}/trials/1/publish"' in page
    answer = browser.post(f"/p/{project.slug}/searches/{search.pk}/trials/1/publish")
    assert answer.headers["Location"] == f"/p/{project.slug}/models/ranker/"
    made = ModelVersion.objects.get(version=2)
    assert made.document["architecture"]["hidden"] == [16]
    assert made.created_by is not None


def test_it_offers_another_trial_when_that_is_asked_for(browser: Client, project: Project, search: Search) -> None:
    page = browser.get(f"/p/{project.slug}/searches/{search.pk}/", {"publish": "2"}).content.decode()
    assert "Make trial 2 the next version of ranker" in page
    running = browser.get(f"/p/{project.slug}/searches/{search.pk}/", {"publish": "3"}).content.decode()
    assert "Make trial 3" not in running


def test_it_stops_a_search(browser: Client, project: Project, search: Search) -> None:
    browser.post(f"/p/{project.slug}/searches/{search.pk}/stop")
    search.refresh_from_db()
    assert (search.wanted, search.state) == (False, "stopped")


def test_it_draws_each_value_at_its_height(search: Search) -> None:
    drawn = picture(search_settings(search), list(search.trials.all()))
    assert drawn is not None
    assert [axis["x"] for axis in drawn["axes"]] == [0.0, WIDTH / 2, WIDTH]
    best = drawn["lines"][-1]
    # the middle of three orders of magnitude, the second of two choices, the highest metric
    assert best["points"] == f"0.0,{HEIGHT / 2:.1f} {WIDTH / 2},0.0 {WIDTH},0.0"
    assert (best["number"], best["is_best"]) == (1, True)
    assert picture(search_settings(search), []) is None
