"""A batch run over a file of events: joined once, in the order of time, and learned as the log would be."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from engine.errors import InvalidDocument
from engine.spec.demo import demo_ranker, demo_schema
from engine.spec.example import Example
from engine.streams.log import EventLog
from webapp.accounts.models import Project
from webapp.catalog.services import items_put
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish, schema_publish
from webapp.training import services
from webapp.training.models import Run
from workers import event_files
from workers.event_files import JOINED, examples_of_events
from workers.folders import model_folder
from workers.tasks.train_batch import train_batch

pytestmark = pytest.mark.django_db(transaction=True)

NOON_MS = 1_769_860_800_000


@pytest.fixture
def version(project: Project, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelVersion:
    settings.DATA_DIR = tmp_path
    (tmp_path / "files").mkdir()
    monkeypatch.setattr("webapp.core.jobs.send", lambda *_, **__: None)
    schema = demo_schema()
    events = {name: schema["events"][name] for name in ("impression", "click")}
    schema_publish(project=project, document=schema | {"events": events, "join_window_s": 20})
    return model_publish(project=project, name="m", document=demo_ranker())


def made_events(num: int = 300) -> list[dict[str, Any]]:
    """Impressions of one item each, every third clicked, in the API's form and in the order of time."""
    rng = random.Random(3)
    rows = []
    for number in range(num):
        user, item, time_ms = f"u{rng.randrange(20)}", f"i{rng.randrange(30)}", NOON_MS + 1000 * number
        rows.append({"type": "impression", "user_id": user, "item_id": item, "timestamp": time_ms})
        if number % 3 == 0:
            rows.append({"type": "click", "user_id": user, "item_id": item, "timestamp": time_ms + 500})
    return rows


def as_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_bytes(b"\n".join(orjson.dumps(row) for row in rows) + b"\n")
    return path


def as_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    pa_csv.write_csv(pa.Table.from_pylist(rows), path)
    return path


def as_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    table = pa.Table.from_pylist(rows)
    times = table.column("timestamp").cast(pa.timestamp("ms", "UTC"))
    pq.write_table(table.set_column(table.schema.get_field_index("timestamp"), "timestamp", times), path)
    return path


WRITERS = [("events.jsonl", as_lines), ("events.csv", as_csv), ("events.parquet", as_parquet)]


def examples_in(log: EventLog) -> list[Example]:
    return [Example.from_bytes(record.value) for record in log.read("any", 0, 0, 10_000)]


def joined(project: Project, log: EventLog, path: Path, folder: Path) -> list[Example]:
    return examples_in(examples_of_events(project, path, log, folder))


@pytest.mark.parametrize(("name", "write"), WRITERS)
def test_every_kind_of_file_in_any_order_gives_the_same_examples(
    version: ModelVersion, project: Project, log: EventLog, tmp_path: Path, name: str, write: Callable[..., Path]
) -> None:
    items_put(project=project, rows=[{"id": "i1", "properties": {"topic": "sport"}}])
    rows = made_events()
    expected = joined(project, log, as_lines(tmp_path / "in_order.jsonl", rows), tmp_path / "first")
    assert len(expected) == 300 and sum(each.labels["click"] for each in expected) == 100
    assert {each.item.get("topic") for each in expected if each.item_id == "i1"} == {"sport"}
    random.Random(1).shuffle(rows)
    again = joined(project, log, write(tmp_path / name, rows), tmp_path / "second")
    assert [(each.user_id, each.item_id, each.event_time_ms, each.labels, each.history) for each in again] == [
        (each.user_id, each.item_id, each.event_time_ms, each.labels, each.history) for each in expected
    ]


def test_a_batch_run_learns_from_events_with_epochs_on_a_time_split(
    version: ModelVersion, project: Project, log: EventLog, tmp_path: Path
) -> None:
    training = version.document["training"] | {"batch_size": 64, "early_stopping": {"patience": 1, "max_epochs": 2}}
    ModelVersion.objects.filter(pk=version.pk).update(document=version.document | {"training": training})
    as_lines(tmp_path / "files" / "events.jsonl", [*made_events(), {"type": "wish"}])
    run = services.run_start(model_version=version, mode="batch", input_file="events.jsonl")
    train_batch(run.pk)
    run.refresh_from_db()
    assert (run.state, run.error, run.progress) == ("succeeded", "", 1.0)
    assert run.num_examples >= 300 and 1 < len(run.report["epochs"]) <= 2
    assert run.latest["auc"] is not None
    told = run.report["events_file"]
    assert (told["num_events"], told["num_refused"]) == (400, 1) and "row 401: " in told["first_problem"]
    # what the run's examples were is of no use any more
    assert not (model_folder(version) / JOINED).exists()


def test_a_killed_run_does_not_join_again(
    version: ModelVersion, project: Project, log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, folder = as_lines(tmp_path / "events.jsonl", made_events()), tmp_path / JOINED
    expected = joined(project, log, path, folder)

    def refuse(*_: object) -> None:
        raise AssertionError("the file was read again")

    with monkeypatch.context() as patched:
        patched.setattr(event_files, "event_rows", refuse)
        assert joined(project, log, path, folder) == expected
    # another file, schema or catalogue gives other examples
    as_lines(path, made_events(150))
    assert len(joined(project, log, path, folder)) == 150
    items_put(project=project, rows=[{"id": "i1", "properties": {"topic": "sport"}}])
    assert any(each.item for each in joined(project, log, path, folder))


def failed(version: ModelVersion, name: str) -> Run:
    run = services.run_start(model_version=version, mode="batch", input_file=name)
    train_batch(run.pk)
    run.refresh_from_db()
    assert run.state == "failed"
    return run


def test_wrong_columns_are_named_with_their_file_and_rule(version: ModelVersion, tmp_path: Path) -> None:
    rows = [{"who": "u", "item_id": "i", "type": "click", "timestamp": NOON_MS}]
    as_csv(tmp_path / "files" / "clicks.csv", rows)
    assert "clicks.csv is not valid: user_id: must be a column of clicks.csv" in failed(version, "clicks.csv").error
    (tmp_path / "files" / "clicks.csv.mapping.json").write_bytes(
        orjson.dumps(
            {
                "user_id": "whom",
                "item_id": "item_id",
                "type": {"column": "type"},
                "timestamp": {"column": "timestamp", "unit": "ms"},
            }
        )
    )
    assert (
        "is not a column of clicks.csv, which has who, item_id, type, timestamp" in failed(version, "clicks.csv").error
    )
    example = {"user_id": "u", "item_id": 1.5, "event_time": "noon", "label.click": 1}
    pq.write_table(pa.Table.from_pylist([example]), tmp_path / "files" / "rows.parquet")
    error = failed(version, "rows.parquet").error
    assert "rows.parquet is not valid" in error and "item_id: must be texts or integers (received double)" in error
    assert "event_time: must be times, or integer milliseconds since 1970 (received string)" in error


def test_rows_that_are_no_events_are_left_out_and_a_file_of_nothing_else_is_refused(
    version: ModelVersion, project: Project, log: EventLog, tmp_path: Path
) -> None:
    rows: list[Any] = [*made_events(3), {"type": "wish", "user_id": "u", "item_id": "i", "timestamp": NOON_MS}, 7]
    rows.append({"type": "click", "user_id": "u", "item_id": "i"})
    path = as_lines(tmp_path / "events.jsonl", rows)
    assert len(joined(project, log, path, tmp_path / "joined")) == 3
    as_lines(path, rows[4:])
    with pytest.raises(InvalidDocument, match=r"row \d: "):
        joined(project, log, path, tmp_path / "joined")
