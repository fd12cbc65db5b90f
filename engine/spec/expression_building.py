"""From tokens to nodes, from the leaves up."""

from __future__ import annotations

import math
import re
from typing import Any, Final, get_args

from lark import Token, Transformer, v_args

from engine.spec.document import shorten
from engine.spec.expression_tree import (
    VALUES,
    AllOf,
    AnyOf,
    Arithmetic,
    Comparison,
    Constant,
    IsNull,
    Membership,
    Node,
    Not,
    Now,
    Null,
    Overlap,
    Parameter,
    Path,
    Root,
    Value,
    ValueKind,
)

MAX_DEPTH: Final = 40
MAX_LIST_VALUES: Final = 1000
MS_OF: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
MAX_DURATION_MS: Final = 1e15

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])", re.ASCII)
_PROPERTY: Final = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_ESCAPED: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES: Final = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "t": "\t", "r": "\r"}
_ROOTS: Final = {**{root: root for root in get_args(Root)}, "request": "context"}


class Misplaced(Exception):
    """Something is wrong with what stands at `place`."""

    def __init__(self, place: int, rule: str) -> None:
        super().__init__(rule)
        self.place = place
        self.rule = rule


def duration_ms(text: str) -> float | None:
    """Of text as `90s`, `1.5h` or `7d`; None for other text or a duration beyond `MAX_DURATION_MS`."""
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    value = float(found[1]) * MS_OF[found[2]]
    return value if value <= MAX_DURATION_MS else None


