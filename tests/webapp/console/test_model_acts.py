"""Models as a whole: listed with how they do, compared, cloned, archived; and nothing of a project that is not one's own."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.webapp.console.full_definition import FULL_RANKING
from tests.webapp.console.page import Page
from webapp.accounts.models import Project
from webapp.audit.models import AuditEntry
from webapp.core.errors import Conflict
from webapp.registry.archiving import model_archive, model_unarchive
from webapp.registry.comparing import compare
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish
from webapp.serving.deployment_services import deployment_put
from webapp.training.models import Run
from webapp.training.search_services import search_start
from webapp.training.services import run_finished, run_report, run_start


def changed(**parts: Any) -> dict[str, Any]:
    return {**FULL_RANKING, **parts}


def slots(**of_user: Any) -> list[dict[str, Any]]:
    return [{**FULL_RANKING["slots"][0], **of_user}, *FULL_RANKING["slots"][1:]]


@pytest.fixture
def version(project: Project) -> ModelVersion:
    return model_publish(project=project, name="ranker", document=FULL_RANKING)


def text_of(browser: Client, name: str, *args: Any, query: str = "") -> str:
    answer = browser.get(reverse(name, args=args) + query)
    assert answer.status_code == 200
    page = Page(answer.content.decode())
    assert page.unlabelled == []
    assert "style=" not in page.html
    return page.text


def test_it_lists_what_a_model_is_for_how_it_does_and_where_it_answers(
    browser: Client, project: Project, version: ModelVersion
) -> None:
    run = run_start(model_version=version, mode=Run.Mode.ONLINE)
    run_report(
        run=run, values={"auc": 0.7125, "table_rows": 1234, "table_bytes": 5_000_000}, num_examples=9, event_time=None
    )
    deployment_put(project=project, name="main", retrieval=None, ranking=version)
    text = text_of(browser, "models", project.slug)
    for said in ("ranker v1", "DeepFM ranking", "3 slots", "0.713 AUC", "main", "1,234", "5 MB"):
        assert said in text


def test_it_lists_models_in_a_fixed_number_of_queries(
    browser: Client, project: Project, version: ModelVersion, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        model_publish(project=project, name=f"ranker_{number}", document=FULL_RANKING)
    with django_assert_max_num_queries(20):
        browser.get(reverse("models", args=[project.slug]))


def test_it_compares_any_two_versions_and_says_what_training_goes_on_with(
    browser: Client, project: Project, version: ModelVersion
) -> None:
    model_publish(project=project, name="ranker", document=changed(slots=slots(number=21)), note="user anew")
    model_publish(project=project, name="ranker", document=changed(serving={"precision": "int8"}))
    text = text_of(browser, "model_compare", project.slug, "ranker", query="?before=1&after=2")
    assert "1 slot go on with their rows, 1 begins without." in text
    assert "slots" not in [change.where for group in compare(version, version).groups for change in group.changes]
    assert "user_id.number changed 7 21" in text
    newest = text_of(browser, "model_compare", project.slug, "ranker", query="?before=1&after=3")
    assert "Every slot goes on with the rows that the earlier version learned." in newest
    assert 'precision changed "float16" "int8"' in newest


@pytest.mark.parametrize(("setting", "verdict"), [("refuse", "refused"), ("restart", "partly")])
def test_it_says_whether_a_slot_that_means_something_else_is_refused(
    project: Project, setting: str, verdict: str
) -> None:
    training = {**FULL_RANKING["training"], "on_changed_slot": setting}
    before = model_publish(project=project, name="ranker", document=changed(training=training))
    wider = [{**slot, "dim": 16} for slot in FULL_RANKING["slots"][1:]]
    after = model_publish(
        project=project,
        name="ranker",
        document=changed(
            training=training,
            architecture={"kind": "dcn_v2", "lhuc_slots": []},
            slots=[FULL_RANKING["slots"][0], *wider],
        ),
    )
    evolution = compare(before, after).evolution
    assert evolution is not None
    assert evolution.verdict == verdict
    assert [(slot.name, slot.fate, slot.reason) for slot in evolution.slots] == [
        ("user_id", "kept", ""),
        ("item_id", "changed", "dim changed from 8 to 16"),
    ]


def test_it_clones_a_version_into_the_form_of_a_new_model(
    browser: Client, project: Project, version: ModelVersion
) -> None:
    answer = browser.get(reverse("model_new", args=[project.slug]) + "?clone=ranker&version=1")
    page = Page(answer.content.decode())
    assert page.value_of("name") == ""
    assert page.value_of("note") == "clone of ranker v1"
    assert page.value_of("architecture.deepfm.hidden") == "48, 24, 12"
    assert browser.get(reverse("model_new", args=[project.slug]) + "?clone=nobody").status_code == 404


def test_it_archives_a_model_and_takes_it_out_again(browser: Client, project: Project, version: ModelVersion) -> None:
    address = reverse("model_archive", args=[project.slug, "ranker"])
    assert "It disappears from lists" in Page(browser.get(address).content.decode()).text
    assert browser.post(address).status_code == 302
    assert "No model yet" in text_of(browser, "models", project.slug)
    assert "ranker v1" in text_of(browser, "models", project.slug, query="?archived=yes")
    assert "Archived" in text_of(browser, "model", project.slug, "ranker")
    for refused in (
        lambda: run_start(model_version=version, mode=Run.Mode.BATCH),
        lambda: deployment_put(project=project, name="main", retrieval=None, ranking=version),
        lambda: model_publish(project=project, name="ranker", document=changed(serving={"precision": "int8"})),
        lambda: search_start(
            model_version=version,
            settings={"varies": [{"kind": "choice", "path": "training.batch_size", "values": [64, 128]}]},
        ),
    ):
        with pytest.raises(Conflict, match="is archived"):
            refused()
    assert browser.post(reverse("model_unarchive", args=[project.slug, "ranker"])).status_code == 302
    assert "ranker v1" in text_of(browser, "models", project.slug)
    assert list(AuditEntry.objects.filter(target="model ranker").values_list("action", flat=True).order_by("pk"))[
        -2:
    ] == [
        "model_archive",
        "model_unarchive",
    ]


def test_it_refuses_to_archive_what_is_in_use_and_says_where(
    browser: Client, project: Project, version: ModelVersion
) -> None:
    run = run_start(model_version=version, mode=Run.Mode.ONLINE)
    deployment_put(project=project, name="main", retrieval=None, ranking=version)
    address = reverse("model_archive", args=[project.slug, "ranker"])
    text = Page(browser.get(address).content.decode()).text
    assert "deployment main answers with it" in text
    assert f"run {run.pk} trains it (online)" in text
    refused = browser.post(address)
    assert refused.status_code == 409
    assert "deployment main answers with it" in Page(refused.content.decode()).text
    version.model.refresh_from_db()
    assert version.model.archived_at is None
    run_finished(run=run, state=Run.State.STOPPED)
    with pytest.raises(Conflict, match="deployment main"):
        model_archive(model=version.model)


def test_it_notes_an_archiving_once(project: Project, version: ModelVersion) -> None:
    for _ in range(2):
        model_archive(model=version.model)
    for _ in range(2):
        model_unarchive(model=version.model)
    assert AuditEntry.objects.filter(action__in=("model_archive", "model_unarchive")).count() == 2


def test_it_shows_nothing_of_another_project(browser: Client, project: Project, other_project: Project) -> None:
    model_publish(project=other_project, name="theirs", document=FULL_RANKING)
    for name in ("model_compare", "model_archive"):
        assert browser.get(reverse(name, args=[other_project.slug, "theirs"])).status_code == 404
        assert browser.get(reverse(name, args=[project.slug, "theirs"])).status_code == 404
    assert browser.post(reverse("model_unarchive", args=[project.slug, "theirs"])).status_code == 404
    assert browser.get(reverse("model_new", args=[project.slug]) + "?clone=theirs").status_code == 404
