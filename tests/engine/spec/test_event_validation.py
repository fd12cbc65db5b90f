"""The promises of event validation: what passes, how it is stored, and what a refusal says."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.spec.event import Event, ShownItem
from engine.spec.schema import EventRole, Schema
from engine.spec.validation import EventValidator, RejectedRow

NOW_MS = 1_790_000_000_000  # 2026-09-21T14:13:20Z
HOUR_MS = 3_600_000

SCHEMA = Schema.parse(
    {
        "events": {
            "impression": {"role": "impression"},
            "click": {"properties": {"price": {"type": "float"}, "device": {"type": "string", "required": False}}},
            "purchase": {"properties": {"amount": {"type": "float", "required": True}}},
            "login": {"role": "other"},
        }
    }
)
VALIDATOR = EventValidator(SCHEMA)
CLICK: dict[str, Any] = {"event_id": "e1", "type": "click", "user_id": "u", "item_id": "i", "timestamp": NOW_MS}


def accept(row: object) -> Event:
    result = VALIDATOR.validate([row], received_ms=NOW_MS)
    assert result.rejected == []
    assert result.indexes == [0]
    return result.events[0]


def reject(row: object) -> list[tuple[str, str, str]]:
    result = VALIDATOR.validate([row], received_ms=NOW_MS)
    assert result.events == []
    return [(problem.field, problem.rule, problem.received) for problem in result.rejected[0].problems]


def test_a_full_click_is_stored_field_by_field() -> None:
    row = CLICK | {"recommendation_id": "r", "properties": {"price": 3, "device": "phone"}}
    assert accept(row) == Event(
        "e1",
        "click",
        EventRole.ACTION,
        "u",
        "i",
        NOW_MS,
        NOW_MS,
        recommendation_id="r",
        properties={"price": 3.0, "device": "phone"},
    )


def test_an_impression_lists_items_by_name_or_with_position_and_score() -> None:
    row = {
        "type": "impression",
        "user_id": "u",
        "items": ["a", {"item_id": "b", "position": 7, "score": 1}, {"item_id": "c"}],
    }
    event = accept(row)
    assert event.item_id is None
    assert event.items == (ShownItem("a", 0, None), ShownItem("b", 7, 1.0), ShownItem("c", 2, None))


def test_an_impression_of_one_item_may_name_it_alone() -> None:
    event = accept({"type": "impression", "user_id": "u", "item_id": "a"})
    assert (event.item_id, event.items) == ("a", ())


def test_an_event_of_another_role_needs_no_item() -> None:
    assert accept({"type": "login", "user_id": "u"}).item_id is None


def test_an_absent_timestamp_is_the_time_of_receipt() -> None:
    assert accept({"type": "click", "user_id": "u", "item_id": "i"}).timestamp_ms == NOW_MS


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("2026-01-31T12:00:00Z", 1_769_860_800_000),
        ("2026-01-31T12:00:00.1239Z", 1_769_860_800_123),
        ("2026-01-31t14:00:00+02:00", 1_769_860_800_000),
        ("2026-01-31 11:30:00-00:30", 1_769_860_800_000),
    ],
)
def test_a_timestamp_may_be_rfc_3339_text(text: str, expected_ms: int) -> None:
    assert accept(CLICK | {"timestamp": text}).timestamp_ms == expected_ms


@pytest.mark.parametrize(
    "value", ["2026-01-31", "2026-01-31T12:00:00", "20260131T120000Z", "2026-02-30T12:00:00Z", "noon", 1.7e12, True, []]
)
def test_a_timestamp_of_another_form_is_refused(value: object) -> None:
    [(field, rule, received)] = reject(CLICK | {"timestamp": value})
    assert field == "timestamp"
    assert "RFC 3339" in rule or "is not a time that exists" in rule
    assert received == repr(value)


def test_a_timestamp_up_to_24_hours_ahead_passes_and_beyond_it_is_refused() -> None:
    assert accept(CLICK | {"timestamp": NOW_MS + 24 * HOUR_MS}).timestamp_ms == NOW_MS + 24 * HOUR_MS
    assert reject(CLICK | {"timestamp": NOW_MS + 24 * HOUR_MS + 1}) == [
        ("timestamp", "must not be more than 24 hours after the time of receipt", str(NOW_MS + 24 * HOUR_MS + 1))
    ]


def test_a_timestamp_in_seconds_is_refused_with_a_hint() -> None:
    assert reject(CLICK | {"timestamp": 1_790_000_000}) == [
        ("timestamp", "must not be before 2000-01-01T00:00:00Z (integers are milliseconds, not seconds)", "1790000000")
    ]
    assert accept(CLICK | {"timestamp": "2000-01-01T00:00:00Z"}).timestamp_ms == 946_684_800_000


@pytest.mark.parametrize("row", [None, 3, "click", ["click"]])
def test_a_row_that_is_no_object_is_refused(row: object) -> None:
    assert reject(row) == [("(row)", "must be an object", repr(row))]


def test_an_unknown_type_lists_the_declared_ones() -> None:
    [(field, rule, received)] = reject(CLICK | {"type": "clikc"})
    assert field == "type"
    assert rule == "must be one of the declared event types: impression, click, purchase, login"
    assert received == "'clikc'"


def test_an_absent_or_unhashable_type_is_refused() -> None:
    assert reject({"user_id": "u", "item_id": "i"})[0][2] == "nothing"
    assert reject(CLICK | {"type": ["click"]})[0][2] == "['click']"


def test_every_problem_of_a_row_is_reported() -> None:
    problems = reject({"type": "purchase", "user_id": "", "timestamp": "x", "properties": {"price": 1}, "colour": 2})
    assert [field for field, _, _ in problems] == [
        "colour",
        "user_id",
        "timestamp",
        "item_id",
        "properties.price",
        "properties.amount",
    ]


@pytest.mark.parametrize("name", ["user_id", "item_id"])
@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (7, "must be a string"),
        ("", "must have 1 to 256 characters"),
        ("x" * 257, "must have 1 to 256 characters"),
        ("a\nb", "must not contain control characters"),
        ("a\x85b", "must not contain control characters"),
        ("a\ud800", "must be valid Unicode text without NUL"),
        (None, "is required"),
    ],
)
def test_a_bad_id_is_refused(name: str, value: object, rule: str) -> None:
    assert [problem[:2] for problem in reject(CLICK | {name: value})] == [(name, rule)]


@pytest.mark.parametrize("value", ["x", "x" * 256, "Москва 東京", "a\u00a0b", "🙂"])
def test_an_id_may_be_any_text_of_up_to_256_characters(value: str) -> None:
    assert accept(CLICK | {"user_id": value}).user_id == value


def test_only_an_impression_may_list_items() -> None:
    row = {"type": "click", "user_id": "u", "items": ["a"]}
    assert reject(row) == [("items", "only an impression shows several items; use item_id", "['a']")]


@pytest.mark.parametrize(
    ("items", "field"),
    [
        ([], "items"),
        ("a", "items"),
        (["x"] * 1001, "items"),
        (["a", "a"], "items.1.item_id"),
        (["a", 3], "items.1.item_id"),
        ([{"position": 1}], "items.0.item_id"),
        ([{"item_id": "a", "position": -1}], "items.0.position"),
        ([{"item_id": "a", "position": True}], "items.0.position"),
        ([{"item_id": "a", "score": float("nan")}], "items.0.score"),
        ([{"item_id": "a", "rank": 1}], "items.0.rank"),
    ],
)
def test_a_bad_list_of_shown_items_is_refused(items: object, field: str) -> None:
    assert reject({"type": "impression", "user_id": "u", "items": items})[0][0] == field


def test_an_undeclared_property_names_itself_and_what_is_declared() -> None:
    assert reject(CLICK | {"properties": {"prise": 1}}) == [
        ("properties.prise", "is not declared in the schema; declared: price, device", "1")
    ]


def test_a_hostile_row_of_many_unknown_names_gets_a_bounded_answer() -> None:
    problems = reject(
        CLICK | {f"x{n}": "y" * 10_000 for n in range(5000)} | {"properties": {str(n): 1 for n in range(5000)}}
    )
    assert len(problems) == 40
    assert max(len(received) for _, _, received in problems) <= 80


def test_a_name_that_is_no_valid_text_is_refused_in_an_answer_that_is() -> None:
    fields = [field for field, _, _ in reject(CLICK | {"\ud800": 1, "properties": {"\udfff": 1}})]
    assert fields == ["\\ud800", "properties.\\udfff"]


def test_good_rows_pass_beside_broken_ones_with_their_numbers() -> None:
    rows = [CLICK, {"type": "nope"}, CLICK | {"event_id": "e2"}, 5]
    result = VALIDATOR.validate(rows, received_ms=NOW_MS)
    assert result.indexes == [0, 2]
    assert [event.event_id for event in result.events] == ["e1", "e2"]
    assert [rejected.index for rejected in result.rejected] == [1, 3]
    assert isinstance(result.rejected[0], RejectedRow)
    assert result.rejected[1].row == 5


def test_a_row_without_event_id_gets_the_same_one_each_time_it_is_sent() -> None:
    row = {key: value for key, value in CLICK.items() if key != "event_id"} | {
        "properties": {"price": 1, "device": "x"}
    }
    again = dict(reversed(row.items())) | {"properties": {"device": "x", "price": 1.0}}
    later = VALIDATOR.validate([again], received_ms=NOW_MS + 5000).events[0]
    assert accept(row).event_id == later.event_id
    assert len(later.event_id) == 36


@pytest.mark.parametrize(
    "change",
    [
        {"user_id": "v"},
        {"item_id": "j"},
        {"timestamp": NOW_MS - 1},
        {"recommendation_id": "r"},
        {"properties": {"price": 2}},
    ],
)
def test_rows_that_differ_get_different_derived_ids(change: dict[str, Any]) -> None:
    row = {key: value for key, value in CLICK.items() if key != "event_id"}
    assert accept(row).event_id != accept(row | change).event_id


def test_a_row_with_neither_id_nor_time_is_another_event_when_it_comes_again_later() -> None:
    row = {"type": "click", "user_id": "u", "item_id": "i"}
    first = VALIDATOR.validate([row], received_ms=NOW_MS).events[0]
    tomorrow = VALIDATOR.validate([row], received_ms=NOW_MS + 24 * HOUR_MS).events[0]
    assert first.event_id != tomorrow.event_id


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)
ROW_VALUES = JSON | st.sampled_from(["click", "impression", "purchase", "login", "u", NOW_MS, "2026-01-31T12:00:00Z"])
ROWS = st.dictionaries(st.sampled_from([*CLICK, "items", "recommendation_id", "properties", "x"]), ROW_VALUES)


@given(st.lists(ROWS | st.builds(lambda row: CLICK | row, ROWS) | JSON, max_size=4))
def test_any_json_is_judged_without_failing_and_what_passes_travels_unchanged(rows: list[Any]) -> None:
    result = VALIDATOR.validate(rows, received_ms=NOW_MS)
    assert sorted([*result.indexes, *(rejected.index for rejected in result.rejected)]) == list(range(len(rows)))
    for event in result.events:
        assert Event.from_bytes(event.to_bytes()) == event
    for rejected in result.rejected:
        assert rejected.problems
        orjson.dumps([problem.as_dict() for problem in rejected.problems])
