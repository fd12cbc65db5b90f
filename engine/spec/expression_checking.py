"""An expression held against a schema: every name declared, every kind fitting, every parameter's kind known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from engine.errors import InvalidDocument, Problem
from engine.spec.expression import Expression
from engine.spec.expression_building import Misplaced
from engine.spec.expression_kinds import KIND_OF, ORDERED, rules_for
from engine.spec.expression_tree import (
    ELEMENT_OF,
    LIST_OF,
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
    Value,
    ValueKind,
    children,
)
from engine.spec.schema import Property, PropertyType, Schema
from engine.spec.values import BrokenRule, check_timestamp

MAX_NAMES_LISTED: Final = 20

_ID: Final = Property(type=PropertyType.STRING)


@dataclass(frozen=True, slots=True)
class CheckedExpression:
    """`root` is a condition, or a value that is true or false; text compared with times has become times in it.

    `parameters` says of what kind each `$name` must be, `properties` of what type each property that is read is, by `item.price`.
    """

    expression: Expression
    root: Node
    parameters: Mapping[str, ValueKind]
    properties: Mapping[str, PropertyType]

    def kind_of(self, value: Value) -> ValueKind | None:
        """None for null and for arithmetic with it, which is null."""
        match value:
            case Constant():
                return value.kind
            case Path():
                return KIND_OF[self.properties[str(value)]]
            case Parameter():
                return self.parameters[value.name]
            case Now():
                return ValueKind.TIME
            case Arithmetic():
                rules = rules_for(value.sign, self.kind_of(value.left), self.kind_of(value.right))
                return rules[0].result
            case _:
                return None


def check_expression(expression: Expression, schema: Schema) -> CheckedExpression:
    """Raises `InvalidDocument` with what is wrong in each of the parts that `and` and `or` join: its place, the rule, what stands there."""
    checker = _Checker(expression, schema)
    root, num_known = expression.root, -1
    # What one part says of a parameter may be what another, read before, needs to know.
    while num_known < len(checker.parameters) and (num_known < 0 or checker.problems):
        num_known = len(checker.parameters)
        checker.problems.clear()
        root = checker.condition(expression.root)
    if checker.problems:
        raise InvalidDocument("expression", checker.problems)
    return CheckedExpression(expression, root, checker.parameters, checker.properties)


@dataclass(slots=True)
class _Checker:
    expression: Expression
    schema: Schema
    parameters: dict[str, ValueKind] = field(default_factory=dict)
    properties: dict[str, PropertyType] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def condition(self, node: Node) -> Node:
        match node:
            case AllOf() | AnyOf():
                return replace(node, parts=tuple(map(self.condition, node.parts)))
            case Not():
                return replace(node, part=self.condition(node.part))
        try:
            return self._one_condition(node)
        except Misplaced as error:
            self.problems.append(self.expression.problem(error.place, error.rule))
            return node

    def _one_condition(self, node: Node) -> Node:
        match node:
            case Comparison():
                return self._comparison(node)
            case Membership():
                return self._membership(node)
            case Overlap():
                return self._overlap(node)
            case IsNull():
                return replace(node, operand=self._settled(node.operand, None))
            case _:
                assert isinstance(node, VALUES)
                return self._settled(node, ValueKind.FLAG)

    def _comparison(self, node: Comparison) -> Node:
        for side in (node.left, node.right):
            if isinstance(side, Null):
                raise Misplaced(side.place, "must not be null: nothing compares with it; write is null or is not null")
        kind = self._common_kind(node.left, node.right)
        left, right = self._settled(node.left, kind), self._settled(node.right, kind)
        if node.sign not in ("=", "!="):
            if kind not in ORDERED:
                raise Misplaced(node.place, f"must be compared by = or !=, which is all that {kind} has")
            for side in (left, right):
                if isinstance(side, Path) and str(side) == "item.id":
                    raise Misplaced(
                        side.place, "must be compared by =, != or in, which is all that the id of an item has"
                    )
        if kind in ELEMENT_OF:
            raise Misplaced(node.place, "must not compare lists; write has, has any, has all or in")
        return replace(node, left=left, right=right)

    def _common_kind(self, left: Value, right: Value) -> ValueKind:
        kinds = self._kind(left), self._kind(right)
        known = kinds[0] or kinds[1]
        if known is None:
            raise Misplaced(
                left.place, "must say of what kind a parameter is, by comparing it with a property or a value"
            )
        # Text is a time where a time is wanted.
        if ValueKind.TIME in kinds:
            return ValueKind.TIME
        return known

    def _membership(self, node: Membership) -> Node:
        in_collection = self._kind(node.collection)
        of_element = self._kind(node.element)
        wanted = in_collection or (LIST_OF.get(of_element) if of_element else None)
        if wanted is None and of_element is None:
            raise Misplaced(node.place, "must say of what kind a parameter is: compare it with a property or a value")
        if wanted not in ELEMENT_OF:
            place, received = node.collection.place, wanted or f"a list for {of_element}"
            raise Misplaced(place, f"must be a list of texts or numbers, and is {received}")
        element = self._settled(node.element, ELEMENT_OF[wanted])
        return replace(node, element=element, collection=self._settled(node.collection, wanted))

    def _overlap(self, node: Overlap) -> Node:
        kind = self._kind(node.collection) or self._kind(node.wanted) or ValueKind.TEXTS
        if kind not in ELEMENT_OF:
            raise Misplaced(node.place, f"must be lists of texts or numbers, and is {kind}")
        if all(isinstance(side, Path) and side.root == "item" for side in (node.collection, node.wanted)):
            raise Misplaced(node.wanted.place, "must not be of the item on both sides of has any and has all")
        collection, wanted = self._settled(node.collection, kind), self._settled(node.wanted, kind)
        return replace(node, collection=collection, wanted=wanted)

    def _kind(self, value: Value) -> ValueKind | None:
        """None where it depends on a parameter whose kind is not known yet."""
        match value:
            case Constant():
                return value.kind
            case Path():
                return KIND_OF[self._declared(value)]
            case Parameter():
                return self.parameters.get(value.name)
            case Now():
                return ValueKind.TIME
            case Arithmetic():
                results = {
                    rule.result for rule in rules_for(value.sign, self._kind(value.left), self._kind(value.right))
                }
                return results.pop() if len(results) == 1 else None
            case Null():
                raise Misplaced(value.place, "must be a value, not null")

    def _settled(self, value: Value, wanted: ValueKind | None) -> Value:
        """The value once it is known to be of the kind wanted, which tells parameters what they are."""
        if isinstance(value, Arithmetic):
            return self._settled_arithmetic(value, wanted)
        if isinstance(value, Parameter) and wanted is not None:
            self.parameters.setdefault(value.name, wanted)
        kind = self._kind(value)
        if kind is None:
            raise Misplaced(
                value.place, "must say of what kind a parameter is, by comparing it with a property or a value"
            )
        if wanted is ValueKind.TIME and isinstance(value, Constant) and kind is ValueKind.TEXT:
            try:
                return Constant(value.place, ValueKind.TIME, float(check_timestamp(value.value)))
            except BrokenRule as broken:
                raise Misplaced(value.place, str(broken)) from None
        if wanted is not None and kind is not wanted:
            raise Misplaced(value.place, f"must be {wanted}, and is {kind}")
        return value

    def _settled_arithmetic(self, value: Arithmetic, wanted: ValueKind | None) -> Value:
        left, right = self._kind(value.left), self._kind(value.right)
        rules = rules_for(value.sign, left, right, wanted)
        if len(rules) == 1:
            rule = rules[0]
            return replace(
                value, left=self._settled(value.left, rule.left), right=self._settled(value.right, rule.right)
            )
        if rules:
            raise Misplaced(value.place, "must say of what kind a parameter is; move it to a side of its own")
        if left is not None and right is not None and (found := rules_for(value.sign, left, right)):
            raise Misplaced(value.place, f"must be {wanted}, and is {found[0].result}")
        known = " and ".join(str(kind) for kind in (left, right) if kind is not None)
        raise Misplaced(value.place, f"must be kinds that {value.sign} can join, and is {known}")

    def _declared(self, path: Path) -> PropertyType:
        known = self.properties.get(str(path))
        if known is not None:
            return known
        declared = _declared_by(self.schema, path)
        found = declared.get(path.name)
        if found is None:
            listed = ", ".join(f"{path.root}.{name}" for name in sorted(declared)[:MAX_NAMES_LISTED])
            raise Misplaced(path.place, f"must be declared in the schema; declared: {listed or 'nothing'}")
        if len(found) > 1:
            raise Misplaced(path.place, "must be of one type in every event that declares it, and has several")
        (property_type,) = found
        if property_type not in KIND_OF:
            raise Misplaced(path.place, f"must not be a {property_type}, which no expression reads")
        self.properties[str(path)] = property_type
        return property_type


def _declared_by(schema: Schema, path: Path) -> dict[str, set[PropertyType]]:
    """Types by name; an event's property may be declared by several event types."""
    found: dict[str, set[PropertyType]] = {}
    declarations: list[Mapping[str, Property]]
    if path.root == "context":
        declarations = [event_type.properties for event_type in schema.events.values()]
    else:
        declarations = [schema.items if path.root == "item" else schema.users, {"id": _ID}]
    for declaration in declarations:
        for name, declared in declaration.items():
            found.setdefault(name, set()).add(declared.type)
    return found


def reads_item(node: Node) -> bool:
    """It differs from item to item."""
    return (isinstance(node, Path) and node.root == "item") or any(map(reads_item, children(node)))


def reads_request(node: Node) -> bool:
    """It differs from request to request: by the user, the context, parameters, or the time."""
    own = isinstance(node, Parameter | Now) or (isinstance(node, Path) and node.root != "item")
    return own or any(map(reads_request, children(node)))
