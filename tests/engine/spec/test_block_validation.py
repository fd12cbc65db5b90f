"""The fast way into the log agrees with the one that judges row by row: the same bytes, the same verdicts."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.spec.block_validation import BLOCK_ROWS, BlockValidator
from engine.spec.schema import Schema
from engine.spec.validation import EventValidator

NOW_MS = 1_790_000_000_000
SCHEMA = Schema.parse(
    {
        "events": {
            "impression": {"role": "impression", "properties": {"page": {"type": "string", "max_length": 5}}},
            "click": {
                "properties": {
                    "device": {"type": "string"},
                    "price": {"type": "float"},
                    "count": {"type": "integer"},
                    "paid": {"type": "boolean"},
                    "seen_at": {"type": "timestamp"},
                    "tags": {"type": "string_list", "max_values": 2},
                    "place": {"type": "vector", "dim": 2},
                }
            },
            "purchase": {"properties": {"amount": {"type": "float", "required": True}}},
            "login": {"role": "other"},
        }
    }
)
ONE_BY_ONE, BLOCKS = EventValidator(SCHEMA), BlockValidator(SCHEMA)
CLICK: dict[str, Any] = {"event_id": "e", "type": "click", "user_id": "u", "item_id": "i", "timestamp": NOW_MS}

IDS = st.sampled_from(["u", "Москва", "a b", "a\u00a0b", "x" * 256, "x" * 257, "", "a\nb", "a\ud800", 7, None, True])
TIMES = st.sampled_from(
    [NOW_MS, NOW_MS - 1, NOW_MS + 24 * 3_600_000, NOW_MS + 24 * 3_600_000 + 1, 946_684_799_999, 946_684_800_000, 2**70,
     "2026-01-31T12:00:00Z", "2026-02-30T12:00:00Z", "noon", None, 1.5, True, -1]
)  # fmt: skip
VALUES: st.SearchStrategy[Any] = st.sampled_from(
    ["phone", "long text", "a\nb", "a\x00", "a\ud800", "x" * 257, 1, 2**63, -(2**63), 2.5, float("inf"), float("nan"),
     10**400, True, None, NOW_MS, "2026-01-31T12:00:00+02:00", ["a"], ["a", "b", "c"], ["a", 1], [1, 2.5], [1.0], (1, 2), {}]
)  # fmt: skip
NAMES = st.sampled_from(["device", "price", "count", "paid", "seen_at", "tags", "place", "page", "amount", "colour"])
SHOWN = st.lists(
    st.sampled_from(["a", "b", "c", 3, {"item_id": "d", "position": 4, "score": 1}, {"item_id": "e", "rank": 1}, {}]),
    max_size=3,
)
PARTS: dict[str, st.SearchStrategy[Any]] = {
    "event_id": IDS,
    "type": st.sampled_from(["click", "impression", "purchase", "login", "clikc", None, 3, ["click"]]),
    "user_id": IDS,
    "item_id": IDS,
    "items": SHOWN | st.sampled_from([None, "a", 5]),
    "timestamp": TIMES,
    "recommendation_id": IDS,
    "properties": st.dictionaries(NAMES, VALUES, max_size=3) | st.sampled_from([None, [], "", 0, {1: 2}]),
    "x": st.just(1),
}
GOOD = st.fixed_dictionaries(
    {"type": st.just("click"), "user_id": st.sampled_from(["u", "v"]), "item_id": st.sampled_from(["i", "j"])},
    optional={
        "event_id": st.sampled_from(["e1", "e2"]),
        "timestamp": st.sampled_from([NOW_MS, "2026-01-31T12:00:00Z", None]),
        "recommendation_id": st.sampled_from(["r", None]),
        "properties": st.fixed_dictionaries(
            {},
            optional={
                "device": st.sampled_from(["phone", "a\nb", None]),
                "price": st.sampled_from([1, 2.5]),
                "seen_at": st.sampled_from([NOW_MS, "2026-01-31T12:00:00Z"]),
                "tags": st.just(["a"]),
                "place": st.just([1, 2.5]),
            },
        ),
    },
)
ODD = st.fixed_dictionaries({}, optional=PARTS) | st.builds(
    lambda changed: CLICK | changed, st.fixed_dictionaries({}, optional=PARTS)
)
ROWS: st.SearchStrategy[list[Any]] = st.lists(GOOD | ODD | st.sampled_from([None, 3, "click", []]), max_size=30)


def assert_agree(rows: list[Any]) -> None:
    before = copy.deepcopy(rows)
    judged = ONE_BY_ONE.validate(rows, received_ms=NOW_MS)
    encoded = BLOCKS.encode(rows, received_ms=NOW_MS)
    assert repr(rows) == repr(before)  # repr, for a NaN is not equal to itself
    assert encoded.values == [event.to_bytes() for event in judged.events]
    assert encoded.indexes == judged.indexes
    assert encoded.event_ids == [event.event_id for event in judged.events]
    assert encoded.user_ids == [event.user_id for event in judged.events]
    assert encoded.timestamps_ms == [event.timestamp_ms for event in judged.events]
    assert encoded.item_ids == [event.item_id for event in judged.events]
    assert encoded.listed == {n: event.item_ids for n, event in enumerate(judged.events) if event.items}
    assert encoded.rejected == judged.rejected


@given(ROWS)
def test_blocks_and_rows_give_the_same_bytes_and_the_same_verdicts(rows: list[Any]) -> None:
    assert_agree(rows)


@given(st.lists(GOOD, min_size=1, max_size=20))
def test_good_rows_are_all_encoded(rows: list[Any]) -> None:
    assert_agree(rows)
    assert BLOCKS.encode(rows, received_ms=NOW_MS).rejected == []


@pytest.mark.parametrize("num_rows", [1, 9, BLOCK_ROWS, BLOCK_ROWS + 1, 3 * BLOCK_ROWS + 7])
def test_a_row_is_found_wrong_wherever_it_stands_in_a_batch(num_rows: int) -> None:
    for place in {0, num_rows // 2, num_rows - 1}:
        rows: list[Any] = [CLICK | {"event_id": f"e{number}"} for number in range(num_rows)]
        rows[place] = CLICK | {"user_id": 7}
        encoded = BLOCKS.encode(rows, received_ms=NOW_MS)
        assert [row.index for row in encoded.rejected] == [place]
        assert encoded.indexes == [number for number in range(num_rows) if number != place]
        assert_agree(rows)


def test_no_rows_are_no_events() -> None:
    assert_agree([])
