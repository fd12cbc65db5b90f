"""The run page shows the curves that its model can have; the overview says why a step cannot be ticked."""

from __future__ import annotations

import pytest
from django.test import Client

from engine.spec.demo import demo_ranker, demo_retriever, demo_schema
from webapp.accounts.models import Project
from webapp.registry.services import model_publish, schema_publish
from webapp.training.services import run_report, run_start


@pytest.mark.parametrize(("document", "has_log_loss"), [(demo_retriever(), False), (demo_ranker(), True)])
def test_it_draws_log_loss_only_for_models_that_have_one(
    browser: Client, project: Project, document: dict[str, object], has_log_loss: bool
) -> None:
    schema_publish(project=project, document=demo_schema())
    run = run_start(model_version=model_publish(project=project, name="model", document=document), mode="online")
    page = browser.get(f"/p/{project.slug}/runs/{run.pk}/").content.decode()
    assert ("Log loss" in page) is has_log_loss
    assert "frozen at the start" in page


def test_it_says_that_a_schema_without_impressions_logs_no_answers(browser: Client, project: Project) -> None:
    schema_publish(project=project, document={"events": {"click": {"role": "action"}}})
    page = browser.get(f"/p/{project.slug}/").content.decode()
    assert "the schema declares no event type of role impression" in page


def test_it_counts_rows_that_were_let_go_and_ids_that_wait(browser: Client, project: Project) -> None:
    schema_publish(project=project, document=demo_schema())
    run = run_start(model_version=model_publish(project=project, name="m", document=demo_retriever()), mode="online")
    values = {
        "num_expired": 1_200, "num_over_budget": 30, "num_turned_away": 45_000, "num_candidates": 900, "candidate_bytes": 36_000,
        "num_candidates_dropped": 0,
    }  # fmt: skip
    page = browser.get(f"/p/{project.slug}/runs/{run.pk}/").content.decode()
    assert "Rows let go" not in page and "Ids waiting for a row" not in page
    run_report(run=run, values=values, num_examples=1, event_time=None)
    page = browser.get(f"/p/{project.slug}/runs/{run.pk}/").content.decode()
    assert "1,200 <small>expired</small> 30 <small>over the memory budget</small>" in page
    assert "900 <small>36 kB; 45,000 sightings earned none</small>" in page
