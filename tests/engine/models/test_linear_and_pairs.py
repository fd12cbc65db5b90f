"""Logistic regression, factorization machine and Wide & Deep, written out in NumPy."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from engine.errors import InvalidDocument
from tests.engine.models.definitions import CLICK, definition_of
from tests.engine.models.written_out import NUM_ROWS, case_of

TWO_TASKS = (CLICK, {"name": "buy", "event_type": "purchase"})


@pytest.mark.parametrize("tasks", [(CLICK,), TWO_TASKS])
def test_logistic_regression_is_the_sum_of_its_ids_weights_and_its_numbers(tasks: tuple[dict[str, str], ...]) -> None:
    case = case_of(definition_of("logistic_regression", tasks=tasks))
    sums = [sum(values[row] for values in case.slots.values()) for row in range(NUM_ROWS)]
    case.assert_equals([sums[row] + case.layer("first_order", case.dense[row]) for row in range(NUM_ROWS)])


def test_logistic_regression_without_numbers_is_its_bias_and_its_ids() -> None:
    document = definition_of("logistic_regression").as_json() | {"dense": []}
    case = case_of(type(definition_of("fm")).parse(document))
    bias = case.weights["first_order/bias"]
    case.assert_equals([sum(values[row] for values in case.slots.values()) + bias for row in range(NUM_ROWS)])


def test_factorization_machine_adds_the_products_of_all_pairs() -> None:
    case = case_of(definition_of("fm"))
    expected = []
    for row in range(NUM_ROWS):
        pairs = sum(one[row] @ other[row] for one, other in combinations(case.slots.values(), 2))
        expected.append(case.layer("first_order", case.flat(row)) + pairs)
    case.assert_equals(expected)


def test_factorization_machine_of_two_tasks_weighs_the_dimensions_of_the_pairs_for_each() -> None:
    case = case_of(definition_of("fm", tasks=TWO_TASKS))
    expected = []
    for row in range(NUM_ROWS):
        pairs = sum(one[row] * other[row] for one, other in combinations(case.slots.values(), 2))
        expected.append(case.layer("first_order", case.flat(row)) + pairs @ case.weights["second_order/kernel"])
    case.assert_equals(expected)


def test_wide_and_deep_adds_weights_of_wide_ids_to_a_network_over_the_others() -> None:
    case = case_of(definition_of("wide_deep", tasks=TWO_TASKS))
    expected = []
    for row in range(NUM_ROWS):
        wide = case.slots["topic"][row] + case.slots["device"][row] + case.layer("wide", case.dense[row])
        deep = np.concatenate([case.slots[name][row] for name in ("user_id", "item_id", "history")])
        hidden = case.network("hidden", 1, np.concatenate([deep, case.dense[row]]))
        expected.append(wide + case.layer("output", hidden))
    case.assert_equals(expected)


@pytest.mark.parametrize(
    ("kind", "settings", "rule"),
    [
        ("wide_deep", {"wide_slots": []}, "architecture.wide_deep.wide_slots"),
        ("wide_deep", {"wide_slots": ["colour"]}, "wide_slots must name a slot, received colour"),
        ("wide_deep", {"lhuc_slots": ["topic"]}, "lhuc_slots must be of the deep part"),
        ("deepfm", {"lhuc_slots": ["colour"]}, "lhuc_slots must name a slot, received colour"),
        ("deepfm", {"senet_reduction": 0}, "architecture.deepfm.senet_reduction"),
    ],
)
def test_settings_that_name_nothing_are_refused_with_what_is_missing(
    kind: str, settings: dict[str, Any], rule: str
) -> None:
    with pytest.raises(InvalidDocument, match=rule):
        definition_of(kind, **settings)
