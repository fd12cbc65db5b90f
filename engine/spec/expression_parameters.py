"""The values that a request gives for an expression's `$names`, held against what the expression needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from engine.errors import InvalidDocument, Problem
from engine.spec.document import shorten
from engine.spec.expression_building import MAX_LIST_VALUES, duration_ms
from engine.spec.expression_tree import ValueKind
from engine.spec.values import BrokenRule, check_boolean, check_float, check_timestamp

MAX_TEXT_CHARACTERS: Final = 4096

ParameterValue = str | float | bool | tuple[str, ...] | tuple[float, ...] | None
"""Times and durations in ms."""


def check_parameters(
    kinds: Mapping[str, ValueKind], given: Mapping[str, Any], field: str = "parameters"
) -> dict[str, ParameterValue]:
    """A value for each of `kinds`; null stays null, and what no expression reads is passed over.

    Raises `InvalidDocument` with each parameter that is missing or of another kind.
    """
    problems: list[Problem] = []
    checked: dict[str, ParameterValue] = {}
    for name, kind in kinds.items():
        if name not in given:
            problems.append(Problem(f"{field}.{name}", f"is needed by an expression, as {kind}", "nothing"))
            continue
        try:
            checked[name] = None if given[name] is None else _CHECKS[kind](given[name])
        except BrokenRule as broken:
            problems.append(Problem(f"{field}.{name}", str(broken), shorten(given[name])))
    if problems:
        raise InvalidDocument("parameters", problems)
    return checked


def _text(value: Any) -> str:
    if type(value) is not str or len(value) > MAX_TEXT_CHARACTERS:
        raise BrokenRule(f"must be text of at most {MAX_TEXT_CHARACTERS} characters")
    return value


def _duration(value: Any) -> float:
    found = duration_ms(value) if type(value) is str and len(value) <= MAX_TEXT_CHARACTERS else None
    if found is None:
        raise BrokenRule("must be a duration as 90s, 12h or 7d")
    return found


def _list_of(check_one: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def check(value: Any) -> tuple[Any, ...]:
        if type(value) not in (list, tuple) or len(value) > MAX_LIST_VALUES:
            raise BrokenRule(f"must be a list of at most {MAX_LIST_VALUES} values")
        return tuple(map(check_one, value))

    return check


_CHECKS: Final[dict[ValueKind, Callable[[Any], ParameterValue]]] = {
    ValueKind.NUMBER: check_float,
    ValueKind.TEXT: _text,
    ValueKind.FLAG: check_boolean,
    ValueKind.TIME: lambda value: float(check_timestamp(value)),
    ValueKind.DURATION: _duration,
    ValueKind.NUMBERS: _list_of(check_float),
    ValueKind.TEXTS: _list_of(_text),
}
