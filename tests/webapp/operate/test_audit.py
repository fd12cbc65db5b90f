"""What was done in a project is told: who, what, to what, from where; and nobody can take it back."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse

from tests.webapp.client import DEFINITION, Api
from webapp.accounts.models import Project
from webapp.audit.acting import SYSTEM, Actor, ActorKind, acting, acting_as
from webapp.audit.models import AuditEntry
from webapp.audit.selectors import AuditFilter, audit_page
from webapp.audit.services import MAX_DETAILS_BYTES, audit_record
from webapp.experiments.services import experiment_start, experiment_stop
from webapp.registry.services import model_publish
from webapp.serving.services import deployment_put
from webapp.training.services import run_start, run_stop

ANN = Actor(ActorKind.ACCOUNT, "ann", "10.0.0.1")
START = datetime(2026, 11, 1, 12, tzinfo=UTC)


def entry(
    project: Project, actor: Actor = ANN, action: str = "deployment_put", target: str = "deployment main"
) -> None:
    with acting_as(actor):
        audit_record(project=project, action=action, target=target, details={"k": 1})


def many(project: Project, num: int) -> None:
    AuditEntry.objects.bulk_create(
        AuditEntry(
            project=project,
            at=START + timedelta(seconds=number // 2),
            actor_kind="account",
            actor_name="ann",
            action="run_start",
            target=f"run {number}",
        )
        for number in range(num)
    )


def page(browser: Client, project: Project, **query: str) -> str:
    return browser.get(reverse("audit", args=[project.slug]), query_params=query).content.decode()


def test_it_notes_who_acts_now(project: Project) -> None:
    entry(project)
    audit_record(project=project, action="arm_stop", target="arm b")
    newest, first = AuditEntry.objects.filter(project=project)[:2]
    assert (first.actor_kind, first.actor_name, first.address, first.details) == (
        "account",
        "ann",
        "10.0.0.1",
        {"k": 1},
    )
    assert (newest.actor_kind, newest.actor_name, newest.address) == ("system", "system", "")


@pytest.mark.parametrize("sql", ["UPDATE audit_auditentry SET actor_name = 'bob'", "DELETE FROM audit_auditentry"])
def test_it_lets_nobody_change_an_entry(project: Project, sql: str) -> None:
    entry(project)
    with pytest.raises(DatabaseError, match="never changed or deleted"), transaction.atomic():
        AuditEntry.objects.update(actor_name="bob") if sql.startswith("UPDATE") else AuditEntry.objects.all().delete()
    assert AuditEntry.objects.filter(project=project, actor_name="ann").exists()


def test_it_keeps_nothing_of_what_was_rolled_back(project: Project) -> None:
    with pytest.raises(ValueError, match="stop"), transaction.atomic():
        entry(project, target="deployment undone")
        raise ValueError("stop")
    assert not AuditEntry.objects.filter(target="deployment undone").exists()


def test_it_leaves_out_details_that_are_too_long_and_never_fails_for_them(project: Project) -> None:
    audit_record(project=project, action="schema_publish", target="x\x00" * 400, details={"t": "é" * MAX_DETAILS_BYTES})
    newest = AuditEntry.objects.filter(project=project).first()
    assert newest is not None
    assert set(newest.details) == {"left_out"}
    audit_record(project=project, action="a_b", target="t", details={"zero": "\x00", "at": START})
    newest = AuditEntry.objects.filter(project=project).first()
    assert newest is not None
    assert newest.details["at"].startswith("2026-11-01")


def test_it_pages_by_key_through_entries_of_the_same_moment(project: Project, browser: Client) -> None:
    many(project, 7)
    seen: list[str] = []
    cursor = ""
    while True:
        found = audit_page(project=project, wanted=AuditFilter(action="run_start"), cursor=cursor, limit=2)
        seen += [one.target for one in found.rows]
        if found.next_cursor is None:
            break
        cursor = found.next_cursor
    assert seen == [f"run {number}" for number in reversed(range(7))]
    assert browser.get(reverse("audit", args=[project.slug]), query_params={"cursor": "nonsense"}).status_code == 400


def test_it_filters_by_who_what_and_when(project: Project, browser: Client) -> None:
    entry(project)
    entry(project, Actor(ActorKind.KEY, "app (ab12)"), "run_stop", "run 12")
    assert "run 12" not in page(browser, project, actor="ann")
    assert "run 12" in page(browser, project, action="run_stop")
    assert "run 12" in page(browser, project, target="run 1")
    assert "No entry matches" in page(browser, project, since="2999-01-01T00:00")
    assert "run 12" in page(browser, project, since="2020-01-01T00:00", until="2999-01-01T00:00")
    wrong = browser.get(reverse("audit", args=[project.slug]), query_params={"since": "yesterday"})
    assert wrong.status_code == 400


def test_it_gives_the_same_as_csv_with_no_formula_in_it(project: Project, browser: Client) -> None:
    entry(project, target="=HYPERLINK(1)")
    answer = browser.get(reverse("audit_csv", args=[project.slug]), query_params={"actor": "ann"})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [row["target"] for row in rows] == ["'=HYPERLINK(1)"]
    assert rows[0]["details"] == '{"k":1}'
    assert browser.get(reverse("audit_csv", args=[project.slug]), query_params={"until": "x"}).status_code == 400


def test_it_shows_no_other_projects_entries(project: Project, other_project: Project, browser: Client) -> None:
    entry(other_project, target="deployment theirs")
    assert "theirs" not in page(browser, project)
    assert b"theirs" not in browser.get(reverse("audit_csv", args=[project.slug])).content


def test_it_knows_the_account_and_the_key_while_a_request_lasts(
    project: Project, api_of: Callable[..., Api], browser: Client
) -> None:
    api_of(project).post("/models", {"name": "first", "definition": DEFINITION})
    browser.post(reverse("api_keys", args=[project.slug]), {"name": "app", "scopes": ["ingest"]})
    newest = AuditEntry.objects.filter(project=project, action__in=["model_publish", "api_key_create"])
    assert [(one.actor_kind, one.actor_name.split(" ")[0], one.address, one.target) for one in newest[:2]] == [
        ("account", "member", "127.0.0.1", "API key app"),
        ("key", "test", "127.0.0.1", "model first v1"),
    ]
    assert acting() is SYSTEM


def test_it_notes_what_is_done_to_runs_deployments_and_experiments(project: Project, browser: Client) -> None:
    version = model_publish(project=project, name="first", document=DEFINITION)
    deployments = [
        deployment_put(project=project, name=name, retrieval=version, ranking=None) for name in ("main", "other")
    ]
    deployment_put(project=project, name="main", retrieval=version, ranking=None)  # which changes nothing
    experiment = experiment_start(project=project, name="split", arms=[(one, 5000) for one in deployments])
    experiment_stop(experiment=experiment)
    experiment_stop(experiment=experiment)
    run = run_start(model_version=version, mode="online")
    run_stop(run=run)
    run_stop(run=run)
    noted = AuditEntry.objects.filter(project=project).order_by("at", "id").values_list("action", "target")
    assert [one for one in noted if one[0] not in ("project_create", "schema_publish")] == [
        ("model_publish", "model first v1"),
        ("deployment_put", "deployment main"),
        ("deployment_put", "deployment other"),
        ("experiment_start", "experiment split"),
        ("experiment_stop", "experiment split"),
        ("run_start", f"run {run.pk}"),
        ("run_stop", f"run {run.pk}"),
    ]
    listed = browser.get(reverse("jobs", args=[project.slug])).content.decode()
    assert "by system" in listed
