from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.retrieval.catalogue import Catalogue
from engine.retrieval.property_column import BooleanColumn, NumberColumn, TextColumn, TextListColumn
from engine.spec.event import CatalogChange
from engine.spec.schema import PropertyType

TYPES = {
    "price": PropertyType.FLOAT,
    "new": PropertyType.BOOLEAN,
    "topic": PropertyType.STRING,
    "tags": PropertyType.STRING_LIST,
}
ANYTHING = st.one_of(
    st.none(), st.booleans(), st.floats(), st.integers(-(10**400), 10**400), st.text("ab", max_size=2),
    st.lists(st.one_of(st.text("xyz", max_size=1), st.none()), max_size=4),
)  # fmt: skip
CHANGES = st.lists(
    st.tuples(
        st.sampled_from("abcdef"), st.none() | st.fixed_dictionaries({}, optional=dict.fromkeys(TYPES, ANYTHING))
    ),
    max_size=30,
)


def change(item_id: str, properties: dict[str, Any] | None) -> CatalogChange:
    return CatalogChange("item", item_id, properties or {}, deleted=properties is None)


def value_at(catalogue: Catalogue, name: str, row: int) -> Any:
    column = catalogue.column(name, TYPES[name])
    if isinstance(column, NumberColumn):
        return None if math.isnan(column.values[row]) else float(column.values[row])
    if isinstance(column, BooleanColumn):
        return {1: True, 0: False, -1: None}[int(column.values[row])]
    if isinstance(column, TextColumn):
        return None if column.codes[row] < 0 else column.dictionary.texts[column.codes[row]]
    assert isinstance(column, TextListColumn)
    if column.is_null(np.array([row], np.int32))[0]:
        return None
    codes, places = column.entries_of(np.array([row], np.int32))
    assert not places.any()
    all_codes, owners = column.all_entries()
    assert sorted(all_codes[(owners == row) & (all_codes >= 0)].tolist()) == sorted(codes.tolist())
    return [column.dictionary.texts[code] for code in codes]


def expected(name: str, value: Any) -> Any:
    if name == "price":
        is_number = type(value) in (int, float) and abs(value) <= sys.float_info.max
        return float(value) if is_number else None
    if name == "tags":
        return list(dict.fromkeys(one for one in value if one is not None)) if type(value) is list else None
    return value if type(value) is {"new": bool, "topic": str}[name] else None


@given(st.lists(CHANGES, max_size=4), st.integers(0, 3))
def test_columns_after_any_changes_hold_what_the_items_do(batches: list[Any], read_first_after: int) -> None:
    catalogue = Catalogue()
    for number, batch in enumerate(batches):
        catalogue.apply([change(item_id, properties) for item_id, properties in batch])
        if number >= read_first_after:
            for name in TYPES:
                for item_id in catalogue.all_ids():
                    value = catalogue.item_properties([item_id])[0].get(name)
                    assert value_at(catalogue, name, catalogue.row_of(item_id)) == expected(name, value)


def test_columns_grow_with_the_catalogue() -> None:
    catalogue = Catalogue()
    catalogue.apply([change("a", {"price": 1.5, "topic": "x", "tags": ["p", "q"], "new": True})])
    for name, property_type in TYPES.items():
        catalogue.column(name, property_type)
    catalogue.apply(change(f"i{n}", {"price": n, "topic": f"t{n % 3}", "tags": [f"g{n % 5}"]}) for n in range(5000))
    row = catalogue.row_of("i4321")
    assert [value_at(catalogue, name, row) for name in TYPES] == [4321.0, None, "t1", ["g1"]]
    assert [value_at(catalogue, name, catalogue.row_of("a")) for name in TYPES] == [1.5, True, "x", ["p", "q"]]


def test_columns_of_values_that_come_and_go_do_not_grow_for_ever() -> None:
    catalogue = Catalogue()
    sizes = []
    for number in range(30):
        catalogue.apply(change(f"i{n}", {"topic": f"t{number}-{n}", "tags": [f"g{number}-{n}"]}) for n in range(1000))
        topic, tags = (catalogue.column(name, TYPES[name]) for name in ("topic", "tags"))
        sizes.append(topic.memory_bytes + tags.memory_bytes)
    assert max(sizes) < 10 * sizes[0]
    assert value_at(catalogue, "tags", catalogue.row_of("i7")) == ["g29-7"]


def test_vector_has_no_column() -> None:
    with pytest.raises(ValueError, match="vector"):
        Catalogue().column("embedding", PropertyType.VECTOR)
