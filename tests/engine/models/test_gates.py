"""SENet gates over slots and LHUC gates over hidden units, written out in NumPy and in every architecture that has them."""

from __future__ import annotations

import numpy as np
import pytest

from engine.spec.architecture import ARCHITECTURES
from engine.spec.ranking import GatedRanking
from tests.engine.models.definitions import CLICK, definition_of
from tests.engine.models.written_out import NUM_ROWS, case_of, sigmoid

GATED = [kind for kind, settings in ARCHITECTURES.items() if issubclass(settings, GatedRanking)]


def test_senet_weighs_each_slot_by_what_all_slots_say() -> None:
    case = case_of(definition_of("mmoe", senet_reduction=2, num_experts=1))
    expected = []
    for row in range(NUM_ROWS):
        means = np.array([values[row].mean() for values in case.slots.values()])
        squeezed = np.maximum(case.layer("senet_squeezed", means), 0.0)
        assert squeezed.shape == (2,)  # five slots, half as many units
        weights = 2.0 * sigmoid(case.layer("senet_weights", squeezed))
        weighed = [w * values[row] for w, values in zip(weights, case.slots.values(), strict=True)]
        expert = case.network("expert_0", 1, np.concatenate([*weighed, case.dense[row]]))
        expected.append(case.layer("output_0", case.network("tower_0", 1, expert)))
    case.assert_equals(expected)


def test_lhuc_scales_each_hidden_unit_by_the_users_embedding() -> None:
    case = case_of(definition_of("autoint", hidden=[6, 4], lhuc_slots=["user_id", "topic"]))
    without = case.logits()
    expected = []
    for row in range(NUM_ROWS):
        gate = np.concatenate([case.slots["user_id"][row], case.slots["topic"][row]])
        values = case.flat(row)
        for name in ("hidden_0", "hidden_1"):
            values = np.maximum(case.layer(name, values), 0.0) * 2.0 * sigmoid(case.layer(f"{name}_gate", gate))
        expected.append(case.layer("output", values))
    # the attention's part has no hidden units: without the network's output layer it is what is left
    case.model.load_dense_weights(
        {
            name: np.zeros_like(weight) if name.startswith("output/") else weight
            for name, weight in case.model.dense_weights().items()
        }
    )
    np.testing.assert_allclose(without - case.logits(), np.array(expected), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", GATED)
def test_every_architecture_with_hidden_layers_takes_both_gates(kind: str) -> None:
    tasks = (CLICK, {"name": "buy", "event_type": "purchase"})
    plain = case_of(definition_of(kind, tasks=tasks))
    gated = case_of(definition_of(kind, tasks=tasks, senet_reduction=2, lhuc_slots=["user_id"]))
    added = gated.weights.keys() - plain.weights.keys()
    assert {"senet_squeezed/kernel", "senet_weights/kernel"} < added
    assert any(name.endswith("_gate/kernel") for name in added)
    logits = gated.logits()
    assert logits.shape == (NUM_ROWS, 2) and np.isfinite(logits).all()
    gated.slots["user_id"] = gated.slots["user_id"] + 1.0
    assert not np.allclose(gated.logits(), logits)
