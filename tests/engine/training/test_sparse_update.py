from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.embedding.store import EmbeddingStore
from engine.errors import InvalidDocument
from engine.spec.definition import ModelDefinition
from engine.training.state import TrainingState
from tests.engine.training.made import as_logged, make_definition, make_examples, with_rules


def learned(definition: ModelDefinition, num_steps: int = 1) -> EmbeddingStore:
    state = TrainingState(definition)
    for start in range(0, 64 * num_steps, 64):
        state.learn(as_logged(make_examples(64 * num_steps)[start : start + 64], start))
    return state.store


def rows_by_slot(store: EmbeddingStore) -> dict[int, dict[int, np.ndarray[Any, Any]]]:
    found: dict[int, dict[int, np.ndarray[Any, Any]]] = {}
    for rows in store.tables["dim8"].rows():
        for fid, slot, vector in zip(rows.fids.tolist(), rows.slots.tolist(), rows.vectors, strict=True):
            found.setdefault(slot, {})[fid] = vector.copy()
    return found


@pytest.mark.parametrize("optimizer", [{"kind": "adagrad"}, {"kind": "sgd"}, {"kind": "adam"}])
def test_rows_of_a_scaled_slot_go_as_far_as_at_the_scaled_rate(optimizer: dict[str, Any]) -> None:
    plain = make_definition("deepfm")
    rate = {"sparse_optimizer": {**optimizer, "learning_rate": 0.02}}
    scaled = rows_by_slot(learned(with_rules(plain, {"topic": {"learning_rate_scale": 0.25}}, **rate)))
    at_full = rows_by_slot(learned(with_rules(plain, {}, **rate)))
    at_quarter = rows_by_slot(learned(with_rules(plain, {}, sparse_optimizer={**optimizer, "learning_rate": 0.005})))
    for slot, rows in scaled.items():
        expected = at_quarter if slot == 4 else at_full
        assert rows.keys() == expected[slot].keys()
        for fid, vector in rows.items():
            np.testing.assert_array_equal(vector, expected[slot][fid])


def test_a_slot_that_shares_learns_at_its_owners_rate() -> None:
    with pytest.raises(InvalidDocument, match="scale that"):
        with_rules(make_definition("deepfm"), {"history": {"learning_rate_scale": 0.5}})


def test_every_gradient_is_applied_once_over_many_steps() -> None:
    plain = make_definition("deepfm")
    # a scale so near to 1 that the rate is the same float: the other way must come to the same rows
    almost = with_rules(plain, {"device": {"learning_rate_scale": 1.0 + 1e-12}})
    assert learned(almost, 6).digest() == learned(plain, 6).digest()
