"""A file's rows, learned as columns, are learned as the same rows in JSON are."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.features.encoded import EncodedBatch
from engine.features.row_hashes import row_hashes
from engine.spec.definition import ModelDefinition
from engine.spec.example import Origin
from engine.training import example_table
from engine.training.logged import LoggedColumns, LoggedExamples, parse_records
from engine.training.parquet_examples import ExampleFile
from engine.training.state import TrainingState
from engine.training.training_batch import RankingBatch
from tests.engine.features import every_kind
from tests.engine.training.made import FakeClock, make_definition, make_examples, salted, with_rules
from tests.engine.training.test_parquet_examples import rows_of

BUY = {"name": "buy", "event_type": "purchase"}
SECONDS = {"kind": "regression", "name": "seconds", "event_type": "click", "property": "dwell_s"}
SLICED = {"slices": ["event.device", "item.topic", "user.age", "item.none"]}
DEFINITION = with_rules(
    make_definition("deepfm", training=SLICED), {}, tasks=[{"name": "click", "event_type": "click"}, SECONDS, BUY]
)


def opened(path: Path, table: pa.Table, rows_in_a_group: int = 37) -> ExampleFile:
    pq.write_table(table, path, row_group_size=rows_in_a_group)
    return ExampleFile(path)


def in_json(file: ExampleFile, offset: int, num: int) -> LoggedExamples:
    """What a trainer reads of the topic of examples."""
    return parse_records(file.read("any", 0, offset, num))


def state_of(definition: ModelDefinition) -> TrainingState:
    return TrainingState(definition, wall_clock=FakeClock(2e9), store=salted(definition))


def assert_same_sides(first: EncodedBatch | None, second: EncodedBatch | None) -> None:
    if first is None or second is None:
        assert first is second
        return
    assert first.slots.keys() == second.slots.keys()
    for name, values in first.slots.items():
        np.testing.assert_array_equal(values.fids, second.slots[name].fids, name)
        np.testing.assert_array_equal(values.offsets, second.slots[name].offsets, name)
    np.testing.assert_array_equal(first.dense, second.dense)


def assert_same_batches(first: RankingBatch, second: RankingBatch) -> None:
    for side in ("user", "items", "pairs"):
        assert_same_sides(getattr(first, side), getattr(second, side))
    for name in ("user_rows", "item_rows", "labels", "known", "weights", "sampling_rates", "is_sampled", "kept"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), name)
    for side, stamps in first.seen_at_s.items():
        np.testing.assert_array_equal(stamps, second.seen_at_s[side])


def assert_same_notes(columnar: TrainingState, listed: TrainingState) -> None:
    assert columnar.catalogue.to_arrow().equals(listed.catalogue.to_arrow())
    np.testing.assert_array_equal(columnar.pool.recent(), listed.pool.recent())
    np.testing.assert_array_equal(columnar.frequency.count, listed.frequency.count)


def built(state: TrainingState, logged: LoggedColumns | LoggedExamples) -> RankingBatch:
    batch = state._built(logged)
    assert isinstance(batch, RankingBatch)
    return batch


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """Files of every type that a column may have, with nothing, too much and nonsense in them."""
    num = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))

    def some(values: list[Any], kind: pa.DataType) -> pa.Array[Any]:
        return pa.array([values[place] for place in rng.integers(len(values), size=num)], kind)

    texts, whole = ["a", "", None, "ü" * 9], [None, 0, 7, -3]
    columns = {
        "user_id": draw(
            st.sampled_from([some(["u1", "u2", "", None, "u\x00"], pa.string()), some([1, 2, 3], pa.int32())])
        ),
        "item_id": some(["i1", "i2", "i3", "x" * 300, "i\u00a0", None], pa.string()),
        "event_time": draw(
            st.sampled_from(
                [
                    some([1_000, 2_500, None, 2**62], pa.int64()),
                    some([datetime(2026, 1, 31, 12, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
                    some([datetime(2026, 1, 31, 12, tzinfo=UTC)], pa.timestamp("ns")),
                ]
            )
        ),
        "label.click": some([True, False, None], pa.bool_()),
        "label.click.dwell_s": some([1.5, None, float("nan"), float("inf")], pa.float32()),
        "label.purchase": some([0, 1, None], pa.int8()),
        "user.age": draw(
            st.sampled_from(
                [
                    some([1.5, 2.0, None, float("nan"), float("inf")], pa.float64()),
                    some([30, None, 2**63 + 5], pa.uint64()),
                    some(texts, pa.string()),
                ]
            )
        ),
        "item.topic": draw(
            st.sampled_from(
                [
                    some(texts, pa.string()),
                    some(texts, pa.dictionary(pa.int32(), pa.string())),
                    some(whole, pa.int16()),
                    some([["a", "b"], [], None, ["", None]], pa.list_(pa.string())),
                    some([datetime(2026, 1, 31, tzinfo=UTC), None], pa.timestamp("s")),
                    some([True, None], pa.bool_()),
                ]
            )
        ),
        "item.price": some([1.0, 2.25, None], pa.float32()),
        "event.device": draw(st.sampled_from([some(texts, pa.large_string()), some(whole, pa.int64()), pa.nulls(num)])),
        "history": draw(
            st.sampled_from([some([["i1", "i9"], [], None, ["i1", ""]], pa.list_(pa.string())), pa.nulls(num)])
        ),
        "weight": some([1.0, None, 0.5, -1.0], pa.float64()),
        "sampling_rate": some([0.25, 1.0, None, 2.0], pa.float32()),
        "origin": some([None, "impression", "else"], pa.string()),
    }
    names = [name for name in columns if not name.startswith(("history", "weight", "origin")) or draw(st.booleans())]
    return pa.table({name: columns[name] for name in names})


@settings(max_examples=60, deadline=None)
@given(tables(), st.integers(1, 40))
def test_columns_become_the_batch_that_the_same_rows_in_json_become(
    tmp_path_factory: pytest.TempPathFactory, table: pa.Table, batch_size: int
) -> None:
    file = opened(tmp_path_factory.mktemp("rows") / "examples.parquet", table)
    columnar, listed = state_of(DEFINITION), state_of(DEFINITION)
    for offset in range(0, len(table), batch_size):
        read, parsed = file.columns(offset, batch_size), in_json(file, offset, batch_size)
        assert (read.next_offsets, set(read.skipped)) == (parsed.next_offsets, set(parsed.skipped))
        assert read.listed().examples == parsed.examples
        if not len(read):
            continue
        first, second = columnar._built(read), listed._built(parsed)
        if isinstance(first, RankingBatch) and isinstance(second, RankingBatch):
            assert_same_batches(first, second)
        else:
            assert first is second
    assert_same_notes(columnar, listed)


def every_source(num: int, seed: int) -> pa.Table:
    """Every kind of source that a definition may have, as a file's columns."""
    rows = []
    for example in every_kind.examples(num, seed, origin=Origin.IMPRESSION):
        row: dict[str, Any] = {
            "user_id": example.user_id,
            "item_id": example.item_id,
            "event_time": example.event_time_ms,
        }
        row |= {"history": list(example.history), "label.click": example.labels.get("click")}
        for entity in ("user", "item", "event"):
            row |= {f"{entity}.{name}": value for name, value in getattr(example, entity).items()}
        rows.append(row | {f"counter.{name}": value for name, value in example.counters.items()})
    names = {name for row in rows for name in row}
    return pa.table({name: _column([row.get(name) for row in rows]) for name in sorted(names)})


