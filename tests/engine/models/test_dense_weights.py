"""The weights that the specification counts are those that the layers have: names, shapes, and the optimizer's state."""

from __future__ import annotations

from typing import Any

import pytest

from engine.models.registry import build_architecture
from engine.spec.definition import ModelDefinition
from engine.spec.dense_weights import num_optimizer_floats, num_weights, size_of, weight_shapes
from engine.training.dense_optimizers import build_dense_optimizer
from tests.engine.models.definitions import CLICK, KINDS, VARIANTS, definition_of, is_retrieval_kind

TWO_TASKS = (CLICK, {"name": "buy", "event_type": "purchase"})
GATES: dict[str, Any] = {"senet_reduction": 2, "lhuc_slots": ["user_id"]}
GATED = [kind for kind in KINDS if not is_retrieval_kind(kind) and kind not in ("logistic_regression", "fm")]
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "full cross": ("dcn_v2", {"rank": None, "num_experts": 1, "structure": "stacked"}),
    "low rank": ("dcn_v2", {"rank": 4, "num_experts": 1}),
    "no hidden layer": ("deepfm", {"hidden": []}),
    "three levels": ("ple", {"num_levels": 3, "num_task_experts": 2}),
    "heads": ("sasrec", {"num_blocks": 3, "num_heads": 2}),
    "three layers": ("autoint", {"num_layers": 3, "num_heads": 3}),
}


def assert_same(definition: Any) -> None:
    built = {name: tuple(weight.shape) for name, weight in build_architecture(definition).weights.items()}
    counted = weight_shapes(definition)
    assert counted == built
    assert num_weights(definition) == sum(size_of(shape) for shape in built.values())


@pytest.mark.parametrize("kind", [*KINDS, *VARIANTS])
def test_weights_of_every_kind_are_those_of_its_layers(kind: str) -> None:
    assert_same(definition_of(kind))


@pytest.mark.parametrize("kind", GATED)
def test_weights_of_gates_and_of_several_tasks_are_counted(kind: str) -> None:
    gates = {**GATES, "lhuc_slots": ["item_id"]} if kind == "wide_deep" else GATES
    assert_same(definition_of(kind, tasks=TWO_TASKS, **gates))


@pytest.mark.parametrize("name", OTHERS)
def test_weights_of_other_settings_are_counted(name: str) -> None:
    kind, settings = OTHERS[name]
    assert_same(definition_of(kind, **settings))


def test_weights_of_a_deepfm_by_hand() -> None:
    """Five slots of dim 8 and two numbers are 42 inputs: first order 42 + 1, hidden 42·8 + 8, output 8 + 1."""
    assert num_weights(definition_of("deepfm")) == 43 + 344 + 9


@pytest.mark.parametrize(
    "optimizer",
    [{"kind": "adam"}, {"kind": "adamw"}, {"kind": "adagrad"}, {"kind": "sgd"}, {"kind": "sgd", "momentum": 0}],
)
def test_optimizer_state_is_what_the_optimizer_keeps(optimizer: dict[str, Any]) -> None:
    document = definition_of("din with dice").as_json() | {"dense_optimizer": optimizer}
    definition = ModelDefinition.parse(document)
    shapes = {name: tuple(weight.shape) for name, weight in build_architecture(definition).variables.items()}
    kept = build_dense_optimizer(shapes, definition.dense_optimizer).state()
    assert num_optimizer_floats(definition) == sum(value.size for value in kept.values())
