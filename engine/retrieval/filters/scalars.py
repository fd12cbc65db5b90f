"""Values that are one for the whole request, worked out in plain Python; null is None."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from engine.retrieval.filters.frame import Request
from engine.retrieval.property_values import as_flag, as_number, as_text, as_texts
from engine.spec.expression_checking import CheckedExpression
from engine.spec.expression_parameters import ParameterValue
from engine.spec.expression_tree import Arithmetic, Constant, Now, Parameter, Path, Value
from engine.spec.schema import PropertyType

Scalar = Callable[[Request], ParameterValue]

_SIGNS: Final[Mapping[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def scalar_of(value: Value, checked: CheckedExpression) -> Scalar:
    """Of a value that does not depend on the item."""
    match value:
        case Constant():
            return _constant(value.value)
        case Parameter():
            return _parameter(value.name)
        case Now():
            return lambda request: float(request.values.now_ms)
        case Path():
            return _property(value, checked.properties[str(value)])
        case Arithmetic():
            return _arithmetic(value, checked)
        case _:
            return _constant(None)


def _constant(value: ParameterValue) -> Scalar:
    return lambda request: value  # noqa: ARG005


def _parameter(name: str) -> Scalar:
    return lambda request: request.parameters[name]


def _property(path: Path, property_type: PropertyType) -> Scalar:
    read, name = _READERS[property_type], path.name
    if path.root == "context":
        return lambda request: read(request.values.context.get(name))
    if name == "id":
        return lambda request: request.values.user_id or None
    return lambda request: read(request.values.user.get(name))


def _number(value: Any) -> float | None:
    number = as_number(value)
    return None if math.isnan(number) else number


_READERS: Final[Mapping[PropertyType, Callable[[Any], ParameterValue]]] = {
    PropertyType.INTEGER: _number,
    PropertyType.FLOAT: _number,
    PropertyType.TIMESTAMP: _number,
    PropertyType.BOOLEAN: as_flag,
    PropertyType.STRING: as_text,
    PropertyType.STRING_LIST: as_texts,
}


def _arithmetic(value: Arithmetic, checked: CheckedExpression) -> Scalar:
    left, right = scalar_of(value.left, checked), scalar_of(value.right, checked)
    sign = _SIGNS[value.sign]

    def run(request: Request) -> ParameterValue:
        one, other = left(request), right(request)
        if one is None or other is None or (other == 0 and sign is operator.truediv):
            return None
        result = sign(one, other)  # type: ignore[arg-type]  # numbers, as the checker saw to
        return None if math.isnan(result) else result

    return run
