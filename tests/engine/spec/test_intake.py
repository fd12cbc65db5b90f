"""What a record of `events` is: the API's verdict on the same document, and the same event at every reading."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.features.counters import ALLOWED_SKEW_S
from engine.spec.block_validation import BlockValidator
from engine.spec.event import Event
from engine.spec.intake import MAX_AHEAD_MS, Intake, RefusedEvent, received_ms_of
from engine.spec.schema import Schema
from engine.spec.validation import EventValidator

NOW_MS = 1_790_000_000_000
SCHEMA = Schema.parse(
    {
        "events": {
            "impression": {"role": "impression"},
            "click": {"properties": {"price": {"type": "float"}, "device": {"type": "string"}}},
            "purchase": {"properties": {"amount": {"type": "float", "required": True}}},
            "login": {"role": "other"},
        }
    }
)
VALIDATOR, BLOCKS = EventValidator(SCHEMA), BlockValidator(SCHEMA)
INTAKE = Intake(VALIDATOR, lambda: NOW_MS / 1000)
CLICK: dict[str, Any] = {"event_id": "e1", "type": "click", "user_id": "u", "item_id": "i", "timestamp": NOW_MS}

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)
VALUES = JSON | st.sampled_from(["click", "impression", "purchase", "login", "u", NOW_MS, "2026-01-31T12:00:00Z"])
NAMES = st.sampled_from([*CLICK, "items", "recommendation_id", "properties", "received_ms", "x"])
ROWS = st.dictionaries(NAMES, VALUES)
DOCUMENTS = ROWS | st.builds(lambda row: CLICK | row, ROWS) | JSON


def refusal(value: bytes, timestamp_ms: int = NOW_MS) -> RefusedEvent:
    with pytest.raises(RefusedEvent) as caught:
        INTAKE.read(value, timestamp_ms)
    return caught.value


@given(DOCUMENTS, st.integers(NOW_MS - 10**9, NOW_MS + MAX_AHEAD_MS))
def test_a_document_is_judged_as_the_api_judges_it(document: Any, timestamp_ms: int) -> None:
    verdict = BLOCKS.encode([document], received_ms=timestamp_ms)
    value = orjson.dumps(document)
    if verdict.rejected:
        assert refusal(value, timestamp_ms).problems == list(verdict.rejected[0].problems)
    else:
        arrivals: list[Event] = []
        event = INTAKE.read(value, timestamp_ms, arrivals)
        assert event == Event.from_bytes(verdict.values[0])
        assert arrivals == [event]


@given(st.binary(max_size=40))
def test_no_bytes_make_it_fail_otherwise_than_by_refusing(value: bytes) -> None:
    try:
        INTAKE.read(value, NOW_MS)
    except RefusedEvent as refused:
        assert refused.problems


def test_what_the_api_appended_passes_unjudged_by_the_schema_of_today() -> None:
    event = Event("e", "retired", VALIDATOR.validate([CLICK], received_ms=NOW_MS).events[0].role, "u", "i", 5, 6)
    arrivals: list[Event] = []
    assert INTAKE.read(event.to_bytes(), NOW_MS, arrivals) == event
    assert arrivals == []


def test_an_event_without_time_and_id_gets_the_same_at_every_reading() -> None:
    value = orjson.dumps({"type": "click", "user_id": "u", "item_id": "i"})
    tomorrow = Intake(VALIDATOR, lambda: NOW_MS / 1000 + 86_400)
    first, again = INTAKE.read(value, NOW_MS - 7), tomorrow.read(value, NOW_MS - 7)
    assert first == again
    assert (first.timestamp_ms, first.received_ms) == (NOW_MS - 7, NOW_MS - 7)


def test_a_record_without_time_has_that_of_its_document() -> None:
    assert INTAKE.read(orjson.dumps(CLICK | {"timestamp": NOW_MS - 9}), 0).received_ms == NOW_MS - 9
    refused = refusal(orjson.dumps({"type": "click", "user_id": "u", "item_id": "i"}), -1)
    assert (refused.reason, refused.field) == ("missing_field", "timestamp")


@pytest.mark.parametrize(
    ("value", "reason", "field"),
    [
        (b"\xff{", "not_json", "(record)"),
        (b'{"price": NaN}', "not_json", "(record)"),
        (b"[1]", "not_an_event", "(row)"),
        (orjson.dumps({"role": "action", "received_ms": 1, "type": "click"}), "not_an_event", "(record)"),
        (orjson.dumps(CLICK | {"type": "nope"}), "unknown_type", "type"),
        (b'{"user_id": "u"}', "missing_field", "type"),
        (orjson.dumps({"type": "click", "item_id": "i"}), "missing_field", "user_id"),
        (orjson.dumps(CLICK | {"type": "purchase"}), "missing_field", "properties.amount"),
        (orjson.dumps(CLICK | {"usr": 1}), "undeclared_field", "usr"),
        (orjson.dumps(CLICK | {"properties": {"prise": 1}}), "undeclared_field", "properties.prise"),
        (orjson.dumps(CLICK | {"properties": {"price": "much"}}), "invalid_value", "properties.price"),
        (
            orjson.dumps({"type": "impression", "user_id": "u", "items": ["a", 3]}),
            "invalid_value",
            "items.*.item_id",
        ),
    ],
)
def test_a_refusal_has_a_reason_to_group_by(value: bytes, reason: str, field: str) -> None:
    refused = refusal(value)
    assert (refused.reason, refused.field) == (reason, field)


def test_a_producer_whose_clock_runs_ahead_is_refused_lest_it_end_the_windows_of_others() -> None:
    assert MAX_AHEAD_MS == ALLOWED_SKEW_S * 1000
    without_time = orjson.dumps({"type": "click", "user_id": "u", "item_id": "i"})
    INTAKE.read(without_time, NOW_MS + MAX_AHEAD_MS)
    refused = refusal(without_time, NOW_MS + MAX_AHEAD_MS + 1)
    assert (refused.reason, refused.field) == ("clock_ahead", "(record).timestamp")
    assert refusal(orjson.dumps(CLICK | {"timestamp": NOW_MS + MAX_AHEAD_MS + 1}), 0).reason == "clock_ahead"


def test_the_receipt_of_any_record_is_known_to_retention() -> None:
    event = INTAKE.read(orjson.dumps(CLICK), NOW_MS - 3)
    assert received_ms_of(event.to_bytes(), 5) == NOW_MS - 3
    assert received_ms_of(b"rubbish", NOW_MS) == NOW_MS
