"""Batches over the API and in the console; the work itself is tested with the workers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.webapp.client import DEFINITION, Api
from tests.webapp.console.conftest import account, browser  # noqa: F401
from webapp.accounts.models import Project
from webapp.batches.models import Batch
from webapp.registry.services import model_publish, schema_publish
from webapp.serving.services import deployment_put

PATH = "/batch-recommendations"
SCHEMA = {"items": {"price": {"type": "float"}}, "events": {"click": {}}}


@pytest.fixture
def shop(project: Project, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> Project:
    monkeypatch.setattr("webapp.core.jobs.send", lambda *_, **__: None)
    settings.DATA_DIR = tmp_path
    schema_publish(project=project, document=SCHEMA)
    version = model_publish(project=project, name="near", document=DEFINITION)
    deployment_put(project=project, name="main", retrieval=version, ranking=None)
    return project


@pytest.fixture
def api(shop: Project, api_of: Callable[..., Api]) -> Api:
    return api_of(shop)


def finished(batch_id: int, content: bytes = b'{"user_id": "u"}\n') -> Batch:
    Batch.objects.filter(pk=batch_id).update(state="succeeded", wanted=False, num_bytes=len(content), num_done=1)
    batch = Batch.objects.get(pk=batch_id)
    batch.folder.mkdir(parents=True)
    batch.result.write_bytes(content)
    return batch


def test_it_starts_a_batch_and_hands_out_its_file(api: Api) -> None:
    asked = {"user_ids": ["u", "u"], "k": 3, "filter": "item.price < $most", "parameters": {"most": 4}}
    started = api.post(PATH, asked)
    assert started.status_code == 201, started.content
    body = started.json()
    assert (body["state"], body["num_users"], body["deployment"], body["result"]) == ("queued", 1, "main", None)
    early = api.get(f"{PATH}/{body['id']}/result")
    assert (early.status_code, early.json()["code"]) == (409, "conflict")
    finished(body["id"])
    found = api.get(f"{PATH}/{body['id']}").json()
    fetched = api.get(found["result"].removeprefix("/api/v1"))
    assert b"".join(fetched.streaming_content) == b'{"user_id": "u"}\n'
    assert fetched.headers["Content-Disposition"] == f'attachment; filename="recommendations-{body["id"]}.jsonl"'
    assert [one["id"] for one in api.get(PATH).json()["batches"]] == [body["id"]]


def test_it_refuses_what_every_user_s_call_would_be_refused(api: Api) -> None:
    for asked, field in (
        ({"filter": "item.price <"}, "filter"),
        ({"filter": "item.colour = 'red'"}, "filter"),
        ({"k": 0}, "k"),
        ({"format": "csv"}, "format"),
        ({"users": []}, "users"),
    ):
        refused = api.post(PATH, asked)
        assert refused.status_code == 400, asked
        assert any(problem["field"].startswith(field) for problem in refused.json()["extra"]["problems"]), (
            refused.content
        )
    assert api.post(PATH, {"deployment": "absent"}).status_code == 404
    assert not Batch.objects.exists()


def test_it_stops_and_deletes(api: Api) -> None:
    batch_id = api.post(PATH, {}).json()["id"]
    assert api.delete(f"{PATH}/{batch_id}").status_code == 409
    assert api.post(f"{PATH}/{batch_id}", {"action": "stop"}).json()["state"] == "stopped"
    assert api.delete(f"{PATH}/{batch_id}").status_code == 204
    assert api.get(f"{PATH}/{batch_id}").status_code == 404


def test_it_hides_batches_of_others(api: Api, other_project: Project, api_of: Callable[..., Api]) -> None:
    batch_id = api.post(PATH, {}).json()["id"]
    rival = api_of(other_project)
    for path in (f"{PATH}/{batch_id}", f"{PATH}/{batch_id}/result"):
        assert rival.get(path).status_code == 404
    assert rival.get(PATH).json() == {"batches": []}


def test_it_shows_a_batch_on_its_page(shop: Project, browser: Client) -> None:  # noqa: F811
    page = browser.post("/p/shop/batches/", {"k": 2, "deployment": "main", "user_ids": "a\nb\n", "format": "parquet"})
    assert page.status_code == 302, page.content
    batch = Batch.objects.get()
    assert (batch.user_ids, batch.format) == (["a", "b"], "parquet")
    shown = browser.get(page.headers["Location"]).content.decode()
    assert "0 of 2 users" in shown and "Stop the batch" in shown
    finished(batch.pk, b"PAR1")
    part = browser.get(f"/p/shop/batches/{batch.pk}/?part=1").content.decode()
    assert "<html" not in part and "Download Parquet, 4 B" in part and "every 2s" not in part
    assert "Parquet, 4 B" in browser.get("/p/shop/batches/").content.decode()
    assert b"".join(browser.get(f"/p/shop/batches/{batch.pk}/result").streaming_content) == b"PAR1"  # type: ignore[attr-defined]


def test_it_shows_what_is_wrong_with_the_form(shop: Project, browser: Client) -> None:  # noqa: F811
    asked = {"k": 2, "deployment": "main", "format": "jsonl", "filter": "item.colour = 'red'", "parameters": "{"}
    page = browser.post("/p/shop/batches/", asked)
    assert page.status_code == 400
    assert "must be a JSON object" in page.content.decode()
    page = browser.post("/p/shop/batches/", {**asked, "parameters": ""})
    assert (page.status_code, "colour" in page.content.decode()) == (400, True)
