"""DCN-v2's cross layers and xDeepFM's interaction network, written out in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.errors import InvalidDocument
from tests.engine.models.definitions import definition_of
from tests.engine.models.written_out import NUM_ROWS, Case, case_of, softmax


def full(case: Case, index: int, values: Any) -> Any:
    return case.layer(f"cross_{index}", values)


def low_rank(case: Case, index: int, values: Any) -> Any:
    return case.layer(f"cross_{index}_up", values @ case.weights[f"cross_{index}_down/kernel"])


def mixture(case: Case, index: int, values: Any) -> Any:
    """Each expert by itself, of the slices of the layers' common matrices: rank 3, two experts."""
    name = f"cross_{index}"
    gates = softmax(case.layer(f"{name}_gate", values))
    total = case.weights[f"{name}_up/bias"]
    for expert in range(2):
        part = slice(3 * expert, 3 * expert + 3)
        inner = np.tanh(values @ case.weights[f"{name}_down/kernel"][:, part])
        inner = np.tanh(inner @ case.weights[f"{name}_core_{expert}/kernel"])
        total = total + gates[expert] * (inner @ case.weights[f"{name}_up/kernel"][part])
    return total


@pytest.mark.parametrize(
    ("settings", "cross"),
    [
        ({"rank": None, "num_experts": 1}, full),
        ({"rank": 3, "num_experts": 1}, low_rank),
        ({"rank": 3, "num_experts": 2}, mixture),
    ],
)
@pytest.mark.parametrize("structure", ["parallel", "stacked"])
def test_cross_layers_multiply_the_inputs_with_what_they_make_of_them(
    settings: dict[str, Any], cross: Any, structure: str
) -> None:
    case = case_of(definition_of("dcn_v2", structure=structure, num_cross_layers=2, **settings))
    expected = []
    for row in range(NUM_ROWS):
        first = values = case.flat(row)
        for index in range(2):
            values = first * cross(case, index, values) + values
        if structure == "stacked":
            expected.append(case.layer("output", case.network("hidden", 1, values)))
        else:
            beside = case.network("hidden", 1, first)
            expected.append(case.layer("output", np.concatenate([values, beside])))
    case.assert_equals(expected)


def test_experts_without_a_rank_are_refused() -> None:
    with pytest.raises(InvalidDocument, match="num_experts above 1 needs a rank"):
        definition_of("dcn_v2", rank=None, num_experts=2)


def test_interaction_network_weighs_products_of_feature_maps_and_embeddings() -> None:
    case = case_of(definition_of("xdeepfm"))
    expected = []
    for row in range(NUM_ROWS):
        embeddings = np.stack([values[row] for values in case.slots.values()])
        num_slots, dim = embeddings.shape
        maps, pooled = embeddings, []
        for index, num_maps in enumerate([4, 3]):
            kernel = case.weights[f"cin_{index}/kernel"].reshape(len(maps), num_slots, num_maps)
            found = np.zeros((num_maps, dim))
            for h in range(num_maps):
                for i in range(len(maps)):
                    for j in range(num_slots):
                        found[h] += kernel[i, j, h] * maps[i] * embeddings[j]
            maps = found
            pooled.append(found.sum(axis=1))
        flat = case.flat(row)
        deep = case.layer("output", case.network("hidden", 1, flat))
        expected.append(case.layer("first_order", flat) + case.layer("cin_output", np.concatenate(pooled)) + deep)
    case.assert_equals(expected)