def _column(values: list[Any]) -> Any:
    """A property whose type changed is no column of a file: of the values the texts or else the numbers."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([value if isinstance(value, str) else None for value in values], pa.string())


@pytest.mark.parametrize("seed", [1, 2])
def test_every_kind_of_feature_is_the_same_of_columns(tmp_path: Path, seed: int) -> None:
    definition = every_kind.definition()
    file = opened(tmp_path / "examples.parquet", every_source(80, seed))
    columnar, listed = state_of(definition), state_of(definition)
    assert columnar._columnar.takes(file.columns(0, 80).table)
    assert_same_batches(built(columnar, file.columns(0, 80)), built(listed, in_json(file, 0, 80)))


def test_training_on_columns_is_training_on_rows(tmp_path: Path) -> None:
    """Tables, metrics, slices, hottest ids and catalogue, over batches that do not fit the file's pieces."""
    made = rows_of(make_examples(500, origin="impression"))
    file = opened(tmp_path / "examples.parquet", pa.Table.from_pylist(made), 64)
    columnar, listed = state_of(DEFINITION), state_of(DEFINITION)
    for offset in range(0, 500, 48):
        columnar.learn(file.columns(offset, 48))
        listed.learn(in_json(file, offset, 48))
    assert columnar.store.digest() == listed.store.digest()
    assert columnar.metrics.values() == listed.metrics.values()
    assert columnar.metrics.slices() == listed.metrics.slices()
    assert columnar.hot_ids.hottest() == listed.hot_ids.hottest()
    assert columnar.progress.examples == listed.progress.examples
    assert columnar.item_to_item.to_arrow().items.equals(listed.item_to_item.to_arrow().items)
    assert_same_notes(columnar, listed)


