"""The run page shows a run's report: slices, reliability, slots and tables."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from engine.spec.demo import demo_ranker, demo_schema
from tests.webapp.client import Api
from tests.webapp.console.page import Page
from webapp.accounts.models import Project
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish, schema_publish
from webapp.training.live import run_update
from webapp.training.models import Run
from webapp.training.reports import PICTURE, reliability_picture
from webapp.training.services import run_note_report, run_report, run_start

REPORT: dict[str, Any] = {
    "slices": {
        "users": {
            "new": {"num_scores": 30, "num_lists": 3, "auc": 0.61, "log_loss": None, "hr_at_10": 0.25},
            "known": {"num_scores": 970, "num_lists": 90, "auc": 0.73, "log_loss": None, "hr_at_10": 0.5},
        },
        "event.device": {"<phone>": {"num_scores": 5, "num_lists": 0, "auc": float("nan")}},
    },
    "reliability": [{"predicted": 0.1, "observed": 0.05, "num": 50}, {"predicted": 0.4, "observed": 0.5, "num": 50}],
    "tables": [
        {
            "name": "dim16", "num_rows": 1_234, "num_bytes": 300_000, "num_admitted": 1_300, "num_expired": 66,
            "num_over_budget": 0, "num_turned_away": 9,
        }
    ],
    "slots": [
        {
            "name": "item_id", "source": "item.id", "table": "dim16", "shares": None, "num_rows": 1_200, "num_bytes": 290_000,
            "num_candidates": 7,
            "hottest": [{"fid": "00ff", "id": "item <7>", "per_example": 0.125}, {"fid": "0abc", "id": None, "per_example": 0.1}],
        },
        {"name": "history", "source": "user.history", "table": "dim16", "shares": "item_id", "hottest": []},
    ],
}  # fmt: skip


@pytest.fixture
def run(project: Project) -> Run:
    schema_publish(project=project, document=demo_schema())
    return run_start(model_version=model_publish(project=project, name="m", document=demo_ranker()), mode="online")


def test_it_shows_nothing_of_a_report_before_there_is_one(browser: Client, project: Project, run: Run) -> None:
    for part in ("quality", "tables"):
        page = browser.get(f"/p/{project.slug}/runs/{run.pk}/{part}").content.decode()
        assert "By slice" not in page and "Reliability" not in page and "Hottest ids" not in page
        assert "The first report comes" in page


def test_it_shows_slices_reliability_slots_and_tables(browser: Client, project: Project, run: Run) -> None:
    run_note_report(run=run, report=REPORT)
    tables = browser.get(f"/p/{project.slug}/runs/{run.pk}/tables").content.decode()
    for words in ("item &lt;7&gt;", "12.5%", "0abc", "1,234", "the rows of item_id"):
        assert words in tables
    page = browser.get(f"/p/{project.slug}/runs/{run.pk}/quality").content.decode()
    for words in ("By slice", "AUC", "0.73", "50.0%", "&lt;phone&gt;"):
        assert words in page
    # nobody has a log loss here, so that there is no such column
    assert "Log loss</th>" not in page
    assert '<polyline points="48.0,216.0 192.0,0.0">' in page


def test_it_shows_epochs_beside_the_rest_of_the_report(browser: Client, project: Project, run: Run) -> None:
    epochs = [
        {"epoch": 0, "values": {"auc": 0.61}, "is_best": True},
        {"epoch": 1, "values": {"auc": 0.64}, "is_best": True},
        {"epoch": 2, "values": {"auc": 0.62}, "is_best": False},
    ]
    run_note_report(run=run, report=REPORT)
    run_note_report(run=run, report={"epochs": epochs})
    page = browser.get(f"/p/{project.slug}/runs/{run.pk}/quality").content.decode()
    assert "By slice" in page
    assert page.count("best so far") == 1
    assert page.index("0.64") < page.index("best so far") < page.index("0.62")


def test_it_draws_what_was_promised_against_what_happened() -> None:
    picture = reliability_picture(REPORT["reliability"])
    assert picture is not None
    assert (picture["size"], picture["end"]) == (PICTURE, 0.5)
    assert reliability_picture([]) is None


def test_it_sends_the_report_only_when_it_is_another(project: Project, run: Run) -> None:
    before = run_update(project=project, run_id=run.pk, after_id=0, part="quality")
    assert before["report"] is None
    run_note_report(run=run, report=REPORT)
    first = run_update(project=project, run_id=run.pk, after_id=0, part="quality")
    assert "By slice" in first["report"]
    again = run_update(project=project, run_id=run.pk, after_id=0, reported_at=first["reported_at"], part="quality")
    assert again["report"] is None
    assert run_update(project=project, run_id=run.pk, after_id=0)["report"] is None


def test_it_sorts_slots_as_the_address_says(browser: Client, project: Project, run: Run) -> None:
    slots: list[dict[str, Any]] = [
        {"name": name, "source": f"item.{name}", "shares": None, "num_rows": num_rows, "hottest": []}
        for name, num_rows in (("size", 5), ("brand", 500), ("shop", 50))
    ]
    shared = {"name": "history", "source": "user.history", "shares": "brand", "hottest": []}
    run_note_report(run=run, report={"slots": [shared, *slots]})

    def names(query: str) -> list[str]:
        page = browser.get(f"/p/{project.slug}/runs/{run.pk}/tables?{query}").content.decode()
        table = page[page.index("of each slot") : page.index("</table>")]
        return re.findall(r'<th scope="row">(\w+)</th>', table)

    assert names("") == ["history", "size", "brand", "shop"]
    assert names("sort=-num_rows") == ["brand", "shop", "size", "history"]
    assert names("sort=num_rows") == ["size", "shop", "brand", "history"]
    assert names("sort=name") == ["brand", "history", "shop", "size"]
    assert names("sort=secret") == ["history", "size", "brand", "shop"]


def test_it_keeps_slices_with_the_point_and_out_of_the_curves(project: Project, run: Run) -> None:
    run_report(run=run, values={"auc": 0.7, "slices": REPORT["slices"]}, num_examples=1, event_time=None)
    run.refresh_from_db()
    assert run.latest == {"auc": 0.7}
    point = run.metrics.get()
    assert point.values["slices"]["event.device"]["<phone>"]["auc"] is None
    (shown,) = run_update(project=project, run_id=run.pk, after_id=0)["points"]
    assert set(shown) == {"auc", "at_s", "num_examples"}


def test_it_answers_the_report_with_the_run(api: Api, run: Run) -> None:
    run_note_report(run=run, report=REPORT)
    answer = api.get(f"/runs/{run.pk}").json()
    assert answer["report"]["slots"][0]["num_rows"] == 1_200
    assert answer["reported_at"] is not None


TASKS = [
    {"name": "click", "event_type": "click"},
    {"kind": "regression", "name": "seconds", "event_type": "click", "property": "dwell_s"},
]


def test_it_shows_the_curves_of_each_task_one_at_a_time(browser: Client, project: Project) -> None:
    schema_publish(project=project, document=demo_schema())
    version = model_publish(project=project, name="m", document=demo_ranker())
    # the demo's events have no number to predict; a run's page asks nothing of the schema
    ModelVersion.objects.filter(pk=version.pk).update(document=version.document | {"tasks": TASKS})
    run = run_start(model_version=version, mode="online")
    address = f"/p/{project.slug}/runs/{run.pk}/"
    assert "Metrics of each task" not in browser.get(f"{address}quality").content.decode()
    values = {"auc": 0.7, "tasks.click.auc": 0.7, "tasks.seconds.mae": 12.5, "tasks.seconds.rmse_log": None}
    run_report(run=run, values=values, num_examples=10, event_time=None)
    answer = browser.get(address)
    page = answer.content.decode()
    assert [option["value"] for option in Page(page).all("option")] == ["click", "seconds"]
    assert page.count('data-task="click"') == 4
    assert page.count('data-task="seconds" hidden') == 3
    quality = browser.get(f"{address}quality").content.decode()
    assert "dwell_s of click" in quality and "12.5" in quality and "RMSE of ln" not in quality
    run_note_report(run=run, report=REPORT)
    assert "Metrics of each task" in browser.get(f"{address}quality").content.decode()
    sketches = [sketch for group in answer.context["groups"] for sketch in group.sketches]
    shown = {line.key for sketch in sketches for line in sketch.chart.lines}
    assert {"tasks.seconds.mae", "tasks.click.grouped_auc", "hr_at_10"} <= shown
    assert "auc" not in shown


def test_it_asks_for_no_task_where_there_is_one(browser: Client, project: Project, run: Run) -> None:
    page = browser.get(f"/p/{project.slug}/runs/{run.pk}/").content.decode()
    assert "data-task" not in page
