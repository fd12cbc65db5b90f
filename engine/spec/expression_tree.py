"""What an expression is made of. Every node knows its `place`, the number of its first character (from 1), and its `depth`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal


class ValueKind(StrEnum):
    """What a value is. The value of each names it in errors."""

    NUMBER = "a number"
    TEXT = "text"
    FLAG = "true or false"
    TIME = "a time"
    DURATION = "a duration"
    NUMBERS = "a list of numbers"
    TEXTS = "a list of texts"


ELEMENT_OF: Final = {ValueKind.NUMBERS: ValueKind.NUMBER, ValueKind.TEXTS: ValueKind.TEXT}
LIST_OF: Final = {element: of_list for of_list, element in ELEMENT_OF.items()}

Root = Literal["item", "user", "context"]
ArithmeticSign = Literal["+", "-", "*", "/"]
ComparisonSign = Literal["=", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Constant:
    """Times and durations in ms; lists as tuples."""

    place: int
    kind: ValueKind
    value: str | float | bool | tuple[str, ...] | tuple[float, ...]
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Null:
    place: int
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Path:
    place: int
    root: Root
    name: str
    depth: int = 1

    def __str__(self) -> str:
        return f"{self.root}.{self.name}"


@dataclass(frozen=True, slots=True)
class Parameter:
    place: int
    name: str
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Now:
    """When the request came."""

    place: int
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Arithmetic:
    place: int
    sign: ArithmeticSign
    left: Value
    right: Value
    depth: int


@dataclass(frozen=True, slots=True)
class Comparison:
    place: int
    sign: ComparisonSign
    left: Value
    right: Value
    depth: int


@dataclass(frozen=True, slots=True)
class Membership:
    """`element in collection`, `element not in collection`, and `collection has element`."""

    place: int
    element: Value
    collection: Value
    is_negated: bool
    depth: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """`collection has any wanted`, `collection has all wanted`."""

    place: int
    collection: Value
    wanted: Value
    quantity: Literal["any", "all"]
    depth: int


@dataclass(frozen=True, slots=True)
class IsNull:
    place: int
    operand: Value
    is_negated: bool
    depth: int


@dataclass(frozen=True, slots=True)
class AllOf:
    place: int
    parts: tuple[Node, ...]
    depth: int


@dataclass(frozen=True, slots=True)
class AnyOf:
    place: int
    parts: tuple[Node, ...]
    depth: int


@dataclass(frozen=True, slots=True)
class Not:
    place: int
    part: Node
    depth: int


Value = Constant | Null | Path | Parameter | Now | Arithmetic
Condition = Comparison | Membership | Overlap | IsNull | AllOf | AnyOf | Not
Node = Value | Condition
"""Where a condition is wanted a value that is true or false will do; a condition is never a value."""

VALUES: Final = (Constant, Null, Path, Parameter, Now, Arithmetic)


def children(node: Node) -> tuple[Node, ...]:  # noqa: PLR0911  # one for each kind of node
    match node:
        case Arithmetic() | Comparison():
            return node.left, node.right
        case Membership():
            return node.element, node.collection
        case Overlap():
            return node.collection, node.wanted
        case IsNull():
            return (node.operand,)
        case AllOf() | AnyOf():
            return node.parts
        case Not():
            return (node.part,)
        case _:
            return ()
