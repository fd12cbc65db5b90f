"""What a definition may say of rows: admission, expiry, optimizer, initializer, memory, precision; and how it is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from engine.errors import InvalidDocument, Problem
from engine.spec.definition import ModelDefinition
from engine.spec.sparse_optimizer import SparseOptimizer

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"weight_decay": 0.01},
    "momentum": {"weight_decay": 0.01, "momentum": 0.5, "nesterov": True},
    "adagrad": {"weight_decay": 0.01, "initial_accumulator": 0.3},
    "adam": {"weight_decay": 0.01, "beta1": 0.5, "beta2": 0.99, "epsilon": 1e-6},
    "amsgrad": {"weight_decay": 0.01, "beta1": 0.5, "beta2": 0.99, "epsilon": 1e-6},
    "adadelta": {"weight_decay": 0.01, "rho": 0.8, "epsilon": 1e-3},
    "rmsprop": {"weight_decay": 0.01, "rho": 0.8, "momentum": 0.1, "epsilon": 1e-3},
    "ftrl": {"l1": 0.5, "l2": 0.1, "beta": 1.0, "learning_rate_power": -0.25, "initial_accumulator": 0.2},
    "group_ftrl": {"l1": 0.5, "l2": 0.1, "beta": 1.0, "learning_rate_power": -0.25, "initial_accumulator": 0.2},
}
SHARED: dict[str, Any] = {"learning_rate": 0.2, "clip_norm": 3.0, "clip_value": 0.5}
INITIALIZERS: list[dict[str, Any]] = [
    {"kind": "zeros"},
    {"kind": "constant", "scale": -0.5},
    {"kind": "uniform", "scale": 0.5},
    {"kind": "normal", "scale": 0.5},
    {"kind": "truncated_normal", "scale": 0.5},
]


def document(*, slot: dict[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    """A small definition; `slot` adds to its first slot, `parts` to the document."""
    return {
        "slots": [
            {"name": "user_id", "number": 1, "source": "user.id", **(slot or {})},
            {"name": "item_id", "number": 2, "source": "item.id"},
        ],
        "architecture": {"kind": "two_tower"},
        **parts,
    }


def problem_of(data: dict[str, Any]) -> Problem:
    """The one rule that the document breaks."""
    with pytest.raises(InvalidDocument) as caught:
        ModelDefinition.parse(data)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    "rule",
    [
        {"admission": {"kind": "always"}},
        {"admission": {"kind": "min_count", "min_count": 1, "window_s": None}},
        {"admission": {"kind": "min_count", "min_count": 2**32 - 1, "window_s": 2**31}},
        {"admission": {"kind": "probability", "probability": 1.0}},
        {"expiry": {"ttl_s": 1}},
        {"expiry": {"ttl_s": 2**31}},
        {"expiry": None},
    ],
)
def test_a_slots_rules_come_back_as_they_were_given(rule: dict[str, Any]) -> None:
    written = ModelDefinition.parse(document(slot=rule)).as_json()["slots"][0]
    assert {name: written[name] for name in rule} == rule


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("initializer", INITIALIZERS, ids=lambda one: str(one["kind"]))
def test_an_optimizer_comes_back_as_it_was_given(kind: str, initializer: dict[str, Any]) -> None:
    given = {"kind": kind, **SHARED, **OPTIMIZERS[kind], "initializer": initializer}
    assert ModelDefinition.parse(document(sparse_optimizer=given)).as_json()["sparse_optimizer"] == given


def test_a_learning_rate_may_be_a_schedule() -> None:
    schedule = {"kind": "polynomial", "value": 0.1, "warmup_steps": 10, "final": 0.01, "decay_steps": 90, "power": 2.0}
    optimizer = ModelDefinition.parse(
        document(sparse_optimizer={"kind": "sgd", "learning_rate": schedule})
    ).sparse_optimizer
    assert optimizer.as_json()["learning_rate"] == schedule
    assert [optimizer.learning_rate.at(step) for step in (0, 9, 100)] == pytest.approx([0.01, 0.1, 0.01])


def test_ftrl_may_start_from_nothing_when_beta_is_positive() -> None:
    given = {"kind": "ftrl", "initial_accumulator": 0.0, "beta": 1.0}
    assert ModelDefinition.parse(document(sparse_optimizer=given)).sparse_optimizer.kind == "ftrl"


def test_every_optimizer_of_the_specification_is_tested_here() -> None:
    mapping = TypeAdapter[Any](SparseOptimizer).json_schema()["discriminator"]["mapping"]
    assert set(mapping) == set(OPTIMIZERS)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_an_optimizer_that_says_only_its_kind_has_usable_defaults(kind: str) -> None:
    optimizer = ModelDefinition.parse(document(sparse_optimizer={"kind": kind})).sparse_optimizer
    assert optimizer.kind == kind
    assert optimizer.learning_rate.at(0) == optimizer.learning_rate.at(10**6) == 0.05


@pytest.mark.parametrize(
    ("slot", "field", "rule", "received"),
    [
        (
            {"admission": {"kind": "min_count", "min_count": 0}},
            "slots.0.admission.min_count.min_count",
            "Input should be greater than or equal to 1",
            "0",
        ),
        (
            {"admission": {"kind": "min_count", "min_count": 2**32}},
            "slots.0.admission.min_count.min_count",
            "Input should be less than or equal to 4294967295",
            "4294967296",
        ),
        (
            {"admission": {"kind": "min_count", "window_s": 0}},
            "slots.0.admission.min_count.window_s",
            "Input should be greater than or equal to 1",
            "0",
        ),
        (
            {"admission": {"kind": "probability", "probability": 0}},
            "slots.0.admission.probability.probability",
            "Input should be greater than 0",
            "0",
        ),
        (
            {"admission": {"kind": "probability", "probability": 1.5}},
            "slots.0.admission.probability.probability",
            "Input should be less than or equal to 1",
            "1.5",
        ),
        (
            {"admission": {"kind": "always", "min_count": 3}},
            "slots.0.admission.always.min_count",
            "Extra inputs are not permitted",
            "3",
        ),
        (
            {"admission": {"kind": "sometimes"}},
            "slots.0.admission",
            "Input tag 'sometimes' found using 'kind' does not match any of the expected tags: "
            "'always', 'min_count', 'probability'",
            "{'kind': 'sometimes'}",
        ),
        ({"expiry": {"ttl_s": 0}}, "slots.0.expiry.ttl_s", "Input should be greater than or equal to 1", "0"),
        (
            {"expiry": {"ttl_s": 2**31 + 1}},
            "slots.0.expiry.ttl_s",
            "Input should be less than or equal to 2147483648",
            "2147483649",
        ),
        ({"expiry": {}}, "slots.0.expiry.ttl_s", "Field required", "{}"),
    ],
)
def test_a_slots_rule_out_of_range_is_refused(slot: dict[str, Any], field: str, rule: str, received: str) -> None:
    assert problem_of(document(slot=slot)) == Problem(field, rule, received)


@pytest.mark.parametrize(
    ("optimizer", "field", "rule"),
    [
        ({"kind": "adam", "learning_rate": 0}, "adam.learning_rate.constant.value", "equal to 0.000000001"),
        (
            {"kind": "adam", "learning_rate": {"kind": "cosine", "value": 0.1, "final": 0.2, "decay_steps": 9}},
            "adam.learning_rate.cosine",
            "final must be at most value (0.1), received 0.2",
        ),
        ({"kind": "adam", "beta1": 1}, "adam.beta1", "Input should be less than or equal to 0.999999"),
        ({"kind": "adam", "beta2": -0.1}, "adam.beta2", "Input should be greater than or equal to 0"),
        ({"kind": "adam", "epsilon": 0}, "adam.epsilon", "greater than or equal to 0.000000000001"),
        ({"kind": "sgd", "momentum": 0.9}, "sgd.momentum", "Extra inputs are not permitted"),
        ({"kind": "momentum", "nesterov": "often"}, "momentum.nesterov", "Input should be a valid boolean"),
        ({"kind": "adadelta", "rho": 1}, "adadelta.rho", "Input should be less than or equal to 0.999999"),
        ({"kind": "rmsprop", "momentum": 1}, "rmsprop.momentum", "Input should be less than or equal to 0.999999"),
        ({"kind": "ftrl", "weight_decay": 0.1}, "ftrl.weight_decay", "Extra inputs are not permitted"),
        ({"kind": "ftrl", "initial_accumulator": 0}, "ftrl", "initial_accumulator must be positive where beta is not"),
        ({"kind": "ftrl", "l1": -1}, "ftrl.l1", "Input should be greater than or equal to 0"),
        ({"kind": "ftrl", "learning_rate_power": 0.5}, "ftrl.learning_rate_power", "less than or equal to 0"),
        ({"kind": "group_ftrl", "l2": float("nan")}, "group_ftrl.l2", "Input should be a finite number"),
        ({"kind": "adagrad", "initial_accumulator": 0}, "adagrad.initial_accumulator", "equal to 0.000000000001"),
        ({"kind": "adagrad", "initial_accumulator": float("inf")}, "adagrad.initial_accumulator", "a finite number"),
        ({"kind": "sgd", "weight_decay": 2}, "sgd.weight_decay", "Input should be less than or equal to 1"),
        ({"kind": "sgd", "clip_norm": 0}, "sgd.clip_norm", "greater than or equal to 0.000000000001"),
        ({"kind": "sgd", "clip_value": -1}, "sgd.clip_value", "greater than or equal to 0.000000000001"),
        (
            {"kind": "sgd", "initializer": {"kind": "uniform", "scale": 2}},
            "sgd.initializer.uniform.scale",
            "Input should be less than or equal to 1",
        ),
        ({"kind": "sgd", "initializer": {"kind": "zeros", "scale": 1}}, "sgd.initializer.zeros.scale", "Extra inputs"),
        ({"kind": "sgd", "initializer": {"kind": "ones"}}, "sgd.initializer", "'zeros', 'constant', 'uniform'"),
    ],
)
def test_an_optimizers_setting_out_of_range_is_refused(optimizer: dict[str, Any], field: str, rule: str) -> None:
    problem = problem_of(document(sparse_optimizer=optimizer))
    assert problem.field == f"sparse_optimizer.{field}"
    assert rule in problem.rule


@pytest.mark.parametrize(
    ("parts", "field", "rule"),
    [
        ({"retention": {"max_table_bytes": 1000}}, "retention.max_table_bytes", "greater than or equal to 1048576"),
        ({"retention": {"evict": "oldest"}}, "retention.evict", "Input should be 'least_recent' or 'least_often'"),
        ({"retention": {"max_candidates": 0}}, "retention.max_candidates", "greater than or equal to 1024"),
        ({"serving": {"precision": "int4"}}, "serving.precision", "Input should be 'float32', 'float16' or 'int8'"),
    ],
)
def test_a_budget_or_precision_out_of_range_is_refused(parts: dict[str, Any], field: str, rule: str) -> None:
    problem = problem_of(document(**parts))
    assert problem.field == field
    assert rule in problem.rule


@pytest.mark.parametrize("rule", [{"admission": {"kind": "min_count"}}, {"expiry": {"ttl_s": 60}}])
def test_a_slot_that_shares_rows_cannot_have_rules_of_its_own(rule: dict[str, Any]) -> None:
    data = document()
    data["slots"].append({"name": "history", "number": 3, "source": "user.history", "shares": "item_id", **rule})
    problem = problem_of(data)
    assert problem.rule == (
        "slot history shares item_id, whose admission and expiry rule the rows; give it none of its own"
    )


def test_the_json_schema_explains_every_rule() -> None:
    """Each field of admission, expiry, initializers, optimizers, retention and precision has a title and a description."""
    definitions: dict[str, Any] = ModelDefinition.json_schema()["$defs"]  # type: ignore[assignment]
    rooms = (
        "Admit",
        "Expiry",
        "Sparse",
        "Uniform",
        "Normal",
        "TruncatedNormal",
        "Constant",
        "PolynomialDecay",
        "CosineDecay",
        "Retention",
        "ServingCopy",
    )
    explained = [name for name in definitions if name.startswith(rooms)]
    assert len(explained) == 3 + 1 + len(OPTIMIZERS) + 4 + 3 + 2
    for name in explained:
        assert definitions[name]["description"], name
        for field, schema in definitions[name]["properties"].items():
            assert field == "kind" or (schema.get("title", schema.get("$ref")) and schema["description"]), (
                f"{name}.{field}"
            )
