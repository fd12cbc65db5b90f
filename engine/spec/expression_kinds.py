"""Which kinds of value an expression may put together, and what comes of it."""

from __future__ import annotations

from typing import Final, NamedTuple

from engine.spec.expression_tree import ArithmeticSign, ValueKind
from engine.spec.schema import PropertyType

KIND_OF: Final = {
    PropertyType.STRING: ValueKind.TEXT,
    PropertyType.STRING_LIST: ValueKind.TEXTS,
    PropertyType.INTEGER: ValueKind.NUMBER,
    PropertyType.FLOAT: ValueKind.NUMBER,
    PropertyType.BOOLEAN: ValueKind.FLAG,
    PropertyType.TIMESTAMP: ValueKind.TIME,
}
"""A vector is no value of an expression."""

ORDERED: Final = frozenset((ValueKind.NUMBER, ValueKind.TEXT, ValueKind.TIME, ValueKind.DURATION))


class ArithmeticRule(NamedTuple):
    sign: ArithmeticSign
    left: ValueKind
    right: ValueKind
    result: ValueKind


_NUMBER, _TIME, _DURATION = ValueKind.NUMBER, ValueKind.TIME, ValueKind.DURATION

ARITHMETIC: Final = (
    ArithmeticRule("+", _NUMBER, _NUMBER, _NUMBER),
    ArithmeticRule("-", _NUMBER, _NUMBER, _NUMBER),
    ArithmeticRule("*", _NUMBER, _NUMBER, _NUMBER),
    ArithmeticRule("/", _NUMBER, _NUMBER, _NUMBER),
    ArithmeticRule("-", _TIME, _TIME, _DURATION),
    ArithmeticRule("+", _TIME, _DURATION, _TIME),
    ArithmeticRule("+", _DURATION, _TIME, _TIME),
    ArithmeticRule("-", _TIME, _DURATION, _TIME),
    ArithmeticRule("+", _DURATION, _DURATION, _DURATION),
    ArithmeticRule("-", _DURATION, _DURATION, _DURATION),
    ArithmeticRule("*", _DURATION, _NUMBER, _DURATION),
    ArithmeticRule("*", _NUMBER, _DURATION, _DURATION),
    ArithmeticRule("/", _DURATION, _NUMBER, _DURATION),
    ArithmeticRule("/", _DURATION, _DURATION, _NUMBER),
)


def rules_for(
    sign: ArithmeticSign, left: ValueKind | None, right: ValueKind | None, result: ValueKind | None = None
) -> list[ArithmeticRule]:
    """Those that fit what is known; None is not known."""
    return [
        rule
        for rule in ARITHMETIC
        if rule.sign == sign
        and left in (None, rule.left)
        and right in (None, rule.right)
        and result in (None, rule.result)
    ]
