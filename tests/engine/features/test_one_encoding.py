"""Batch, online and serving give every kind of feature the same FIDs and floats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.features.columns import (
    columns_for_items,
    columns_from_examples,
    columns_of_counters,
    concat,
    repeat_rows,
)
from engine.features.encoded import EncodedBatch
from engine.features.encoder import FeatureEncoder
from engine.features.parquet import read_columns
from engine.models.inputs import InputLayout
from engine.retrieval.asker import Asker
from engine.spec.definition import Side
from engine.spec.example import Example
from tests.engine.features import every_kind

DEFINITION = every_kind.definition()
ENCODER = FeatureEncoder(DEFINITION)


def rows_of(batch: EncodedBatch, slot: str) -> list[list[int]]:
    values = batch.slots[slot]
    return [values.fids[start:end].tolist() for start, end in zip(values.offsets[:-1], values.offsets[1:], strict=True)]


def assert_equal(first: EncodedBatch, second: EncodedBatch) -> None:
    assert first.num_rows == second.num_rows
    assert first.slots.keys() == second.slots.keys()
    for name in first.slots:
        assert rows_of(first, name) == rows_of(second, name), name
    np.testing.assert_array_equal(first.dense, second.dense)


def online(examples: list[Example]) -> EncodedBatch:
    """From the bytes of the `examples` topic."""
    read = [Example.from_bytes(example.to_bytes()) for example in examples]
    return ENCODER.encode(columns_from_examples(read, ENCODER.sources()), len(read))


def served(example: Example, items: list[Example]) -> dict[Side, EncodedBatch]:
    """The example's user beside the items of others, as a replica encodes them."""
    asker = Asker(
        example.user_id,
        example.user,
        example.event,
        example.history,
        example.history_types,
        example.history_times_ms,
        example.request_time_ms,
    )
    ids, properties = [item.item_id for item in items], [item.item for item in items]
    user = ENCODER.encode(asker.columns(ENCODER.sources(Side.USER)), 1, Side.USER)
    candidates = ENCODER.encode(columns_for_items(ids, properties, ENCODER.sources(Side.ITEM)), len(items), Side.ITEM)
    sources = ENCODER.sources(Side.PAIR)
    beside = concat(repeat_rows(asker.columns(sources), len(items)), columns_for_items(ids, properties, sources))
    beside |= columns_of_counters([item.counters for item in items], sources)
    return {Side.USER: user, Side.ITEM: candidates, Side.PAIR: ENCODER.encode(beside, len(items), Side.PAIR)}


def row(batch: EncodedBatch, index: int) -> EncodedBatch:
    slots = {
        name: type(values)(
            values.fids[values.offsets[index] : values.offsets[index + 1]],
            np.array([0, values.offsets[index + 1] - values.offsets[index]], np.int32),
        )
        for name, values in batch.slots.items()
    }
    return EncodedBatch(slots, batch.dense[index : index + 1], 1)


def test_the_definition_fits_its_schema_and_has_every_side() -> None:
    DEFINITION.check_against(every_kind.SCHEMA)
    assert [len(ENCODER.slots(side)) for side in Side] == [8, 6, 4]
    assert [len(ENCODER.dense(side)) for side in Side] == [2, 2, 3]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_serving_encodes_what_training_reads_from_the_log(seed: int) -> None:
    examples = every_kind.examples(6, seed)
    sides = InputLayout(DEFINITION).split(online(examples))
    for index, example in enumerate(examples):
        for side, batch in served(example, [example]).items():
            assert_equal(batch, row(sides[side], index))


def test_candidates_of_one_request_are_encoded_as_each_alone() -> None:
    examples = every_kind.examples(8, seed=3)
    together = served(examples[0], examples)
    for index, example in enumerate(examples):
        alone = served(examples[0], [example])
        for side in (Side.ITEM, Side.PAIR):
            assert_equal(row(together[side], index), alone[side])


def test_batch_from_parquet_equals_the_log(tmp_path: Path) -> None:
    """Typed columns of a file: dictionaries, float32 vectors, timestamps, large strings."""
    examples = every_kind.examples(40, seed=5)
    columns = columns_from_examples(examples, ENCODER.sources())
    pq.write_table(pa.table({source: _typed(source, column) for source, column in columns.items()}), tmp_path / "rows")
    ((read, _),) = read_columns(tmp_path / "rows", {source: source for source in columns})
    assert pa.types.is_dictionary(read["user.country"].type)
    assert_equal(ENCODER.encode(read, len(examples)), online(examples))


def _typed(source: str, column: Any) -> Any:
    types: dict[str, pa.DataType] = {
        "item.published": pa.timestamp("ms", "UTC"),
        "user.joined": pa.timestamp("ms", "UTC"),
        "item.title": pa.large_string(),
        "item.id": pa.string_view(),
        "user.age": pa.int8(),
        "user.history": pa.large_list(pa.string()),
    }
    if source == "user.country":
        return column.dictionary_encode()
    typed = column.cast(types[source]) if source in types else column
    return typed.cast(pa.timestamp("us", "UTC")) if source == "user.joined" else typed


@pytest.mark.parametrize("side", list(Side))
def test_nothing_known_at_all_is_encoded_too(side: Side) -> None:
    batch = ENCODER.encode({}, 2, side)
    assert all(values.fids.size == 0 for values in batch.slots.values())
    prior = {"ctr": 0.1 / 1.0}
    expected = [
        prior.get(dense.name, np.nan if dense.transform.standardises else 0.0)
        for dense in ENCODER.dense(side)
        for _ in range(dense.dim)
    ]
    np.testing.assert_allclose(batch.dense, [expected] * 2)


@pytest.mark.parametrize("malformed", [{"no": "value"}, [["nested"]], 2**63, True, "text", 1.5, ["a", 1]])
def test_malformed_values_stop_nothing_and_touch_no_other_row(malformed: object) -> None:
    (good,) = every_kind.examples(1, seed=9)
    entities = {"user": dict.fromkeys(good.user, malformed), "item": dict.fromkeys(good.item, malformed)}
    broken = Example(**{name: getattr(good, name) for name in Example.__slots__} | entities)
    assert_equal(row(online([good, broken]), 0), row(online([good]), 0))
    assert_equal(row(online([good, broken]), 1), row(online([broken]), 0))
