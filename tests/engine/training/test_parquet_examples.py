from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from engine.errors import InvalidDocument
from engine.spec.example import Example
from engine.streams.memory import MemoryLog
from engine.training.batch import BatchProgress, train_batch
from engine.training.logged import parse_records
from engine.training.online import OnlineTrainer
from engine.training.parquet_examples import ExampleFile
from engine.training.state import TrainingState
from tests.engine.training.made import FakeClock, append_examples, as_logged, make_definition, make_examples

NUM = 200
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
DEFINITION = make_definition("deepfm")


def rows_of(examples: list[Example]) -> list[dict[str, Any]]:
    return [
        {
            "user_id": each.user_id, "item_id": each.item_id, "event_time": each.event_time_ms,
            "label.click": each.labels["click"], "user.age": each.user["age"], "item.topic": each.item["topic"],
            "item.price": each.item["price"], "event.device": each.event["device"], "history": list(each.history),
            "unrelated": "kept out",
        }
        for each in examples
    ]  # fmt: skip


def written(path: Path, rows: list[dict[str, Any]]) -> ExampleFile:
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=70)
    return ExampleFile(path)


def examples_in(file: ExampleFile, offset: int = 0, num: int = 10_000) -> list[Example]:
    return parse_records(file.read("any", 0, offset, num)).examples


@pytest.fixture
def file(tmp_path: Path) -> ExampleFile:
    return written(tmp_path / "examples.parquet", rows_of(make_examples(NUM, origin="impression")))


def test_rows_are_the_examples_that_were_written(file: ExampleFile) -> None:
    made = make_examples(NUM, origin="impression")
    for read, each in zip(examples_in(file), made, strict=True):
        assert (read.user_id, read.item_id, read.event_time_ms) == (each.user_id, each.item_id, each.event_time_ms)
        assert (read.labels, read.user, read.item, read.event) == (each.labels, each.user, each.item, each.event)
        assert (read.history, read.origin, read.weight) == (each.history, each.origin, 1.0)


@pytest.mark.parametrize(("offset", "num"), [(0, 5), (68, 5), (139, 2), (195, 50), (200, 5)])
def test_any_part_can_be_read_whatever_the_row_groups(file: ExampleFile, offset: int, num: int) -> None:
    records = file.read("any", 0, offset, num)
    assert [record.offset for record in records] == list(range(offset, min(NUM, offset + num)))
    assert examples_in(file, offset, num) == examples_in(file)[offset : offset + num]


def test_place_of_a_time_is_the_first_row_not_before_it(file: ExampleFile) -> None:
    assert [file.offset_at("any", 0, time_ms) for time_ms in (0, 70_000, 70_001, 10**9)] == [0, 70, 71, NUM]


def test_csv_and_times_that_are_times(tmp_path: Path) -> None:
    rows = [
        {"user_id": 7, "item_id": "a", "event_time": NOON, "label.click": True, "weight": 2.5, "origin": "action"},
        {"user_id": 8, "item_id": "b", "event_time": NOON, "label.click": False, "weight": None, "origin": None},
    ]
    pa_csv.write_csv(pa.Table.from_pylist(rows), tmp_path / "examples.csv")
    first, second = examples_in(ExampleFile(tmp_path / "examples.csv"))
    assert (first.user_id, first.event_time_ms, first.weight, first.labels) == (
        "7",
        1_769_860_800_000,
        2.5,
        {"click": 1.0},
    )
    assert (first.origin.value, second.origin.value, second.labels) == ("action", "impression", {"click": 0.0})


def test_rows_of_no_use_are_stepped_over_and_counted(tmp_path: Path) -> None:
    rows = rows_of(make_examples(4, origin="impression"))
    rows[1]["user_id"] = None
    rows[2]["label.click"] = None
    file = written(tmp_path / "examples.parquet", rows)
    logged = parse_records(file.read("any", 0, 0, 10))
    assert (len(logged), logged.skipped) == (3, ((0, 1),))
    assert logged.examples[1].labels == {}


def test_every_wrong_column_is_named_with_its_rule(tmp_path: Path) -> None:
    row = {
        "user_id": 1.5,
        "item_id": "a",
        "event_time": "noon",
        "label.click": "yes",
        "history": "a b",
        "item.box": {"w": 1},
    }
    with pytest.raises(InvalidDocument) as refused:
        written(tmp_path / "examples.parquet", [row])
    assert [(problem.field, problem.received) for problem in refused.value.problems] == [
        ("user_id", "double"),
        ("event_time", "string"),
        ("label.click", "string"),
        ("history", "string"),
        ("item.box", "struct<w: int64>"),
    ]
    assert refused.value.problems[1].rule == "must be times, or integer milliseconds since 1970"
    assert refused.value.message.startswith("examples.parquet")


@pytest.mark.parametrize("missing", ["user_id", "event_time", "label.click"])
def test_file_without_the_columns_is_refused(tmp_path: Path, missing: str) -> None:
    rows = [{name: value for name, value in row.items() if name != missing} for row in rows_of(make_examples(2))]
    with pytest.raises(InvalidDocument, match=missing.partition(".")[0]):
        written(tmp_path / "examples.parquet", rows)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InvalidDocument, match="Parquet or CSV"):
        ExampleFile(tmp_path / "broken.parquet")


def train(file: ExampleFile, log: MemoryLog, directory: Path, **more: Any) -> Any:
    return train_batch(DEFINITION, log, "p", "m", 1, directory, clock=FakeClock(), examples=file, **more)


def test_run_over_a_file_learns_what_a_run_over_the_log_would(file: ExampleFile, tmp_path: Path) -> None:
    log = MemoryLog()
    result = train(file, log, tmp_path / "m")
    assert (result.is_complete, result.num_examples) == (True, NUM)
    whole, made = TrainingState(DEFINITION), make_examples(NUM, origin="impression")
    for start in range(0, NUM, 64):
        whole.learn(as_logged(made[start : start + 64], start))
    assert TrainingState.restore(DEFINITION, tmp_path / "m").store.digest() == whole.store.digest()


def test_online_begins_with_all_that_the_log_has(file: ExampleFile, tmp_path: Path) -> None:
    log = MemoryLog()
    append_examples(log, "p", make_examples(30, seed=4))
    assert train(file, log, tmp_path / "m").end_offsets == {}
    trainer = OnlineTrainer(DEFINITION, log, "p", "m", 1, tmp_path / "m", clock=FakeClock())
    assert trainer.poll(0.0).num_examples == 30


def test_killed_run_goes_on_in_the_file(file: ExampleFile, tmp_path: Path) -> None:
    def stops() -> Callable[[], bool]:
        polls = iter([False, False, True])
        return lambda: next(polls)

    log, seen = MemoryLog(), []
    assert not train(file, log, tmp_path / "m", should_stop=stops()).is_complete

    def note(progress: BatchProgress) -> None:
        seen.append(progress.num_examples)

    assert train(file, log, tmp_path / "m", resume=True, on_progress=note).num_examples == NUM
    assert seen == [192, 200]
