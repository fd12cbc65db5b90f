"""Loading a file into a real database and log: counted, resumable, and never doubled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from engine.errors import LogError
from engine.spec.event import Event
from engine.streams import topics
from webapp.accounts.models import Project
from webapp.catalog import services
from webapp.catalog.models import Import, Item
from webapp.core.log import event_log
from webapp.registry.services import schema_publish

# seconds after START_MS stand for times in what follows
START_MS = 1_500_000_000_000

MAPPING = {
    "user_id": "user",
    "item_id": "item",
    "type": {"value": "click"},
    "timestamp": {"column": "at", "unit": "ms"},
    "event_id": ["user", "at"],
}


@pytest.fixture(autouse=True)
def _schema(project: Project) -> None:
    items = {"title": {"type": "string"}, "price": {"type": "float"}}
    schema_publish(project=project, document={"items": items, "events": {"click": {}}})


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    path = tmp_path / "mapping.json"
    path.write_text(json.dumps(MAPPING))
    return path


def events(project: Project) -> list[Event]:
    log, topic = event_log(), topics.events(project.slug)
    return [Event.from_bytes(record.value) for record in log.read(topic, 0, 0, max_records=1000)]


def write(folder: Path, *lines: str) -> Path:
    """Lines `user,item,seconds`; what is no number stays as it is."""
    path = folder / "clicks.csv"
    path.write_text("\n".join(["user,item,at", *map(_timed, lines)]) + "\n")
    return path


def _timed(line: str) -> str:
    start, comma, seconds = line.rpartition(",")
    return f"{start},{at(int(seconds))}" if seconds.isdigit() else start + comma + seconds


def at(seconds: int) -> int:
    return START_MS + 1000 * seconds


def load(path: Path, mapping: Path, **options: Any) -> None:
    call_command("load_events", str(path), project="shop", map=mapping, **options)


def test_load_appends_every_good_row_and_reports_every_other(project: Project, mapping: Path, tmp_path: Path) -> None:
    path = write(tmp_path, "u1,i1,1", "broken", "u2,,2", "u3,i1,3", "u4,i2,never")
    load(path, mapping, rejected=tmp_path / "out.jsonl")
    assert [(event.user_id, event.item_id, event.timestamp_ms) for event in events(project)] == [
        ("u1", "i1", at(1)),
        ("u3", "i1", at(3)),
    ]
    done = Import.objects.get(project=project)
    assert (done.state, done.num_rows_done) == (Import.State.FINISHED, 5)
    assert (done.num_accepted, done.num_repeated, done.num_rejected) == (2, 0, 3)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert {(line["row"], line["problems"][0]["field"]) for line in lines} == {
        (2, "(row)"),
        (3, "item_id"),
        (5, "timestamp"),
    }


def test_load_that_failed_continues_where_it_stopped(
    project: Project, mapping: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log goes away after two batches of two; the same command then loads the rest, and nothing twice."""
    path = write(tmp_path, *(f"u{number},i1,{number}" for number in range(1, 8)))
    ingest = services.events_ingest
    calls = 0

    def breaks_down(**arguments: Any) -> services.IngestReport:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise LogError("the log is away")
        return ingest(**arguments)

    with monkeypatch.context() as patch:
        patch.setattr(services, "events_ingest", breaks_down)
        with pytest.raises(CommandError, match="run the same command again"):
            load(path, mapping, batch=2)
    failed = Import.objects.get(project=project)
    assert (failed.state, failed.num_rows_done, failed.error) == (Import.State.FAILED, 4, "the log is away")
    load(path, mapping, batch=2)
    assert [event.timestamp_ms for event in events(project)] == [at(seconds) for seconds in range(1, 8)]
    done = Import.objects.get(project=project)
    assert (done.state, done.num_accepted, done.num_repeated) == (Import.State.FINISHED, 7, 0)


def test_load_killed_between_a_batch_and_its_note_doubles_nothing(
    project: Project, mapping: Path, tmp_path: Path
) -> None:
    path = write(tmp_path, *(f"u{number},i1,{number}" for number in range(1, 6)))
    load(path, mapping, batch=2)
    Import.objects.update(state=Import.State.RUNNING, num_rows_done=2, num_accepted=2)
    load(path, mapping, batch=2)
    assert len(events(project)) == 5
    done = Import.objects.get(project=project)
    assert (done.num_rows_done, done.num_accepted, done.num_repeated) == (5, 2, 3)


def test_load_of_a_loaded_file_does_nothing_until_told_to_restart(
    project: Project, mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, "u1,i1,1")
    load(path, mapping)
    load(path, mapping)
    assert "loaded already" in capsys.readouterr().out
    load(path, mapping, restart=True)
    assert Import.objects.get(project=project).num_repeated == 1
    assert len(events(project)) == 1


def test_load_sorted_within_a_range_takes_that_range_in_order(project: Project, mapping: Path, tmp_path: Path) -> None:
    path = write(tmp_path, "u1,i1,3", "u2,i1,1", "u3,i1,2", "u4,i1,4")
    load(path, mapping, sort_by_time=True, from_ms=at(2), until_ms=at(4))
    assert [event.user_id for event in events(project)] == ["u3", "u1"]
    load(path, mapping, sort_by_time=True, from_ms=at(4))
    assert [event.user_id for event in events(project)] == ["u3", "u1", "u4"]


def test_load_puts_the_items_of_the_mapping_first(project: Project, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("article,name,cost\ni1,First,2.5\ni2,,cheap\n")
    rule = {"file": "items.csv", "item_id": "article", "properties": {"title": "name", "price": "cost"}}
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps({**MAPPING, "items": rule}))
    load(write(tmp_path, "u1,i1,1"), mapping)
    assert Item.objects.get(project=project, external_id="i1").properties == {"title": "First", "price": 2.5}
    assert not Item.objects.filter(project=project, external_id="i2").exists()


def test_load_hides_the_items_whose_column_says_so(project: Project, tmp_path: Path) -> None:
    Item.objects.create(project=project, external_id="i3", hidden=True)
    (tmp_path / "items.csv").write_text("article,gone\ni1,true\ni2,0\ni3,\ni4,perhaps\n")
    rule = {"file": "items.csv", "item_id": "article", "hidden": "gone"}
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps({**MAPPING, "items": rule}))
    load(write(tmp_path, "u1,i1,1"), mapping)
    hidden = dict(Item.objects.filter(project=project).values_list("external_id", "hidden"))
    assert hidden == {"i1": True, "i2": False, "i3": True}


@pytest.mark.parametrize(
    ("document", "said"),
    [({**MAPPING, "item_id": "article"}, "not a column"), ({"user_id": "user"}, "item_id"), ("{", "must be JSON")],
)
def test_load_with_a_bad_mapping_says_what_is_wrong(project: Project, tmp_path: Path, document: Any, said: str) -> None:
    mapping = tmp_path / "mapping.json"
    mapping.write_text(document if isinstance(document, str) else json.dumps(document))
    with pytest.raises(CommandError, match=said):
        load(write(tmp_path, "u1,i1,1"), mapping)
    assert events(project) == []


def test_load_into_an_unknown_project_names_those_there_are(project: Project, mapping: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="there are: shop"):
        call_command("load_events", str(tmp_path / "x.csv"), project="nothing", map=mapping)


def test_load_of_an_absent_file_says_so(project: Project, mapping: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        load(tmp_path / "absent.csv", mapping)
