"""An export from its form to its file: whole, resumable, readable by the import."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from django.test import Client
from django.urls import reverse

from engine.streams.log import EventLog
from tests.webapp.console.page import Page
from tests.webapp.dead_letters import dead_event
from webapp.accounts.models import Project
from webapp.catalog.guessing.sampling import read_sample
from webapp.catalog.imports.first_choices import first_choices
from webapp.catalog.services import events_ingest, items_put, users_put
from webapp.exports import rows as export_rows
from webapp.exports import services
from webapp.exports.models import Export
from webapp.long_jobs.selectors import long_jobs_to_revive
from webapp.registry.services import schema_publish
from workers.tasks import export_data as job

pytestmark = pytest.mark.django_db(transaction=True)

SCHEMA = {
    "items": {"price": {"type": "float"}, "tags": {"type": "string_list"}},
    "events": {
        "impression": {"role": "impression"},
        "click": {"role": "action", "properties": {"hour": {"type": "integer"}}},
        "share": {"role": "action", "properties": {"hour": {"type": "string"}}},
    },
}
NOW_MS = 1_769_860_800_000


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> None:
    monkeypatch.setattr("webapp.core.jobs.send", lambda *_, **__: None)
    settings.DATA_DIR = tmp_path


@pytest.fixture
def shop(project: Project, log: EventLog) -> Project:
    schema_publish(project=project, document=SCHEMA)
    rows = [
        {"type": "click", "user_id": "ann", "item_id": "tea", "timestamp": NOW_MS, "properties": {"hour": 9}, "event_id": "e1"},
        {"type": "share", "user_id": "bob", "item_id": "jam", "timestamp": NOW_MS, "properties": {"hour": "ten"}, "event_id": "e2"},
        {"type": "impression", "user_id": "ann", "items": [{"item_id": "tea"}, {"item_id": "jam"}], "timestamp": NOW_MS,
         "event_id": "e3", "recommendation_id": "r1"},
    ]  # fmt: skip
    assert events_ingest(project=project, rows=rows, source="test").num_accepted == 3
    properties = {"price": 2.5, "tags": ["a", "b"]}
    items_put(project=project, rows=[{"id": "tea", "properties": properties}, {"id": "salt", "hidden": True}])
    users_put(project=project, rows=[{"id": f"u{number}"} for number in range(5)])
    return project


def exported(browser: Client, project: Project, **fields: Any) -> tuple[Export, bytes]:
    answer = browser.post(reverse("exports", args=[project.slug]), {"format": "jsonl", **fields})
    assert answer.status_code == 302, Page(answer.content.decode()).text
    export = Export.objects.latest("pk")
    job.export_data(export_id=export.pk)
    export.refresh_from_db()
    assert export.state == "succeeded", export.error
    return export, browser.get(reverse("export_result", args=[project.slug, export.pk])).getvalue()


def test_it_writes_events_as_the_api_takes_them(browser: Client, shop: Project) -> None:
    export, content = exported(browser, shop, what="events")
    click, share, shown = [orjson.loads(line) for line in content.splitlines()]
    received = click.pop("received")
    assert received > NOW_MS
    assert click == {
        "event_id": "e1", "type": "click", "user_id": "ann", "item_id": "tea", "timestamp": NOW_MS, "properties": {"hour": 9},
    }  # fmt: skip
    assert [one["item_id"] for one in shown["items"]] == ["tea", "jam"]
    assert share["properties"] == {"hour": "ten"}
    assert (export.num_done, export.num_rows, export.share_done) == (3, 3, 1.0)
    _, only = exported(browser, shop, what="events", types=["share"])
    assert [orjson.loads(line)["event_id"] for line in only.splitlines()] == ["e2"]
    _, none = exported(browser, shop, what="events", since="2999-01-01T00:00")
    assert none == b""


def test_it_writes_tables_whose_columns_the_import_knows_again(browser: Client, shop: Project, tmp_path: Path) -> None:
    _, content = exported(browser, shop, what="events", format="csv")
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert [row["type"] for row in rows] == ["click", "share", "impression"]
    assert orjson.loads(rows[2]["items"])[0]["item_id"] == "tea"
    path = tmp_path / "events.csv"
    path.write_bytes(content)
    used = {one.column: one.use.value for one in first_choices(read_sample(path)).choices.columns}
    assert (used["user_id"], used["item_id"], used["timestamp"], used["type"]) == (
        "user_id",
        "item_id",
        "timestamp",
        "type",
    )
    _, content = exported(browser, shop, what="items", format="csv")
    jam, salt, tea = csv.DictReader(io.StringIO(content.decode()))
    assert (jam["id"], jam["price"]) == ("jam", "")  # an event made it
    assert (salt["id"], salt["hidden"], salt["tags"]) == ("salt", "true", "")
    assert (tea["id"], tea["hidden"], tea["price"], tea["tags"]) == ("tea", "false", "2.5", "a|b")


def test_it_writes_parquet_with_the_types_of_the_schema(browser: Client, shop: Project, tmp_path: Path) -> None:
    export, _ = exported(browser, shop, what="items", format="parquet")
    table = pq.read_table(export.result)
    assert table.column("price").to_pylist() == [None, None, 2.5]
    assert table.column("tags").to_pylist() == [None, None, ["a", "b"]]
    # declared differently by two types, so that only JSON can say it
    export, _ = exported(browser, shop, what="events", format="parquet")
    assert pq.read_table(export.result).column("hour").to_pylist() == ["9", '"ten"', None]


def test_it_goes_on_behind_the_parts_that_are_written(
    browser: Client, shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_rows, "ROWS_PER_PAGE", 2)
    export = services.export_start(project=shop, what="users", format="jsonl")
    pages, real = iter(range(10)), export_rows.page_of

    def failing(*arguments: Any) -> Any:
        if next(pages) == 1:
            raise MemoryError("killed")
        return real(*arguments)

    monkeypatch.setattr(job, "page_of", failing)
    job.export_data(export_id=export.pk)
    export.refresh_from_db()
    assert (export.state, export.num_done) == ("failed", 2)
    Export.objects.filter(pk=export.pk).update(state="running", wanted=True)
    assert long_jobs_to_revive(model=Export) == [export.pk]
    job.export_data(export_id=export.pk)
    export.refresh_from_db()
    lines = export.result.read_bytes().splitlines()
    assert [orjson.loads(line)["id"] for line in lines] == ["u0", "u1", "u2", "u3", "u4"]
    assert sorted(path.name for path in export.folder.iterdir()) == ["users.jsonl"]


def test_it_writes_the_inbox_stops_and_deletes(browser: Client, shop: Project, other_project: Project) -> None:
    dead_event(shop)
    export, content = exported(browser, shop, what="inbox")
    assert orjson.loads(content)["reason"]
    waiting = services.export_start(project=shop, what="users", format="csv")
    browser.post(reverse("export_act", args=[shop.slug, waiting.pk]), {"act": "stop"})
    waiting.refresh_from_db()
    assert (waiting.state, waiting.wanted) == ("stopped", False)
    folder = export.folder
    browser.post(reverse("export_act", args=[shop.slug, export.pk]), {"act": "delete"})
    assert not folder.exists()
    foreign = services.export_start(project=other_project, what="users", format="csv")
    for name in ("export", "export_result"):
        assert browser.get(reverse(name, args=[shop.slug, foreign.pk])).status_code == 404
    assert browser.post(reverse("export_act", args=[shop.slug, foreign.pk])).status_code == 404


def test_it_refuses_what_is_no_export(browser: Client, shop: Project) -> None:
    answer = browser.post(reverse("exports", args=[shop.slug]), {"what": "secrets", "format": "jsonl"})
    assert answer.status_code == 400
    assert not Export.objects.exists()
