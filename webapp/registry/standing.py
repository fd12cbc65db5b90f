"""What is wrong with a definition that is being written: at which control of the form, and on which line of the JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.errors import InvalidDocument
from engine.spec.definition import ModelDefinition
from engine.spec.schema import Schema
from webapp.registry.controls import Control
from webapp.registry.definition_form import problems_by_path
from webapp.registry.json_text import Lines


@dataclass(frozen=True, slots=True)
class Problem:
    """A broken rule. `control` is the name of the control that it is shown at, empty where none is; `line` that of the JSON."""

    field: str
    rule: str
    received: str
    line: int
    control: str


def problems_in(document: object, schema: Schema) -> list[dict[str, str]]:
    """Every broken rule of the specification, else every one of the schema; each with `field`, `rule` and `received`."""
    try:
        ModelDefinition.parse(document).check_against(schema)
    except InvalidDocument as error:
        return [{"field": each.field, "rule": each.rule, "received": each.received} for each in error.problems]
    return []


def placed(problems: Sequence[Mapping[str, str]], text: str, controls: Iterable[Control]) -> list[Problem]:
    """Each problem with its line of `text` and the control that says it."""
    lines = Lines(text)
    wrong = {control.path for control in controls if control.problem}
    return [
        Problem(
            problem["field"],
            problem["rule"],
            problem.get("received", ""),
            int(problem["line"]) if "line" in problem else lines.of(problem["field"]),
            _control_of(problem, wrong),
        )
        for problem in problems
    ]


def _control_of(problem: Mapping[str, str], wrong: set[str]) -> str:
    """A control's name leaves out the kind where every kind has the field, and a choice's ends with it."""
    (path,) = problems_by_path([dict(problem)])
    steps = path.split(".")
    shorter = [".".join([*steps[:place], *steps[place + 1 :]]) for place in range(1, len(steps))]
    return next((name for name in (path, *shorter, f"{path}.kind") if name in wrong), "")
