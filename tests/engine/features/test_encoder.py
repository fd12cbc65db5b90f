from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.embedding.hashing import hash_ids
from engine.features.columns import (
    column_of,
    columns_for_items,
    columns_for_user,
    columns_from_examples,
    concat,
    repeat_rows,
)
from engine.features.encoded import EncodedBatch, repeat_encoded
from engine.features.encoder import FeatureEncoder
from engine.spec.definition import ModelDefinition, Side
from engine.spec.example import Cause, Example, Origin

DEFINITION = ModelDefinition.parse(
    {
        "slots": [
            {"name": "user_id", "number": 1, "source": "user.id"},
            {"name": "item_id", "number": 2, "source": "item.id"},
            {"name": "history", "number": 3, "source": "user.history", "shares": "item_id", "max_values": 2},
            {"name": "tags", "number": 4, "source": "item.tags", "max_values": 3},
            {"name": "year", "number": 5, "source": "item.year"},
            {"name": "device", "number": 6, "source": "event.device"},
        ],
        "dense": [
            {"name": "price", "source": "item.price", "transform": "log1p"},
            {"name": "age", "source": "user.age"},
        ],
        "architecture": {"kind": "deepfm"},
    }
)
ENCODER = FeatureEncoder(DEFINITION)


def fids(slot: int, *values: str | int) -> list[int]:
    return hash_ids(pa.array(list(values)), slot).tolist() if values else []


def rows_of(batch: EncodedBatch, slot: str) -> list[list[int]]:
    values = batch.slots[slot]
    return [values.fids[start:end].tolist() for start, end in zip(values.offsets[:-1], values.offsets[1:], strict=True)]


def encode_one(source: str, values: list[object]) -> EncodedBatch:
    return ENCODER.encode({source: column_of(values)}, len(values))


def test_strings_and_missing_values() -> None:
    batch = encode_one("event.device", ["phone", None, "", "tv"])
    assert rows_of(batch, "device") == [fids(6, "phone"), [], [], fids(6, "tv")]


def test_integers_booleans_and_whole_floats_hash_as_integers() -> None:
    assert rows_of(encode_one("item.year", [1999, None, -1]), "year") == [fids(5, 1999), [], fids(5, -1)]
    assert rows_of(encode_one("item.year", [True, False]), "year") == [fids(5, 1), fids(5, 0)]
    assert rows_of(encode_one("item.year", [2.0, 2.5, float("nan"), 1e300]), "year") == [fids(5, 2), [], [], []]


def test_list_keeps_the_last_usable_values() -> None:
    batch = encode_one("item.tags", [["a", "b", "c", "d", "", None], [], None, ["x"]])
    assert rows_of(batch, "tags") == [fids(4, "b", "c", "d"), [], [], fids(4, "x")]


def test_shared_slot_hashes_with_its_owners_number() -> None:
    columns = columns_for_user("u", {}, {}, ["i1", "i2", "i3"], ENCODER.sources(Side.USER))
    batch = ENCODER.encode(columns, 1, Side.USER)
    assert rows_of(batch, "history") == [fids(2, "i2", "i3")]


@pytest.mark.parametrize(
    "value, expected",
    [("a", ["a"]), (7, [7]), (["a", "b"], ["a", "b"]), ([1, 2], [1, 2]), (None, []), ({"no": 1}, []), (2**70, [])],
)
def test_value_has_the_same_fids_whatever_its_neighbours(value: object, expected: list[str | int]) -> None:
    for neighbour in (None, "s", 3, ["t"], {"k": 1}, 2**70, 2.5):
        alone, beside = encode_one("item.tags", [value]), encode_one("item.tags", [value, neighbour])
        assert rows_of(alone, "tags")[0] == fids(4, *expected)
        assert rows_of(beside, "tags")[0] == fids(4, *expected), neighbour


def test_dense_values_by_hand() -> None:
    batch = encode_one("item.price", [0.0, 1.0, -1.0, None, float("inf"), 9])
    np.testing.assert_allclose(batch.dense[:, 0], [0, np.log(2), -np.log(2), 0, 0, np.log(10)], rtol=1e-6)
    assert batch.dense.dtype == np.float32
    assert encode_one("user.age", [41.5, "old", True]).dense[:, 1].tolist() == [41.5, 0.0, 1.0]


def test_absent_source_is_missing_in_every_row() -> None:
    batch = ENCODER.encode({}, 3)
    assert all(rows_of(batch, slot.name) == [[], [], []] for slot in DEFINITION.slots)
    assert batch.dense.tolist() == [[0.0, 0.0]] * 3


def test_column_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"columns\.item\.id: must have 3 rows, received 1"):
        ENCODER.encode({"item.id": pa.array(["i"])}, 3)


def test_sources_of_a_side_are_each_named_once() -> None:
    assert ENCODER.sources(Side.USER) == ["user.id", "user.history", "event.device", "user.age"]
    assert ENCODER.sources(Side.ITEM) == ["item.id", "item.tags", "item.year", "item.price"]


TAGS = st.none() | st.lists(st.sampled_from(["a", "b", "", "ü"]), max_size=5)
ITEM = st.fixed_dictionaries(
    {}, optional={"tags": TAGS, "year": st.none() | st.integers(-5, 5), "price": st.floats(0, 9)}
)


@given(
    items=st.lists(ITEM, min_size=1, max_size=5),
    history=st.lists(st.sampled_from(["item-0", "item-1"]), max_size=4),
    device=st.sampled_from(["tv", None]),
)
def test_serving_gives_the_fids_that_training_learned(
    items: list[dict[str, Any]], history: list[str], device: str | None
) -> None:
    """A user beside candidates, encoded by side as a replica does, equals the same rows encoded whole as a trainer could."""
    ids = [f"item-{number}" for number in range(len(items))]
    examples = [
        Example(
            "e", "u", item_id, 0, Origin.ACTION, {}, Cause(0, 0, 0), user={"age": 3.0}, item=item,
            event={"device": device}, history=tuple(history),
        )
        for item_id, item in zip(ids, items, strict=True)
    ]  # fmt: skip
    sources = ENCODER.sources()
    whole = ENCODER.encode(columns_from_examples(examples, sources), len(items))
    user_columns = columns_for_user("u", {"age": 3.0}, {"device": device}, history, sources)
    item_columns = columns_for_items(ids, items, sources)
    user = repeat_encoded(ENCODER.encode(user_columns, 1, Side.USER), len(items))
    candidates = ENCODER.encode(item_columns, len(items), Side.ITEM)
    for slot in DEFINITION.slots:
        side = user if slot.name in user.slots else candidates
        assert rows_of(side, slot.name) == rows_of(whole, slot.name)
    np.testing.assert_array_equal(np.hstack([candidates.dense, user.dense]), whole.dense)
    joined = ENCODER.encode(concat(repeat_rows(user_columns, len(items)), item_columns), len(items))
    assert all(rows_of(joined, slot.name) == rows_of(whole, slot.name) for slot in DEFINITION.slots)
    np.testing.assert_array_equal(joined.dense, whole.dense)
