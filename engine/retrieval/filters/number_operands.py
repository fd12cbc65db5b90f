"""Numbers, times and durations of every item at once. Null is NaN."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.retrieval.filters.frame import Frame
from engine.retrieval.filters.scalars import scalar_of
from engine.retrieval.property_column import NumberColumn
from engine.retrieval.property_values import NULL_NUMBER
from engine.spec.expression_checking import CheckedExpression, reads_item
from engine.spec.expression_tree import Arithmetic, Path, Value

Numbers = npt.NDArray[np.float64] | float
NumberOperand = Callable[[Frame], Numbers]
"""float64[size], or one number for all."""

_SIGNS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {"+": np.add, "-": np.subtract, "*": np.multiply}


def numbers_of(value: Value, checked: CheckedExpression) -> NumberOperand:
    if not reads_item(value):
        return _of_request(value, checked)
    if isinstance(value, Path):
        return _property(value, checked)
    assert isinstance(value, Arithmetic)
    return _arithmetic(value, checked)


def _of_request(value: Value, checked: CheckedExpression) -> NumberOperand:
    scalar = scalar_of(value, checked)

    def run(frame: Frame) -> Numbers:
        found = scalar(frame.request)
        return NULL_NUMBER if found is None else found  # type: ignore[return-value]  # a number, as the checker saw to

    return run


def _property(path: Path, checked: CheckedExpression) -> NumberOperand:
    name, property_type = path.name, checked.properties[str(path)]

    def run(frame: Frame) -> Numbers:
        column = frame.catalogue.column(name, property_type)
        assert isinstance(column, NumberColumn)
        return frame.at(column.values)

    return run


def _arithmetic(value: Arithmetic, checked: CheckedExpression) -> NumberOperand:
    left, right = numbers_of(value.left, checked), numbers_of(value.right, checked)
    if value.sign == "/":
        return lambda frame: _quotient(left(frame), right(frame), frame.size)
    sign = _SIGNS[value.sign]

    def run(frame: Frame) -> Numbers:
        with np.errstate(over="ignore", invalid="ignore"):
            result: Numbers = sign(left(frame), right(frame))
        return result

    return run


def _quotient(left: Numbers, right: Numbers, size: int) -> Numbers:
    with np.errstate(over="ignore", invalid="ignore"):
        result: Numbers = np.divide(left, right, out=np.full(size, np.nan), where=np.not_equal(right, 0))
    return result
