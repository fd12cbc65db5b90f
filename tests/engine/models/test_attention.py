"""AutoInt's attention over fields and DIN's over the history, and DLRM's pairs, written out in NumPy."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from engine.errors import InvalidDocument
from engine.spec.definition import ModelDefinition
from tests.engine.models.definitions import definition_of
from tests.engine.models.written_out import NUM_ROWS, case_of, softmax


def test_autoint_lets_each_field_attend_to_all_by_heads() -> None:
    case = case_of(definition_of("autoint"))
    query, key, value, residual = (
        case.weights[f"attention_0_{part}/kernel"] for part in ("query", "key", "value", "residual")
    )
    expected = []
    for row in range(NUM_ROWS):
        numbers = case.dense[row][:, np.newaxis] * case.weights["numbers/kernel"]
        fields = [*(values[row] for values in case.slots.values()), *numbers]
        after = []
        for field in fields:
            heads = []
            for part in (slice(0, 3), slice(3, 6)):
                weights = softmax(np.array([(field @ query)[part] @ (other @ key)[part] for other in fields]))
                heads.append(sum(w * (other @ value)[part] for w, other in zip(weights, fields, strict=True)))
            after.append(np.maximum(np.concatenate(heads) + field @ residual, 0.0))
        deep = case.layer("output", case.network("hidden", 1, case.flat(row)))
        expected.append(case.layer("attention_output", np.concatenate(after)) + deep)
    case.assert_equals(expected)


def with_context() -> ModelDefinition:
    document = definition_of("din").as_json()
    types = {"name": "types", "number": 6, "source": "user.history_types", "dim": 2, "max_values": 4}
    document["slots"].append({**types, "pooling": "sequence"})
    document["architecture"]["context_slots"] = ["types"]
    return ModelDefinition.parse(document)


@pytest.mark.parametrize("definition", [definition_of("din"), with_context()], ids=["plain", "with context"])
def test_din_weighs_what_is_in_the_history_by_the_item_in_question(definition: ModelDefinition) -> None:
    case = case_of(definition)
    expected = []
    for row in range(NUM_ROWS):
        target = case.slots["item_id"][row]
        attended = {name: np.zeros(values.shape[2]) for name, (values, _) in case.sequences.items()}
        # row r of the case has r items in its history
        for place in range(4 - row, 4):
            past = case.sequences["history"][0][row, place]
            context = [values[row, place] for name, (values, _) in case.sequences.items() if name != "history"]
            seen = np.concatenate([target, past, target - past, target * past, *context])
            weight = case.layer("attention_output", case.network("attention", 1, seen))[0]
            for name, (values, _) in case.sequences.items():
                attended[name] += weight * values[row, place]
        slots = [attended.get(name, values[row]) for name, values in case.slots.items()]
        flat = np.concatenate([*slots, case.dense[row]])
        expected.append(case.layer("output", case.network("hidden", 1, flat)))
    case.assert_equals(expected)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"sequence_slot": "seen"}, "sequence_slot must name a slot, received seen"),
        ({"target_slot": "user_id"}, "target_slot must be of the item side, received user_id"),
        ({"context_slots": ["topic"]}, "needs slot topic as a sequence; set its pooling to sequence"),
    ],
)
def test_din_says_what_it_misses(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(InvalidDocument, match=rule):
        definition_of("din", **changes)


def test_din_refuses_a_target_of_another_dim() -> None:
    document = definition_of("din").as_json()
    document["slots"][3]["dim"] = 5
    document["architecture"]["target_slot"] = "topic"
    with pytest.raises(InvalidDocument, match="slot topic has dim 5, but is compared with history, whose dim is 8"):
        ModelDefinition.parse(document)


def test_dlrm_multiplies_every_pair_of_embeddings_and_numbers() -> None:
    case = case_of(definition_of("dlrm"))
    expected = []
    for row in range(NUM_ROWS):
        numbers = np.maximum(case.layer("bottom_output", case.network("bottom", 1, case.dense[row])), 0.0)
        vectors = [numbers, *(values[row] for values in case.slots.values())]
        products = [one @ other for one, other in combinations(vectors, 2)]
        top = case.network("hidden", 1, np.concatenate([numbers, products]))
        expected.append(case.layer("output", top))
    case.assert_equals(expected)


def test_dlrm_without_numbers_is_made_of_the_pairs_of_slots() -> None:
    case = case_of(ModelDefinition.parse(definition_of("dlrm").as_json() | {"dense": []}))
    expected = []
    for row in range(NUM_ROWS):
        pairs = combinations(case.slots.values(), 2)
        products = np.array([one[row] @ other[row] for one, other in pairs])
        expected.append(case.layer("output", case.network("hidden", 1, products)))
    case.assert_equals(expected)
