from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.features.encoder import FeatureEncoder
from engine.features.skew import skew_of_examples
from engine.spec.example import Example
from tests.engine.features import every_kind

ENCODER = FeatureEncoder(every_kind.definition())


def differing(logged: list[Example], recomputed: list[Example]) -> dict[str, int]:
    """By input, those with any row that differs."""
    found = skew_of_examples(ENCODER, logged, recomputed)
    names = [slot.name for slot in ENCODER.slots()] + [dense.name for dense in ENCODER.dense()]
    assert [each.name for each in found] == names
    return {each.name: each.num_differing for each in found if each.num_differing}


def changed(example: Example, entity: str, **properties: Any) -> Example:
    return replace(example, **{entity: getattr(example, entity) | properties})


def test_equal_features_do_not_differ() -> None:
    examples = every_kind.examples(20)
    assert differing(examples, examples) == {}


def test_a_changed_property_shows_in_every_input_made_of_it() -> None:
    examples = every_kind.examples(10, seed=2)
    others = [changed(example, "user", country="zz") for example in examples[:3]] + examples[3:]
    found = differing(examples, others)
    assert found["country"] == 3
    assert found.keys() <= {"country", "country_topic", "device_country"}


def test_counters_that_moved_a_little_count_as_equal() -> None:
    (example,) = every_kind.examples(1)
    base = changed(example, "counters", clicks_10m=10.0, views_10m=100.0)
    assert differing([base], [changed(base, "counters", clicks_10m=10.0005)]) == {}
    assert differing([base], [changed(base, "counters", clicks_10m=11.0)]) == {"clicks": 1, "ctr": 1}


def test_a_missing_number_differs_from_a_present_one() -> None:
    (example,) = every_kind.examples(1)
    base = changed(example, "user", age=40)
    assert differing([base], [changed(base, "user", age=None)]) == {"age": 1}


def test_a_history_in_another_order_differs() -> None:
    (example,) = every_kind.examples(1)
    base = replace(example, history=("a", "b"), history_types=("x", "x"), history_times_ms=(1, 1))
    assert differing([base], [replace(base, history=("b", "a"))]) == {"history": 1}


def test_share_of_no_rows_is_nothing() -> None:
    assert {each.share for each in skew_of_examples(ENCODER, [], [])} == {0.0}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 1000))
def test_share_equals_a_comparison_row_by_row(seed: int, other: int) -> None:
    logged, recomputed = every_kind.examples(6, seed), every_kind.examples(6, other)
    whole = {each.name: each.share for each in skew_of_examples(ENCODER, logged, recomputed)}
    alone = [differing([first], [second]) for first, second in zip(logged, recomputed, strict=True)]
    assert whole == pytest.approx({name: sum(row.get(name, 0) for row in alone) / 6 for name in whole})