@pytest.mark.parametrize(
    ("definition", "origin"),
    [
        (make_definition("deepfm", num_negatives=2), "action"),
        (with_rules(make_definition("deepfm"), {}, tasks=[{"name": "click", "loss": "pairwise"}]), "impression"),
    ],
)
def test_what_draws_or_compares_is_learned_row_by_row(tmp_path: Path, definition: ModelDefinition, origin: str) -> None:
    made = [row | {"origin": origin} for row in rows_of(make_examples(200, origin=origin))]
    file = opened(tmp_path / "examples.parquet", pa.Table.from_pylist(made))
    columnar, listed = state_of(definition), state_of(definition)
    for offset in range(0, 200, 64):
        assert not columnar._columnar.takes(file.columns(offset, 64).table)
        columnar.learn(file.columns(offset, 64))
        listed.learn(in_json(file, offset, 64))
    assert columnar.store.digest() == listed.store.digest()


@pytest.mark.parametrize("origin", ["impression", "action"])
@pytest.mark.parametrize("batch_size", [64, 300])
def test_a_retrieval_model_learns_columns_as_it_learns_rows(tmp_path: Path, origin: str, batch_size: int) -> None:
    """Batches that are filled up with drawn candidates, and one that needs none."""
    made = [row | {"origin": origin} for row in rows_of(make_examples(600, origin=origin))]
    file = opened(tmp_path / "examples.parquet", pa.Table.from_pylist(made))
    definition = make_definition("two_tower", training={"batch_size": 300})
    columnar, listed = state_of(definition), state_of(definition)
    for offset in range(0, 600, batch_size):
        columnar.learn(file.columns(offset, batch_size))
        listed.learn(in_json(file, offset, batch_size))
    assert columnar.store.digest() == listed.store.digest()
    assert columnar.metrics.values() == listed.metrics.values()
    assert_same_notes(columnar, listed)


@pytest.mark.parametrize("kind", ["deepfm", "two_tower"])
def test_no_object_is_made_of_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Of 64 of a batch the ids are kept for the report, as columns too."""
    made = rows_of(make_examples(256, origin="impression"))
    file = opened(tmp_path / "examples.parquet", pa.Table.from_pylist(made), 256)
    state = state_of(make_definition(kind, training={"evaluate_fraction": 0.0, "batch_size": 256}))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an example was made of a row")

    monkeypatch.setattr(example_table, "Example", refuse)
    assert state.learn(file.columns(0, 256)) is not None


def test_row_hashes_differ_where_any_value_does() -> None:
    rows: list[dict[str, Any]] = [
        {"a": "x", "b": 1, "c": 0.5, "d": ["p", "q"], "e": True},
        {"a": "y", "b": 1, "c": 0.5, "d": ["p", "q"], "e": True},
        {"a": "", "b": 1, "c": 0.5, "d": ["p", "q"], "e": True},
        {"a": None, "b": 1, "c": 0.5, "d": ["p", "q"], "e": True},
        {"a": "x", "b": 0, "c": 0.5, "d": ["p", "q"], "e": True},
        {"a": "x", "b": None, "c": 0.5, "d": ["p", "q"], "e": True},
        {"a": "x", "b": 1, "c": 0.25, "d": ["p", "q"], "e": True},
        {"a": "x", "b": 1, "c": 0.5, "d": ["q", "p"], "e": True},
        {"a": "x", "b": 1, "c": 0.5, "d": [], "e": True},
        {"a": "x", "b": 1, "c": 0.5, "d": None, "e": True},
        {"a": "x", "b": 1, "c": 0.5, "d": ["p", "q"], "e": None},
        {"a": "x", "b": 1, "c": 0.5, "d": ["p", "q"], "e": True},
    ]
    table = pa.Table.from_pylist(rows).combine_chunks()
    hashes = row_hashes((column.chunk(0) for column in table.columns), len(rows))
    assert hashes[0] == hashes[-1]
    assert len(set(hashes.tolist())) == len(rows) - 1
    sliced = row_hashes((column.chunk(0).slice(6, 3) for column in table.columns), 3)
    np.testing.assert_array_equal(sliced, hashes[6:9])
