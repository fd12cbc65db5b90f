"""What an expression may say, and what is said of one that may not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InvalidDocument, Problem
from engine.spec.expression import parse_expression
from engine.spec.expression_checking import CheckedExpression, check_expression
from engine.spec.expression_parameters import check_parameters
from engine.spec.expression_tree import ValueKind
from engine.spec.schema import Schema

SCHEMA = Schema.parse(
    {
        "items": {
            "price": {"type": "float"},
            "topic": {"type": "string"},
            "tags": {"type": "string_list"},
            "published_at": {"type": "timestamp"},
            "new": {"type": "boolean"},
            "picture": {"type": "vector", "dim": 2},
        },
        "users": {"likes": {"type": "string_list"}, "age": {"type": "integer"}},
        "events": {
            "click": {"properties": {"device": {"type": "string"}, "mixed": {"type": "string"}}},
            "buy": {"properties": {"mixed": {"type": "float"}}},
        },
    }
)


def checked(text: str) -> CheckedExpression:
    return check_expression(parse_expression(text, "filter"), SCHEMA)


def problems(text: str) -> list[Problem]:
    with pytest.raises(InvalidDocument) as raised:
        checked(text)
    return raised.value.problems


@pytest.mark.parametrize(
    ("text", "place", "rule", "received"),
    [
        ("item.price <", 13, "must be a value", "the end"),
        ("item.price < 3 and", 19, "must be a value or 'not'", "the end"),
        ("(item.new", 10, "must be ')'", "the end"),
        ("item.price <> 3", 13, "must be a value", "'> 3'"),
        ("1 < 2 < 3", 7, "must be 'and', 'or' or the end", "'< 3'"),
        ("item.topic = 'ab", 14, "must be a value", "\"'ab\""),
        ("price < 3", 1, "must be item.<property>, user.<property> or context.<property>; text stands in quotes",
         "'price < 3'"),
        ("item.topic in [1, 'a']", 19, "must be of the kind of the list's first value", "\"'a']\""),
        ("item.topic in []", 15, "must be a list of 1 to 1000 values", "'[]'"),
        ("(item.price < 3) = true", 2, "must be a value; conditions are joined by and, or, not",
         "'item.price < 3) = true'"),
        ("item.price < 1e999", 14, "must be a number that fits in 64 bits", "'1e999'"),
        (r"item.topic = '\q'", 14, r"must escape only quotes, \, n, t, r and uXXXX; '\\q' is none", r'"' + r"'\\q'" + '"'),
        ("item.prize < 3", 1, "must be declared in the schema; declared: item.id, item.new, item.picture, item.price, "
         "item.published_at, item.tags, item.topic", "'item.prize < 3'"),
        ("item.price < 'a'", 14, "must be a number, and is text", "\"'a'\""),
        ("item.price", 1, "must be true or false, and is a number", "'item.price'"),
        ("item.price = null", 14, "must not be null: nothing compares with it; write is null or is not null", "'null'"),
        ("item.new < true", 1, "must be compared by = or !=, which is all that true or false has", "'item.new < true'"),
        ("item.id < 'a'", 1, "must be compared by =, != or in, which is all that the id of an item has", "\"item.id < 'a'\""),
        ("item.tags = user.likes", 1, "must not compare lists; write has, has any, has all or in",
         "'item.tags = user.likes'"),
        ("item.topic in 'x'", 15, "must be a list of texts or numbers, and is text", "\"'x'\""),
        ("item.picture is null", 1, "must not be a vector, which no expression reads", "'item.picture is null'"),
        ("context.mixed = 'a'", 1, "must be of one type in every event that declares it, and has several",
         "\"context.mixed = 'a'\""),
        ("item.price + now() < 3", 1, "must be kinds that + can join, and is a number and a time",
         "'item.price + now() < 3'"),
        ("item.price * 7d < 3", 19, "must be a duration, and is a number", "'3'"),
        ("item.published_at > 'today'", 21,
         "must be RFC 3339 text with an offset, as 2026-01-31T12:00:00Z, or integer milliseconds", "\"'today'\""),
        ("$a = $b", 1, "must say of what kind a parameter is, by comparing it with a property or a value", "'$a = $b'"),
        ("item.price < $p and item.topic = $p", 34, "must be text, and is a number", "'$p'"),
        ("item.tags has any item.tags", 19, "must not be of the item on both sides of has any and has all",
         "'item.tags'"),
    ],
)  # fmt: skip
def test_broken_expression_says_where_and_why(text: str, place: int, rule: str, received: str) -> None:
    assert problems(text) == [Problem("filter", f"at character {place}: {rule}", received)]


def test_every_broken_part_is_told() -> None:
    found = problems("item.prize = 1 and (item.topic = 3 or not item.price)")
    assert [one.rule.split(":")[0] for one in found] == ["at character 1", "at character 34", "at character 43"]


@pytest.mark.parametrize("text", ["", "x" * 4001])
def test_expression_has_a_bounded_length(text: str) -> None:
    assert "must have 1 to 4000 characters" in problems(text)[0].rule


@pytest.mark.parametrize("text", ["not " * 60 + "item.new", "1" + "+1" * 60 + " < 3", "-" * 60 + "item.price < 3"])
def test_expression_has_a_bounded_depth(text: str) -> None:
    assert problems(text)[0].rule.endswith("must be nested at most 40 deep")


OPERANDS = [
    "item.price",
    "item.topic",
    "item.tags",
    "item.new",
    "item.id",
    "user.likes",
    "$a",
    "$b",
    "now()",
    "7d",
    "1",
    "'x'",
]
WORDS = ["and", "or", "not", "in", "has", "any", "all", "is", "null", "true", "=", "!=", "<", ">=", "+", "-", "*", "/"]
OTHERS = ["(", ")", "[", "]", "[1]", "['a']", ",", "item.", "$", '"', "'", "\\", "é", "#"]
PIECES = st.sampled_from(OPERANDS) | st.sampled_from(WORDS) | st.sampled_from(OTHERS)


@settings(deadline=None)  # the first reading builds the parser
@given(st.lists(PIECES, max_size=14).map(" ".join) | st.text(max_size=30))
def test_any_text_is_an_expression_or_is_refused_with_its_place(text: str) -> None:
    try:
        found = checked(text)
    except InvalidDocument as error:
        assert all(one.field == "filter" and one.rule for one in error.problems)
    else:
        assert found.root is not None


def test_many_parentheses_are_no_depth() -> None:
    assert checked("(" * 1500 + "item.new" + ")" * 1500)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("item.topic in $topics and item.price < $max", {"topics": ValueKind.TEXTS, "max": ValueKind.NUMBER}),
        ("$topic in item.tags", {"topic": ValueKind.TEXT}),
        ("item.tags has any $tags", {"tags": ValueKind.TEXTS}),
        ("item.published_at > $since", {"since": ValueKind.TIME}),
        ("now() - item.published_at < $age", {"age": ValueKind.DURATION}),
        ("now() - $age < item.published_at", {"age": ValueKind.DURATION}),
        ("item.published_at - $since < 7d", {"since": ValueKind.TIME}),
        ("item.price < $max * 2", {"max": ValueKind.NUMBER}),
        ("$everything or item.new", {"everything": ValueKind.FLAG}),
        ("$max is null or item.price <= $max", {"max": ValueKind.NUMBER}),
        ("$a = $b and $b < item.price", {"a": ValueKind.NUMBER, "b": ValueKind.NUMBER}),
    ],
)
def test_what_a_parameter_must_be_follows_from_its_use(text: str, parameters: dict[str, ValueKind]) -> None:
    assert checked(text).parameters == parameters


def test_request_is_another_word_for_context_and_two_equals_for_one() -> None:
    assert checked("request.device == 'tv'").root == checked("context.device =  'tv'").root


def test_parameters_are_taken_as_their_kinds() -> None:
    kinds = {
        "n": ValueKind.NUMBER,
        "t": ValueKind.TIME,
        "d": ValueKind.DURATION,
        "l": ValueKind.TEXTS,
        "x": ValueKind.TEXT,
    }
    given = {"n": 3, "t": "1970-01-01T00:00:01Z", "d": "1.5h", "l": ["a"], "x": None, "unused": object()}
    assert check_parameters(kinds, given) == {"n": 3.0, "t": 1000.0, "d": 5_400_000.0, "l": ("a",), "x": None}


def test_parameters_that_break_their_rules_are_told_each() -> None:
    kinds = {"n": ValueKind.NUMBER, "d": ValueKind.DURATION, "l": ValueKind.NUMBERS, "m": ValueKind.TEXTS}
    with pytest.raises(InvalidDocument) as raised:
        check_parameters(kinds, {"n": True, "d": 7, "l": [1] * 1001})
    assert raised.value.problems == [
        Problem("parameters.n", "must be a number", "True"),
        Problem("parameters.d", "must be a duration as 90s, 12h or 7d", "7"),
        Problem("parameters.l", "must be a list of at most 1000 values", raised.value.problems[2].received),
        Problem("parameters.m", "is needed by an expression, as a list of texts", "nothing"),
    ]
