"""A file from its upload to what it became: guessed, corrected, previewed, taken in by the job, its refused rows downloaded."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from engine.spec.event import Event
from engine.streams import topics
from engine.streams.log import EventLog
from tests.webapp.console.page import Page
from webapp.accounts.models import Project
from webapp.catalog.imports import services
from webapp.catalog.models import Import, Item
from webapp.long_jobs.selectors import long_jobs_to_revive
from webapp.registry.selectors import schema_current
from webapp.registry.services import schema_publish
from workers.tasks import import_file as job

pytestmark = pytest.mark.django_db(transaction=True)

CLICKS = (
    b"reader,article,ts,kind,hour,empty\n"
    b"ann,7,1769860800,click,9,\n"
    b"bob,8,1769860801,click,10,\n"
    b"ann,8,1769860802,share,11,\n"
    b"eve,,1769860803,click,noon,\n"
)
SCHEMA = {"events": {"click": {"role": "action", "properties": {"hour": {"type": "integer"}}}}}


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> None:
    monkeypatch.setattr("webapp.core.jobs.send", lambda *_, **__: None)
    settings.DATA_DIR = tmp_path


@pytest.fixture
def typed(project: Project) -> Project:
    schema_publish(project=project, document=SCHEMA)
    return project


def upload(browser: Client, project: Project, content: bytes, name: str = "clicks.csv", **fields: str) -> Any:
    return browser.post(reverse("imports", args=[project.slug]), {"file": SimpleUploadedFile(name, content), **fields})


def draft_of(browser: Client, project: Project, content: bytes, name: str = "clicks.csv", **fields: str) -> Import:
    assert upload(browser, project, content, name, **fields).status_code == 302
    return Import.objects.latest("pk")


def choose(browser: Client, loading: Import, **fields: str) -> Any:
    return browser.post(reverse("import_choose", args=[loading.project.slug, loading.pk]), fields)


def page_of(browser: Client, loading: Import) -> Page:
    return Page(browser.get(reverse("import", args=[loading.project.slug, loading.pk])).content.decode())


def uses(loading: Import) -> dict[str, str]:
    loading.refresh_from_db()
    return {column["column"]: column["use"] for column in chosen(loading)["columns"]}


def chosen(loading: Import) -> dict[str, Any]:
    choices: dict[str, Any] | None = loading.choices
    assert choices is not None
    return choices


def logged(log: EventLog, project: Project) -> list[Event]:
    return [Event.from_bytes(record.value) for record in log.read(topics.events(project.slug), 0, 0)]


def test_it_guesses_each_column_and_says_why(browser: Client, typed: Project) -> None:
    loading = draft_of(browser, typed, CLICKS)
    assert uses(loading) == {
        "reader": "user_id", "article": "item_id", "ts": "timestamp", "kind": "type", "hour": "property", "empty": "leave",
    }  # fmt: skip
    assert chosen(loading)["time_unit"] == "s"
    page = page_of(browser, loading)
    assert "the whole numbers are of the size of seconds since 1970" in page.text
    assert "every value is empty" in page.text
    assert page.unlabelled == []
    # `share` is not declared, and `noon` is no hour
    assert "2 of the first 4 rows would be rejected" in page.text
    assert logged_nothing(typed)


def logged_nothing(project: Project) -> bool:
    return not Import.objects.filter(project=project).exclude(num_accepted=0).exists()


def test_it_takes_the_file_in_and_gives_the_rejected_rows_out(browser: Client, typed: Project, log: EventLog) -> None:
    loading = draft_of(browser, typed, CLICKS)
    assert choose(browser, loading, action="start", kind="events").status_code == 302
    loading.refresh_from_db()
    assert (loading.state, loading.wanted) == ("queued", True)
    assert long_jobs_to_revive(model=Import) == [loading.pk]
    job.import_file(import_id=loading.pk)
    loading.refresh_from_db()
    assert (loading.state, loading.num_rows, loading.num_accepted, loading.num_rejected) == ("finished", 4, 2, 2)
    ann, _ = logged(log, typed)
    assert (ann.user_id, ann.item_id, ann.timestamp_ms, ann.properties["hour"]) == ("ann", "7", 1769860800000, 9)
    address = reverse("import_rejected", args=[typed.slug, loading.pk])
    lines = [orjson.loads(line) for line in browser.get(address).getvalue().splitlines()]
    assert [line["row"] for line in lines] == [3, 4]
    rows = list(csv.DictReader(io.StringIO(browser.get(address, {"format": "csv"}).getvalue().decode())))
    assert {(row["row"], row["field"]) for row in rows} >= {("3", "type"), ("4", "properties.hour")}
    assert "properties.hour" in page_of(browser, loading).text


def test_it_proposes_what_the_schema_lacks_and_comes_back_with_it_published(browser: Client, typed: Project) -> None:
    loading = draft_of(browser, typed, CLICKS)
    answer = choose(browser, loading, action="schema", kind="events")
    address = f"{reverse('schema_edit', args=[typed.slug])}?import={loading.pk}"
    assert answer["Location"] == address
    page = Page(browser.get(address).content.decode())
    assert "share as action" in page.text
    fields = {
        str(given["name"]): str(given.get("value") or "")
        for _, given in page.tags
        if given.get("name") and given.get("type") == "text"
    }
    # selects are left to the test: types and roles as the page proposes them
    for name in list(fields):
        if name.endswith(".name") and ".properties." in name:
            fields[name.removesuffix("name") + "type"] = "integer"
        elif name.startswith("events.") and name.endswith(".name"):
            fields[name.removesuffix("name") + "role"] = "action"
        elif name.startswith("items.") and name.endswith(".name"):
            fields[name.removesuffix("name") + "type"] = "string"
    answer = browser.post(address, {**fields, "schema.joining.positives": "at_once", "action": "publish"})
    assert answer.status_code == 302, Page(answer.content.decode()).text
    assert answer["Location"] == reverse("import", args=[typed.slug, loading.pk])
    assert "share" in schema_current(project=typed).document["events"]
    assert "1 of the first 4 rows would be rejected" in page_of(browser, loading).text


def test_it_keeps_what_a_person_chooses(browser: Client, typed: Project) -> None:
    loading = draft_of(browser, typed, CLICKS)
    choose(
        browser,
        loading,
        **{"use.0": "leave", "use.4": "property", "name.4": "hour", "time_unit": "ms", "kind": "events"},
    )
    assert uses(loading)["reader"] == "leave"
    assert chosen(loading)["time_unit"] == "ms"
    page = page_of(browser, loading)
    assert "user id must be chosen: which column is it?" in page.text
    answer = choose(browser, loading, action="start", kind="events")
    assert answer.status_code == 400
    loading.refresh_from_db()
    assert loading.state == "draft"


def test_it_goes_on_where_it_stopped_and_keeps_each_refused_row_once(
    browser: Client, typed: Project, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading = draft_of(browser, typed, CLICKS)
    choose(browser, loading, action="start", kind="events")
    monkeypatch.setattr(job, "ROWS_PER_BATCH", 1)
    looks = iter([False, False, True])  # before the first row, behind it, and behind the second, after its look
    monkeypatch.setattr(job, "_wait_for_joiner", lambda *_: stop(loading) if next(looks, False) else None)
    job.import_file(import_id=loading.pk)
    loading.refresh_from_db()
    assert (loading.state, loading.num_rows_done) == ("stopped", 3)
    # as a worker leaves it that was killed between a refused row and its note
    with loading.rejected_file.open("ab") as file:
        file.write(b'{"row": 4, "problems": [], "received": {}}\n')
    browser.post(reverse("import_act", args=[typed.slug, loading.pk]), {"act": "start"})
    job.import_file(import_id=loading.pk)
    loading.refresh_from_db()
    assert (loading.state, loading.num_rows_done, loading.num_accepted) == ("finished", 4, 2)
    assert [orjson.loads(line)["row"] for line in loading.rejected_file.read_bytes().splitlines()] == [3, 4]
    browser.post(reverse("import_act", args=[typed.slug, loading.pk]), {"act": "again"})
    job.import_file(import_id=loading.pk)
    loading.refresh_from_db()
    assert (loading.num_accepted, loading.num_repeated, loading.num_rejected) == (0, 2, 2)
    assert len(logged(log, typed)) == 2


def stop(loading: Import) -> None:
    services.import_stop(loading=loading)


def test_it_refuses_the_same_file_with_the_same_choices_twice(browser: Client, typed: Project) -> None:
    first = draft_of(browser, typed, CLICKS)
    choose(browser, first, action="start", kind="events")
    second = draft_of(browser, typed, CLICKS)
    answer = choose(browser, second, action="start", kind="events")
    assert f"import {first.pk}, queued" in Page(answer.content.decode()).text


def test_it_takes_items_from_a_parquet_file(browser: Client, project: Project, tmp_path: Path) -> None:
    schema_publish(project=project, document={"items": {"price": {"type": "float"}}, "events": {"click": {}}})
    path = tmp_path / "items.parquet"
    pq.write_table(pa.table({"sku": ["a", "b"], "price": [1.5, None], "colour": ["red", "blue"]}), path)
    loading = draft_of(browser, project, path.read_bytes(), "items.parquet")
    assert uses(loading) == {"sku": "item_id", "price": "property", "colour": "property"}
    choose(browser, loading, **{"use.2": "leave", "kind": "items"})
    choose(browser, loading, action="start", kind="items")
    job.import_file(import_id=loading.pk)
    assert dict(Item.objects.values_list("external_id", "properties")) == {"a": {"price": 1.5}, "b": {}}


def test_it_takes_json_lines_in_the_form_of_the_api_as_they_are(
    browser: Client, project: Project, log: EventLog
) -> None:
    rows = [{"type": "click", "user_id": "ann", "item_id": "tea", "timestamp": 1769860800000 - n} for n in range(3)]
    loading = draft_of(browser, project, b"\n".join(map(orjson.dumps, rows)) + b"\n{", "events.jsonl")
    assert (chosen(loading)["as_events"], chosen(loading)["sort"]) == (True, True)
    choose(browser, loading, action="start", kind="events", form="api", sort="on")
    job.import_file(import_id=loading.pk)
    loading.refresh_from_db()
    assert (loading.num_accepted, loading.num_rejected) == (3, 1)
    times = [event.timestamp_ms for event in logged(log, project)]
    assert times == sorted(times)


def test_it_takes_a_large_file_in_pieces(browser: Client, typed: Project) -> None:
    begun = browser.post(
        reverse("import_begin", args=[typed.slug]), {"file_name": "clicks.csv", "num_bytes": str(len(CLICKS))}
    ).json()
    half = len(CLICKS) // 2

    def send(offset: int, piece: bytes) -> Any:
        address = f"{begun['piece']}?offset={offset}"
        return browser.post(address, piece, content_type="application/octet-stream")

    assert send(half, CLICKS[half:]).status_code == 409
    assert send(0, CLICKS[:half]).json() == {"num_bytes": half, "page": ""}
    assert send(0, CLICKS[:half]).json()["num_bytes"] == half
    whole = browser.post(
        f"{begun['piece']}?offset={half}&kind=users", CLICKS[half:], content_type="application/octet-stream"
    ).json()
    assert browser.get(whole["page"]).status_code == 200
    assert Import.objects.get().kind == "users"
    assert Import.objects.get().file.read_bytes() == CLICKS
    too_large = browser.post(
        reverse("import_begin", args=[typed.slug]), {"file_name": "a.csv", "num_bytes": str(10**12)}
    )
    assert too_large.status_code == 400


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.exe", b"x", "must end in .csv"),
        ("a.parquet", b"not parquet", "must be readable as parquet"),
        ("a.csv", b"", "must be readable as csv"),
        ("a.csv.gz", b"\x1f\x8bbroken", "must be readable as csv"),
    ],
)
def test_it_refuses_what_is_no_readable_file_and_keeps_nothing(
    browser: Client, project: Project, name: str, content: bytes, said: str
) -> None:
    answer = upload(browser, project, content, name)
    assert answer.status_code == 400
    text = Page(answer.content.decode()).text
    assert said in text or "empty" in text
    assert not Import.objects.exists()


def test_another_project_sees_nothing_of_an_import(browser: Client, typed: Project, other_project: Project) -> None:
    loading = draft_of(browser, typed, CLICKS)
    Import.objects.filter(pk=loading.pk).update(project=other_project)
    for name in ("import", "import_rejected"):
        assert browser.get(reverse(name, args=[typed.slug, loading.pk])).status_code == 404
    for name in ("import_choose", "import_act"):
        assert browser.post(reverse(name, args=[typed.slug, loading.pk])).status_code == 404
    assert browser.get(reverse("imports", args=[other_project.slug])).status_code == 404
    edit = reverse("schema_edit", args=[typed.slug])
    assert browser.get(edit, {"import": str(loading.pk)}).status_code == 404
