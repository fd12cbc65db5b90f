"""A request's user encoded from plain values is what whole columns make of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.features.columns import column_of
from engine.features.encoder import FeatureEncoder
from engine.features.one_row import OneRowEncoder
from engine.features.records import RecordLayout
from engine.spec.definition import ModelDefinition, Side

SLOTS: list[dict[str, Any]] = [
    {"name": "plain", "source": "user.first"},
    {"name": "last_two", "source": "user.second", "max_values": 2},
    {"name": "first_one", "source": "user.second", "pooling": "first"},
    {"name": "narrow", "source": "event.third", "dim": 4},
    {"name": "combined", "source": "feature.combined", "max_values": 3},
]
DENSE: list[dict[str, Any]] = [
    {"name": "number", "source": "user.first"},
    {"name": "logarithm", "source": "user.second", "transform": "log1p"},
    {"name": "standardised", "source": "event.third", "transform": "standardise"},
]
FEATURES = [{"kind": "cross", "name": "combined", "sources": ["user.first", "event.third"]}]


def definition(*dense: dict[str, Any]) -> ModelDefinition:
    slots = [{"number": number, "dim": 8, **slot} for number, slot in enumerate(SLOTS, start=1)]
    return ModelDefinition.parse(
        {"features": FEATURES, "slots": slots, "dense": dense, "architecture": {"kind": "mmoe"}}
    )


SCALARS = definition(*DENSE)
VECTORS = definition(*DENSE, {"name": "vector", "source": "user.second", "dim": 2})

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["", "a", 2**63, -(2**63), 0, 1.0, 1e300])
)
values = scalars | st.lists(scalars, max_size=4) | st.lists(st.text(max_size=2), max_size=9) | st.just({"a": 1})


@settings(max_examples=400, deadline=None)
@given(first=values, second=values, third=values, has_vector=st.booleans())
def test_any_values_give_the_record_that_columns_give(first: Any, second: Any, third: Any, has_vector: bool) -> None:
    row = {"user.first": first, "user.second": second, "event.third": third}
    chosen = VECTORS if has_vector else SCALARS
    columns = {source: column_of([value]) for source, value in row.items()}
    expected = RecordLayout(chosen, Side.USER).pack(FeatureEncoder(chosen).encode(columns, 1, Side.USER))
    encoder = OneRowEncoder(chosen, Side.USER)
    plain = [row[source] for source in encoder.plain_sources]
    found = encoder.encode(plain, {source: columns[source] for source in encoder.column_sources})
    assert found.words.tobytes() == expected.words.tobytes()
    assert found.starts.tolist() == [0]


def test_records_are_unpacked_to_the_batch_that_was_packed() -> None:
    layout = RecordLayout(VECTORS, Side.USER)
    rows = [["a", "b"], [], ["c"], ["d", "e"]]
    batch = FeatureEncoder(VECTORS).encode({"user.second": column_of(rows)}, 4, Side.USER)
    records = layout.pack(batch)
    again = layout.unpack(records)
    np.testing.assert_array_equal(again.dense, batch.dense)
    for name, values in batch.slots.items():
        np.testing.assert_array_equal(again.slots[name].fids, values.fids)
        np.testing.assert_array_equal(again.slots[name].offsets, values.offsets)
