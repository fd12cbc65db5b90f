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


def filled(browser: Client, address: str) -> dict[str, str]:
    """What a browser posts of the form as it is shown, but for the button."""
    form = browser.get(address).context["form"]
    posted = {**form.typed, "prunes": "on", "varies": form.as_json}
    for row in form.rows:
        one = row.parameter
        posted |= {f"{row.name}.{each}": getattr(one, each) for each in ("path", "kind", "low", "high", "values")}
        posted |= {f"{row.name}.on": "on"} if row.is_on else {}
    return posted


def name_of(posted: dict[str, str], path: str) -> str:
    return next(
        name.removesuffix(".path") for name, value in posted.items() if name.endswith(".path") and value == path
    )


def test_it_suggests_what_may_vary_and_starts_with_it(browser: Client, project: Project, version: ModelVersion) -> None:
    address = f"/p/{project.slug}/models/ranker/v1/search"
    page = Page(browser.get(address).content.decode())
    assert not page.unlabelled
    answer = browser.post(address, filled(browser, address) | {"how": "guided"})
    search = Search.objects.get()
    assert answer.headers["Location"] == f"/p/{project.slug}/searches/{search.pk}/"
    settings = search_settings(search)
    assert [each.path for each in settings.varies] == [
        "sparse_optimizer.learning_rate", "dense_optimizer.learning_rate", "architecture.hidden",
    ]  # fmt: skip
    assert (settings.num_trials, settings.max_minutes, settings.num_seeds, settings.prunes) == (20, None, 1, True)


def test_it_takes_each_kind_of_range_from_the_form(browser: Client, project: Project, version: ModelVersion) -> None:
    address = f"/p/{project.slug}/models/ranker/v1/search"
    posted = {name: value for name, value in filled(browser, address).items() if not name.endswith(".on")}
    wanted = {
        "sparse_optimizer.learning_rate": {"kind": "uniform", "low": "0.01", "high": "1"},
        "dense_optimizer.learning_rate": {"kind": "log", "low": "1e-4", "high": "0.01"},
        "architecture.num_negatives": {"kind": "integer", "low": "1", "high": "9"},
        "training.batch_size": {"kind": "log_integer", "low": "64", "high": "1024"},
        "slots.*.dim": {"kind": "choice", "values": "8, 16"},
        "slots.*.admission": {"kind": "choice", "values": '{"kind": "always"}, {"kind": "min_count", "min_count": 3}'},
    }
    for path, typed in wanted.items():
        name = name_of(posted, path)
        posted |= {f"{name}.on": "on", **{f"{name}.{each}": value for each, value in typed.items()}}
    posted |= {
        "how": "guided",
        "num_trials": "5",
        "max_minutes": "90.5",
        "num_seeds": "3",
        "seed": "4",
        "metric": "log_loss",
    }
    del posted["prunes"]
    answer = browser.post(address, posted)
    assert answer.status_code == 302, answer.context["problems"]
    settings = Search.objects.get().settings
    rate = {"path": "sparse_optimizer.learning_rate", "kind": "range", "low": 0.01, "high": 1.0, "whole": False}
    assert settings["varies"][0] == rate
    assert [(each["kind"], each.get("whole")) for each in settings["varies"]] == [
        ("range", False), ("log_range", False), ("range", True), ("log_range", True), ("choice", None), ("choice", None),
    ]  # fmt: skip
    assert settings["varies"][4]["values"] == [8, 16]
    kept = {name: settings[name] for name in ("num_trials", "max_minutes", "num_seeds", "seed", "metric", "prunes")}
    assert kept == {
        "num_trials": 5, "max_minutes": 90.5, "num_seeds": 3, "seed": 4, "metric": "log_loss", "prunes": False,
    }  # fmt: skip


def test_it_shows_the_guided_form_as_json_which_starts_the_same(
    browser: Client, project: Project, version: ModelVersion
) -> None:
    address = f"/p/{project.slug}/models/ranker/v1/search"
    posted = filled(browser, address)
    name = name_of(posted, "training.batch_size")
    shown = browser.post(address, posted | {"how": "show", f"{name}.on": "on", f"{name}.values": "64, 128"})
    assert shown.status_code == 200 and not Search.objects.exists()
    text = shown.context["form"].as_json
    assert json.loads(text)[-1] == {"kind": "choice", "path": "training.batch_size", "values": [64, 128]}
    assert browser.post(address, posted | {"how": "json", "varies": text}).status_code == 302
    assert len(Search.objects.get().settings["varies"]) == 4


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"varies": "[{", "how": "json"}, "not JSON"),
        ({"varies": "[]", "how": "json"}, "varies"),
        ({"num_trials": "many", "how": "json"}, "num_trials"),
        ({"max_minutes": "-1", "how": "json"}, "max_minutes"),
        ({"metric": "mae", "how": "json"}, "there is no mae"),
        (
            {"varies": '[{"kind": "choice", "path": "nowhere", "values": [1]}]', "how": "json"},
            "is no place in the definition",
        ),
        ({"how": "guided"}, "tick a setting"),
        (
            {"how": "guided", "vary.0.path": "sparse_optimizer.learning_rate", "vary.0.on": "on", "vary.0.low": "x"},
            "low",
        ),
        ({"how": "json", "input_file": "../secret.parquet"}, "input_file"),
    ],
    ids=str,
)
def test_it_says_what_is_wrong_and_keeps_what_was_typed(
    browser: Client, project: Project, version: ModelVersion, typed: dict[str, str], said: str
) -> None:
    form = {"varies": json.dumps(VARIES), "num_trials": "7", "metric": "auc"} | typed
    answer = browser.post(f"/p/{project.slug}/models/ranker/v1/search", form)
    assert answer.status_code == 400
    page = answer.content.decode()
    assert said in page
    shown = answer.context["form"]
    assert {name: shown.typed[name] for name in ("num_trials", "metric")} == {
        "num_trials": form["num_trials"], "metric": form["metric"],
    }  # fmt: skip
    assert form["how"] != "json" or shown.as_json == form["varies"]
    assert "vary.0.low" not in typed or 'value="x"' in page
    assert not Search.objects.exists()


def test_it_says_what_early_stopping_means_for_a_trial(browser: Client, project: Project) -> None:
    schema_publish(project=project, document=demo_schema())
    training = demo_ranker().get("training", {}) | {"early_stopping": {"max_epochs": 7}}
    model_publish(project=project, name="ranker", document=demo_ranker() | {"training": training})
    page = browser.get(f"/p/{project.slug}/models/ranker/v1/search").content.decode()
    assert "up to 7 times" in page and "epoch by epoch" in page


def test_it_shows_trials_the_best_first_with_a_line_for_each(browser: Client, project: Project, search: Search) -> None:
    page = browser.get(f"/p/{project.slug}/searches/{search.pk}/").content.decode()
    assert page.index("0.8") < page.index("0.7") < page.index("0.6")
    assert page.count("<polyline") == 3 and page.count(' best" data-trial=') == 1
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
