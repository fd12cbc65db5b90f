"""What is learned while the next batch is read, encoded and planned ahead is what is learned without, at every moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.embedding.options import options_of
from engine.embedding.store import EmbeddingStore
from engine.embedding.table import EmbeddingTable
from engine.errors import OffsetOutOfRange
from engine.spec.definition import ModelDefinition
from engine.training.example_reader import ExampleReader
from engine.training.parquet_examples import ExampleFile
from engine.training.read_ahead import ReadAhead
from engine.training.state import TrainingState
from tests.engine.training.made import FakeClock, make_definition, make_examples, with_rules
from tests.engine.training.test_parquet_examples import rows_of

TOPIC = "any"


def eventful(kind: str) -> ModelDefinition:
    """Rows are earned and expire."""
    rules: dict[str, dict[str, Any]] = {
        "user_id": {"admission": {"kind": "min_count", "min_count": 2}},
        "item_id": {"expiry": {"ttl_s": 4}},
        "topic": {"admission": {"kind": "probability", "probability": 0.5}},
    }
    return with_rules(make_definition(kind), rules)


DEFINITIONS = {kind: eventful(kind) for kind in ("deepfm", "dcn_v2")}


def state_of(definition: ModelDefinition) -> TrainingState:
    """With a budget of so few rows that some go."""
    options = {name: replace(each, max_rows=44) for name, each in options_of(definition).items()}
    store = EmbeddingStore({name: EmbeddingTable(each, index_salt=5) for name, each in options.items()})
    return TrainingState(definition, wall_clock=FakeClock(2e9), store=store)


def moment(state: TrainingState, folder: Path) -> dict[str, Any]:
    """All of a checkpoint that a table's rows, decisions and counters, the progress and the catalogue have a part in."""
    saved = state.save(folder, 1_000)
    kept = {path.name: path.read_bytes() for path in saved.iterdir() if path.name.endswith((".arrow", "progress.json"))}
    return kept | {"digest": state.store.digest(), "now_s": state.event_clock.now_s}


def file_of(path: Path, examples: list[Any]) -> ExampleFile:
    pq.write_table(pa.Table.from_pylist(rows_of(examples)), path, row_group_size=37)
    return ExampleFile(path)


def in_turn(file: ExampleFile, state: TrainingState, batch_size: int) -> Iterator[TrainingState]:
    reader = ExampleReader(file, TOPIC, {})
    while (logged := reader.read_logged(batch_size, FakeClock(), until={0: file.num_rows})) is not None:
        state.learn(logged)
        state.event_clock.report_caught_up(reader.at_end)
        yield state


def ahead(file: ExampleFile, state: TrainingState, batch_size: int) -> Iterator[TrainingState]:
    with ReadAhead(ExampleReader(file, TOPIC, {}), state, batch_size, FakeClock(), {0: file.num_rows}) as batches:
        while (found := batches.next()) is not None:
            state.learn(found.logged, prepared=found.prepared)
            state.event_clock.report_caught_up(found.at_end)
            yield state


@settings(max_examples=12, deadline=None)
@given(
    kind=st.sampled_from(sorted(DEFINITIONS)),
    seed=st.integers(0, 2**16),
    num=st.integers(1, 200),
    num_items=st.integers(1, 60),
    batch_size=st.integers(1, 64),
    cut_at=st.integers(0, 5),
)
def test_every_checkpoint_is_what_it_would_be_without(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    seed: int,
    num: int,
    num_items: int,
    batch_size: int,
    cut_at: int,
) -> None:
    folder = tmp_path_factory.mktemp("ahead")
    examples = make_examples(num, seed=seed, origin="impression", num_items=num_items)
    file = file_of(folder / "examples.parquet", examples)
    plain, other = state_of(DEFINITIONS[kind]), state_of(DEFINITIONS[kind])
    pairs = zip(in_turn(file, plain, batch_size), ahead(file, other, batch_size), strict=True)
    for number, _ in enumerate(pairs):
        assert plain.store.digest() == other.store.digest()
        assert [each.counters for each in plain.store.tables.values()] == [
            each.counters for each in other.store.tables.values()
        ]
        if number == cut_at:  # the next batch is prepared by now, or being so
            assert moment(plain, folder / "plain") == moment(other, folder / "other")
    assert moment(plain, folder / "plain end") == moment(other, folder / "other end")


def test_rows_come_and_go_in_these_streams(tmp_path: Path) -> None:
    state = state_of(DEFINITIONS["deepfm"])
    file = file_of(tmp_path / "examples.parquet", make_examples(200, origin="impression"))
    for _ in ahead(file, state, 16):
        pass
    (table,) = state.store.tables.values()
    assert table.counters.num_over_budget > 0 and table.counters.num_expired > 0 and table.counters.num_turned_away > 0


def test_what_is_prepared_is_used(tmp_path: Path, monkeypatch: Any) -> None:
    state = state_of(DEFINITIONS["deepfm"])
    file = file_of(tmp_path / "examples.parquet", make_examples(100, origin="impression"))
    threads: list[str] = []
    encode = state.encoder.encode

    def encoded(*arguments: Any) -> Any:
        threads.append(threading.current_thread().name)
        return encode(*arguments)

    monkeypatch.setattr(state.encoder, "encode", encoded)
    assert sum(1 for _ in ahead(file, state, 32)) == 4
    assert len(threads) == 8 and all(name.startswith("freshet-read-ahead") for name in threads)


def test_an_error_of_the_reader_comes_in_its_turn(tmp_path: Path, monkeypatch: Any) -> None:
    state = state_of(DEFINITIONS["deepfm"])
    reader = ExampleReader(file_of(tmp_path / "examples.parquet", make_examples(100, origin="impression")), TOPIC, {})
    read = reader.read_logged

    def trimmed(*arguments: Any, **named: Any) -> Any:
        if reader.next_offsets[0] >= 64:
            raise OffsetOutOfRange("trimmed", earliest=90)
        return read(*arguments, **named)

    monkeypatch.setattr(reader, "read_logged", trimmed)
    with ReadAhead(reader, state, 32, FakeClock(), {0: 100}) as batches:
        for _ in range(2):
            found = batches.next()
            assert found is not None and len(found.logged) == 32
            state.learn(found.logged, prepared=found.prepared)
        with pytest.raises(OffsetOutOfRange):
            batches.next()


def test_nothing_is_left_running_when_it_is_left(tmp_path: Path) -> None:
    state = state_of(DEFINITIONS["deepfm"])
    file = file_of(tmp_path / "examples.parquet", make_examples(100, origin="impression"))
    batches = ahead(file, state, 16)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("freshet-read-ahead")]
    assert state.progress.num_examples == 16


def test_a_plan_of_another_batch_is_left_aside_by_the_step_and_refused_by_the_table() -> None:
    definition = DEFINITIONS["deepfm"]
    (table,) = state_of(definition).store.tables.values()
    fids = np.array([1, 2], np.uint64)
    plan = table.plan(fids)
    with pytest.raises(ValueError, match="plan must be of this table and of these fids"):
        table.sight(fids[:1], np.zeros(1, np.uint16), 5, plan)
    assert len(table) == 0
    assert table.sight(fids, np.zeros(2, np.uint16), 5, plan).num_unique == 2
