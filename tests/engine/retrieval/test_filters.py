"""Filters over columns answer what a plain reading of the expression, item by item, would."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InvalidDocument
from engine.retrieval.catalogue import Catalogue
from engine.retrieval.filters.compiled import CompiledFilter, compile_filter
from engine.retrieval.filters.frame import RequestValues
from engine.spec.event import CatalogChange
from engine.spec.schema import Schema

SCHEMA = Schema.parse(
    {
        "items": {
            "price": {"type": "float"},
            "stock": {"type": "integer"},
            "topic": {"type": "string"},
            "brand": {"type": "string"},
            "tags": {"type": "string_list"},
            "new": {"type": "boolean"},
            "shown_at": {"type": "timestamp"},
        },
        "users": {"country": {"type": "string"}, "likes": {"type": "string_list"}, "age": {"type": "integer"}},
        "events": {"click": {"properties": {"device": {"type": "string"}, "budget": {"type": "float"}}}},
    }
)
NOW_MS = 1_000_000
HOUR_MS = 3_600_000

Row = Mapping[str, Any]
"""Everything an expression may read, by its path; `$name` for parameters. Absent is null."""


class Said(NamedTuple):
    """A piece of expression, and what it comes to for a row; None is null."""

    text: str
    read: Callable[[Row], Any]


TEXTS = ["a", "b", "c", 'q"\\']
numbers = st.sampled_from([-2.0, 0.0, 0.5, 1.0, 3.0])
texts = st.sampled_from(TEXTS)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def path(*names: str) -> st.SearchStrategy[Said]:
    return st.sampled_from(names).map(lambda name: Said(name, lambda row: row.get(name)))


def constant(text: str, value: Any) -> Said:
    return Said(text, lambda row: value)


def calculated(sign: str, left: Said, right: Said) -> Said:
    def read(row: Row) -> Any:
        one, other = left.read(row), right.read(row)
        if one is None or other is None or (sign == "/" and other == 0):
            return None
        return {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}[sign](one, other)

    return Said(f"({left.text} {sign} {right.text})", read)


number_leaves = st.one_of(
    path("item.price", "item.stock", "user.age", "context.budget", "$number"),
    numbers.map(lambda number: constant(repr(number), number)),
)
# Kept small, so that no sum is rounded differently in another order.
number_values = st.one_of(
    number_leaves, st.builds(calculated, st.sampled_from("+-*/"), path("item.price", "item.stock"), number_leaves)
)
text_leaves = st.one_of(
    path("item.topic", "item.brand", "user.country", "user.id", "context.device", "$text"),
    texts.map(lambda text: constant(quoted(text), text)),
)
id_values = path("item.id")
list_values = st.one_of(
    path("user.likes", "$texts"),
    st.lists(texts, min_size=1, max_size=6).map(lambda of: constant("[" + ", ".join(map(quoted, of)) + "]", of)),
)
time_values = st.one_of(
    path("item.shown_at", "$time"),
    st.just(constant("now()", NOW_MS)),
    st.just(constant('"1970-01-01T01:00:00Z"', HOUR_MS)),
    st.just(calculated("+", Said("item.shown_at", lambda row: row.get("item.shown_at")), constant("1h", HOUR_MS))),
)
durations = st.sampled_from([constant("0s", 0), constant("1h", HOUR_MS), constant("-5m", -300_000)])
spans = st.builds(calculated, st.just("-"), path("item.shown_at"), st.just(constant("now()", NOW_MS)))

SIGNS = {
    "=": operator.eq, "==": operator.eq, "!=": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def compared(sign: str, left: Said, right: Said) -> Said:
    def read(row: Row) -> bool:
        one, other = left.read(row), right.read(row)
        return one is not None and other is not None and SIGNS[sign](one, other)

    return Said(f"{left.text} {sign} {right.text}", read)


def member(word: str, element: Said, collection: Said) -> Said:
    def read(row: Row) -> bool:
        one, of = element.read(row), collection.read(row)
        return one is not None and of is not None and (one in of) is (word != "not in")

    return Said(
        f"{collection.text} has {element.text}" if word == "has" else f"{element.text} {word} {collection.text}", read
    )


def overlapping(word: str, collection: Said, wanted: Said) -> Said:
    def read(row: Row) -> bool:
        held, sought = collection.read(row), wanted.read(row)
        if held is None or sought is None:
            return False
        return bool(set(held) & set(sought)) if word == "any" else set(sought) <= set(held)

    return Said(f"{collection.text} has {word} {wanted.text}", read)


def null_test(is_null: bool, value: Said) -> Said:
    return Said(f"{value.text} is {'' if is_null else 'not '}null", lambda row: (value.read(row) is None) is is_null)


signs = st.sampled_from(list(SIGNS))
equality = st.sampled_from(["=", "!="])
words = st.sampled_from(["in", "not in", "has"])
tags = path("item.tags")
conditions = st.one_of(
    st.builds(compared, signs, number_values, number_values),
    st.builds(compared, signs, text_leaves, text_leaves),
    st.builds(compared, equality, id_values, text_leaves),
    st.builds(compared, equality, text_leaves, id_values),
    st.builds(compared, signs, time_values, path("item.shown_at")),
    st.builds(compared, signs, durations, spans),
    st.builds(compared, equality, path("item.new", "$flag"), st.sampled_from([constant("true", True), constant("false", False)])),
    st.builds(member, words, text_leaves | id_values, list_values | tags),
    st.builds(member, st.sampled_from(["in", "not in"]), number_values,
              st.lists(numbers, min_size=1, max_size=7).map(lambda of: constant(repr(of), of))),
    st.builds(overlapping, st.sampled_from(["any", "all"]), tags, list_values),
    st.builds(overlapping, st.sampled_from(["any", "all"]), list_values, tags),
    st.builds(overlapping, st.sampled_from(["any", "all"]), list_values, list_values),
    st.builds(null_test, st.booleans(), number_values | path("item.topic", "item.id", "item.tags", "item.new", "item.shown_at")),
    path("item.new").map(lambda one: Said(one.text, lambda row: one.read(row) is True)),
)  # fmt: skip
expressions = st.recursive(
    conditions,
    lambda inner: st.one_of(
        inner.map(lambda one: Said(f"not ({one.text})", lambda row: not one.read(row))),
        st.lists(inner, min_size=2, max_size=4).map(
            lambda of: Said(" and ".join(f"({one.text})" for one in of), lambda row: all(one.read(row) for one in of))
        ),
        st.lists(inner, min_size=2, max_size=4).map(
            lambda of: Said(" or ".join(f"({one.text})" for one in of), lambda row: any(one.read(row) for one in of))
        ),
    ),
    max_leaves=6,
)
item_properties = st.fixed_dictionaries(
    {},
    optional={
        "price": numbers,
        "stock": st.integers(-2, 3),
        "topic": st.sampled_from([*TEXTS, "i1"]),
        "brand": texts,
        "tags": st.lists(st.sampled_from([*TEXTS, "i1", "i2"]), max_size=5),
        "new": st.booleans(),
        "shown_at": st.sampled_from([0, NOW_MS - HOUR_MS, NOW_MS, NOW_MS + 300_000, HOUR_MS]),
    },
)
users = st.fixed_dictionaries(
    {},
    optional={
        "country": texts,
        "likes": st.lists(st.sampled_from([*TEXTS, "i1"]), max_size=6),
        "age": st.integers(-2, 3),
    },
)
contexts = st.fixed_dictionaries({}, optional={"device": texts, "budget": numbers})
parameters = st.fixed_dictionaries(
    {
        "number": st.none() | numbers,
        "text": st.none() | texts,
        "texts": st.none() | st.lists(texts, max_size=6),
        "flag": st.none() | st.booleans(),
        "time": st.none() | st.sampled_from([0, NOW_MS, HOUR_MS]),
    }
)


@settings(deadline=None)  # the first reading builds the parser
@given(
    said=expressions,
    items=st.lists(st.none() | item_properties, min_size=1, max_size=12),
    rewritten=st.lists(st.tuples(st.integers(0, 11), item_properties), max_size=6),
    user_id=st.sampled_from(["", "a"]),
    user=users,
    context=contexts,
    given_parameters=parameters,
    picked=st.lists(st.integers(0, 11), max_size=8),
)
def test_mask_is_what_reading_item_by_item_gives(
    said: Said,
    items: list[dict[str, Any] | None],
    rewritten: list[tuple[int, dict[str, Any]]],
    user_id: str,
    user: dict[str, Any],
    context: dict[str, Any],
    given_parameters: dict[str, Any],
    picked: list[int],
) -> None:
    try:
        compiled = compile_filter(said.text, SCHEMA)
    except InvalidDocument as error:
        # What nothing says the kind of, and lists of the item on both sides, are refused; other tests say so.
        assert "of what kind" in str(error) or "nested" in str(error)
        return
    catalogue = Catalogue()
    catalogue.apply(CatalogChange("item", f"i{n}", one or {}, deleted=one is None) for n, one in enumerate(items))
    values = RequestValues(NOW_MS, user_id, user, context, given_parameters)
    assert_as_read(compiled, catalogue, values, said, picked)
    catalogue.apply(CatalogChange("item", f"i{n}", one) for n, one in rewritten)
    catalogue.apply([CatalogChange("item", "i0", deleted=True)])
    assert_as_read(compiled, catalogue, values, said, picked)


def assert_as_read(
    compiled: CompiledFilter, catalogue: Catalogue, values: RequestValues, said: Said, picked: list[int]
) -> None:
    request = {"user.id": values.user_id or None}
    request |= {f"user.{name}": value for name, value in values.user.items()}
    request |= {f"context.{name}": value for name, value in values.context.items()}
    request |= {f"${name}": value for name, value in values.parameters.items()}
    ids = catalogue.all_ids()
    rows = catalogue.rows_of(ids)
    expected = [
        said.read(request | {"item.id": item_id} | {f"item.{name}": value for name, value in properties.items()})
        for item_id, properties in zip(ids, catalogue.item_properties(ids), strict=True)
    ]
    for _ in range(2):  # the second time from what was kept of the first
        mask = compiled.mask(catalogue, None, values)
        assert mask.shape == (catalogue.num_rows,)
        assert mask[rows].tolist() == expected
        kept = compiled.kept(catalogue, values)
        assert kept is None or kept[rows].tolist() == expected
    chosen = [place for place in picked if place < len(ids)]
    assert compiled.mask(catalogue, rows[chosen], values).tolist() == [expected[place] for place in chosen]


def catalogue_of(**items: dict[str, Any]) -> Catalogue:
    catalogue = Catalogue()
    catalogue.apply(CatalogChange("item", item_id, properties) for item_id, properties in items.items())
    return catalogue


def held(text: str, catalogue: Catalogue, **parameters: Any) -> list[str]:
    values = RequestValues(NOW_MS, parameters=parameters)
    mask = compile_filter(text, SCHEMA).mask(catalogue, None, values)
    return catalogue.ids_of(np.flatnonzero(mask).astype(np.int32))


def test_what_is_kept_depends_on_items_and_parameters_alone() -> None:
    catalogue = catalogue_of(a={"price": 1.0}, b={"price": 3.0})
    by_price = compile_filter("item.price < $most", SCHEMA)
    cheap, dear = (RequestValues(NOW_MS, parameters={"most": most}) for most in (2, 9))
    both = by_price.kept(catalogue, cheap), by_price.kept(catalogue, dear)
    assert [mask is not None and mask[:2].tolist() for mask in both] == [[True, False], [True, True]]
    assert by_price.kept(catalogue, cheap) is both[0]
    catalogue.apply([CatalogChange("item", "a", {"price": 5.0})])
    assert held("item.price < $most", catalogue, most=2) == []
    renewed = by_price.kept(catalogue, cheap)
    assert renewed is not None
    assert renewed[:2].tolist() == [False, False]
    for text in ("item.price < 2 or user.age > 3", "item.shown_at < now()", "item.price < context.budget", "$most > 1"):
        assert compile_filter(text, SCHEMA).kept(catalogue, RequestValues(NOW_MS, parameters={"most": 2})) is None


def test_not_in_says_nothing_of_an_item_without_the_property_and_not_of_in_does() -> None:
    catalogue = catalogue_of(a={"topic": "x"}, b={"topic": "y"}, c={})
    assert held('item.topic not in ["x"]', catalogue) == ["b"]
    assert held('not (item.topic in ["x"])', catalogue) == ["b", "c"]


def test_dividing_by_zero_is_null() -> None:
    catalogue = catalogue_of(a={"price": 5.0, "stock": 0}, b={"price": 5.0, "stock": 2})
    assert held("item.price / item.stock > 1", catalogue) == ["b"]
    assert held("item.price / item.stock is null", catalogue) == ["a"]


def test_stored_value_of_another_type_than_declared_counts_as_null() -> None:
    catalogue = catalogue_of(a={"price": "5"}, b={"price": 5}, c={"price": True})
    assert held("item.price > 0", catalogue) == ["b"]
    assert held("item.price is null", catalogue) == ["a", "c"]


def test_dear_conditions_over_a_large_catalogue_agree_with_themselves_alone() -> None:
    catalogue = Catalogue()
    catalogue.apply(
        CatalogChange("item", f"i{n}", {"price": float(n % 100), "tags": [f"t{n % 7}", f"t{n % 11}"]})
        for n in range(20_000)
    )
    few = held("item.price < $most and item.tags has $tag", catalogue, most=2, tag="t3")
    assert few == [f"i{n}" for n in range(20_000) if n % 100 < 2 and 3 in (n % 7, n % 11)]


def test_parameters_that_are_missing_are_told_at_the_request() -> None:
    compiled = compile_filter("item.price < $max", SCHEMA)
    with pytest.raises(InvalidDocument, match=r"parameters.max: is needed by an expression, as a number"):
        compiled.mask(Catalogue(), None, RequestValues(NOW_MS))


def test_filter_is_compiled_once_for_a_schema() -> None:
    assert compile_filter("item.new", SCHEMA) is compile_filter("item.new", SCHEMA)
    assert compile_filter("item.new", SCHEMA) is not compile_filter("item.new", SCHEMA.model_copy())


def test_filter_over_no_items_is_empty() -> None:
    assert compile_filter("item.new", SCHEMA).mask(Catalogue(), None, RequestValues(NOW_MS)).shape == (0,)