@v_args(inline=True)
class Builder(Transformer[Token, Node]):
    """One method for each rule of the grammar; a node's place is that of its first token, parentheses left out."""

    def any_of(self, *parts: Any) -> Node:
        return self._joined(AnyOf, parts)

    def all_of(self, *parts: Any) -> Node:
        return self._joined(AllOf, parts)

    def not_(self, token: Token, part: Node) -> Node:
        return Not(_place(token), part, _deeper(_place(token), part))

    def comparison(self, left: Node, sign: Token, right: Node) -> Node:
        operands = _value(left), _value(right)
        return Comparison(left.place, "=" if sign == "==" else str(sign), *operands, _deeper(left.place, left, right))  # type: ignore[arg-type]

    def in_(self, element: Node, _: Token, collection: Node) -> Node:
        return _membership(element.place, element, collection, is_negated=False)

    def not_in(self, element: Node, _: Token, __: Token, collection: Node) -> Node:
        return _membership(element.place, element, collection, is_negated=True)

    def has(self, collection: Node, _: Token, element: Node) -> Node:
        return _membership(collection.place, element, collection, is_negated=False)

    def overlap(self, collection: Node, _: Token, quantity: Token, wanted: Node) -> Node:
        depth = _deeper(collection.place, collection, wanted)
        return Overlap(collection.place, _value(collection), _value(wanted), str(quantity), depth)  # type: ignore[arg-type]

    def is_null(self, operand: Node, *_: Token) -> Node:
        return IsNull(operand.place, _value(operand), False, _deeper(operand.place, operand))

    def is_not_null(self, operand: Node, *_: Token) -> Node:
        return IsNull(operand.place, _value(operand), True, _deeper(operand.place, operand))

    def arithmetic(self, left: Node, sign: Token, right: Node) -> Node:
        return Arithmetic(left.place, str(sign), _value(left), _value(right), _deeper(left.place, left, right))  # type: ignore[arg-type]

    def negated(self, sign: Token, operand: Node) -> Node:
        if isinstance(operand, Constant) and operand.kind in (ValueKind.NUMBER, ValueKind.DURATION):
            return Constant(_place(sign), operand.kind, -operand.value)  # type: ignore[operator]
        zero = Constant(_place(sign), ValueKind.NUMBER, -1.0)
        return Arithmetic(_place(sign), "*", zero, _value(operand), _deeper(_place(sign), operand))

    def number(self, token: Token) -> Node:
        value = float(token)
        if not math.isfinite(value):
            raise Misplaced(_place(token), "must be a number that fits in 64 bits")
        return Constant(_place(token), ValueKind.NUMBER, value)

    def duration(self, token: Token) -> Node:
        value = duration_ms(token)
        if value is None:
            raise Misplaced(_place(token), "must be a duration of at most 30,000 years")
        return Constant(_place(token), ValueKind.DURATION, value)

    def text(self, token: Token) -> Node:
        return Constant(
            _place(token), ValueKind.TEXT, _ESCAPED.sub(lambda found: _unescaped(token, found), token[1:-1])
        )

    def true(self, token: Token) -> Node:
        return Constant(_place(token), ValueKind.FLAG, True)

    def false(self, token: Token) -> Node:
        return Constant(_place(token), ValueKind.FLAG, False)

    def null(self, token: Token) -> Node:
        return Null(_place(token))

    def now(self, token: Token) -> Node:
        return Now(_place(token))

    def path(self, token: Token) -> Node:
        root, _, name = token.partition(".")
        if root not in _ROOTS or not _PROPERTY.fullmatch(name):
            raise Misplaced(
                _place(token), "must be item.<property>, user.<property> or context.<property>; text stands in quotes"
            )
        return Path(_place(token), _ROOTS[root], name)

    def parameter(self, token: Token) -> Node:
        if not _PROPERTY.fullmatch(token[1:]):
            raise Misplaced(_place(token), "must be $ and a name of lower case letters, digits and underscores")
        return Parameter(_place(token), token[1:])

    def list_(self, start: Token, *elements: Node) -> Node:
        place = _place(start)
        if not 0 < len(elements) <= MAX_LIST_VALUES:
            raise Misplaced(place, f"must be a list of 1 to {MAX_LIST_VALUES} values")
        values = []
        for element in elements:
            if not isinstance(element, Constant) or element.kind not in (ValueKind.NUMBER, ValueKind.TEXT):
                raise Misplaced(element.place, "must be text in quotes or a number, as every value of a list")
            if element.kind is not elements[0].kind:  # type: ignore[union-attr]  # the first passed the check above
                raise Misplaced(element.place, "must be of the kind of the list's first value")
            values.append(element.value)
        is_text = isinstance(values[0], str)
        return Constant(place, ValueKind.TEXTS if is_text else ValueKind.NUMBERS, tuple(values))  # type: ignore[arg-type]

    def _joined(self, kind: type[AllOf] | type[AnyOf], parts: tuple[Any, ...]) -> Node:
        nodes = tuple(part for part in parts if not isinstance(part, Token))
        return kind(nodes[0].place, nodes, _deeper(nodes[0].place, *nodes))


def _place(token: Token) -> int:
    return (token.start_pos or 0) + 1


def _membership(place: int, element: Node, collection: Node, *, is_negated: bool) -> Membership:
    return Membership(place, _value(element), _value(collection), is_negated, _deeper(place, element, collection))


def _value(node: Node) -> Value:
    if not isinstance(node, VALUES):
        raise Misplaced(node.place, "must be a value; conditions are joined by and, or, not")
    return node


def _deeper(place: int, *nodes: Node) -> int:
    depth = 1 + max(node.depth for node in nodes)
    if depth > MAX_DEPTH:
        raise Misplaced(place, f"must be nested at most {MAX_DEPTH} deep")
    return depth


def _unescaped(token: Token, found: re.Match[str]) -> str:
    body = found[1]
    if len(body) == 5:
        code = int(body[1:], 16)
        if code == 0 or 0xD800 <= code <= 0xDFFF:
            raise Misplaced(_place(token), "must be valid Unicode text without NUL")
        return chr(code)
    if body not in _ESCAPES:
        raise Misplaced(_place(token), f"must escape only quotes, \\, n, t, r and uXXXX; {shorten(found[0])} is none")
    return _ESCAPES[body]
