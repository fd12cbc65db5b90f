from __future__ import annotations

from typing import Any

import pytest

from engine.errors import InvalidDocument
from engine.spec.definition import ModelDefinition
from engine.spec.schema import Schema

SECONDS = {"kind": "regression", "name": "seconds", "event_type": "click", "property": "dwell_s"}
SCHEMA = Schema.parse(
    {
        "events": {
            "impression": {"role": "impression"},
            "click": {"role": "action", "properties": {"dwell_s": {"type": "float"}, "device": {"type": "string"}}},
        }
    }
)


def definition(tasks: list[dict[str, Any]], kind: str = "fm") -> ModelDefinition:
    slots = [{"name": name, "number": n, "source": f"{name}.id"} for n, name in enumerate(("user", "item"), 1)]
    return ModelDefinition.parse({"slots": slots, "tasks": tasks, "architecture": {"kind": kind}})


def test_a_task_that_says_no_kind_is_binary() -> None:
    click = definition([{"name": "click", "event_type": "click"}]).tasks[0]
    assert click.as_json() == {"kind": "binary", "name": "click", "event_type": "click", "weight": 1.0, "loss": "bce"}
    assert click.label() == "click"


def test_a_regression_predicts_a_number_of_the_event() -> None:
    made = definition([{}, SECONDS])
    assert made.tasks[1].label() == "click.dwell_s"
    assert made.tasks[1].as_json()["loss"] == "huber"
    made.check_against(SCHEMA)


@pytest.mark.parametrize(
    ("tasks", "kind", "rule"),
    [
        ([SECONDS], "fm", "the first task must be binary"),
        ([{}, {}], "fm", "task names must differ"),
        ([{"name": f"t{n}"} for n in range(9)], "fm", "at most 8 items"),
        ([{}, {"name": "buy"}], "two_tower", "a two_tower learns one task, received 2"),
        ([{"loss": "pairwise"}], "two_tower", "a two_tower has a loss of its own"),
        ([{"loss": "huber"}], "fm", "tasks.0.binary.loss"),
        ([{}, {**SECONDS, "loss": "bce"}], "fm", "tasks.1.regression.loss"),
        ([{}, {"kind": "regression", "name": "seconds"}], "fm", "tasks.1.regression.property: Field required"),
        ([{"weight": 0}], "fm", "tasks.0.binary.weight"),
        ([{}, {"name": "buy"}], "logistic_regression", "must have dim 2 in a logistic_regression"),
    ],
)
def test_tasks_that_cannot_be_learned_are_refused_with_the_reason(
    tasks: list[dict[str, Any]], kind: str, rule: str
) -> None:
    with pytest.raises(InvalidDocument, match=rule):
        definition(tasks, kind)


@pytest.mark.parametrize("name", ["colour", "device"])
def test_a_regressions_property_must_be_a_declared_number(name: str) -> None:
    with pytest.raises(InvalidDocument, match="must be an integer or float property of click") as refused:
        definition([{}, {**SECONDS, "property": name}]).check_against(SCHEMA)
    assert refused.value.problems[0].field == "tasks.1.regression.property"
