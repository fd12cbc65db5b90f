"""The promises of property validation for users, items and events."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import InvalidDocument
from engine.spec.schema import Property, PropertyType
from engine.spec.validation import PropertyValidator

VALIDATOR = PropertyValidator(
    {
        "title": Property(type=PropertyType.STRING, required=True, max_length=5),
        "tags": Property(type=PropertyType.STRING_LIST, max_length=3, max_values=2),
        "age": Property(type=PropertyType.INTEGER),
        "price": Property(type=PropertyType.FLOAT),
        "active": Property(type=PropertyType.BOOLEAN),
        "born": Property(type=PropertyType.TIMESTAMP),
        "shape": Property(type=PropertyType.VECTOR, dim=2),
    },
    "item 7",
)


def refused(properties: object, *, partial: bool = False) -> list[tuple[str, str, str]]:
    with pytest.raises(InvalidDocument) as caught:
        VALIDATOR.validate(properties, partial=partial)
    return [(problem.field, problem.rule, problem.received) for problem in caught.value.problems]


def test_values_of_every_type_are_stored_in_one_form() -> None:
    properties = {
        "title": "Shoe",
        "tags": ("a", "b"),
        "age": 3,
        "price": 2,
        "active": False,
        "born": "1969-12-31T23:59:59.500Z",
        "shape": (1, -0.5),
    }
    stored = VALIDATOR.validate(properties)
    assert stored == {
        "title": "Shoe",
        "tags": ["a", "b"],
        "age": 3,
        "price": 2.0,
        "active": False,
        "born": -500,
        "shape": [1.0, -0.5],
    }
    assert type(stored["price"]) is float
    assert type(stored["shape"][0]) is float


def test_a_null_optional_property_is_absent() -> None:
    assert VALIDATOR.validate({"title": "a", "age": None}) == {"title": "a"}


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("title", 3, "must be a string"),
        ("title", "123456", "must have at most 5 characters"),
        ("title", "a\x00", "must be valid Unicode text without NUL"),
        ("title", "\udfff", "must be valid Unicode text without NUL"),
        ("tags", "ab", "must be a list of strings"),
        ("tags", ["a", "b", "c"], "must have at most 2 values"),
        ("tags", ["a", "long"], "value 1 must have at most 3 characters"),
        ("tags", ["a", None], "value 1 must be a string"),
        ("age", True, "must be an integer"),
        ("age", 3.0, "must be an integer"),
        ("age", "3", "must be an integer"),
        ("age", 2**63, "must fit in 64 bits"),
        ("price", True, "must be a number"),
        ("price", "1.5", "must be a number"),
        ("price", float("nan"), "must be a finite number"),
        ("price", float("-inf"), "must be a finite number"),
        ("price", 10**400, "must be a finite number"),
        ("active", 1, "must be true or false"),
        ("active", "true", "must be true or false"),
        ("born", 10**18, "must be milliseconds since the epoch, in the years 1 to 9999"),
        ("born", "2020-13-01T00:00:00Z", "is not a time that exists: month must be in 1..12"),
        ("shape", 1.0, "must be a list of numbers"),
        ("shape", [1.0], "must have 2 numbers, received 1"),
        ("shape", [1.0, None], "value 1 must be a number"),
        ("shape", [float("inf"), 1.0], "value 0 must be a finite number"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_name_and_rule(name: str, value: Any, rule: str) -> None:
    [(field, received_rule, _)] = refused({"title": "a"} | {name: value})
    assert (field, received_rule) == (name, rule)


def test_a_required_property_must_be_there_and_not_null() -> None:
    assert refused({}) == [("title", "is required", "nothing")]
    assert refused({"title": None}) == [("title", "is required", "null")]


def test_a_patch_may_leave_out_what_is_required_but_not_clear_it() -> None:
    assert VALIDATOR.validate({"age": 3}, partial=True) == {"age": 3}
    assert refused({"title": None}, partial=True) == [("title", "is required", "null")]


def test_a_patch_keeps_a_null_that_clears_an_optional_property() -> None:
    assert VALIDATOR.validate({"age": None}, partial=True) == {"age": None}


def test_an_undeclared_property_is_refused_with_the_declared_ones() -> None:
    assert refused({"title": "a", "colour": "red"}) == [
        ("colour", "is not declared in the schema; declared: title, tags, age, price, active, born, shape", "'red'")
    ]


def test_an_entity_that_declares_nothing_says_so() -> None:
    with pytest.raises(InvalidDocument, match="declared: none"):
        PropertyValidator({}).validate({"x": 1})


@pytest.mark.parametrize("properties", [None, [], "a", 3])
def test_properties_that_are_no_object_are_refused(properties: object) -> None:
    assert refused(properties) == [("(document)", "must be an object", repr(properties))]


def test_the_message_names_the_document_and_every_problem() -> None:
    with pytest.raises(InvalidDocument, match=r"item 7 is not valid: age: must be an integer \(received 'x'\); title"):
        VALIDATOR.validate({"age": "x"})
