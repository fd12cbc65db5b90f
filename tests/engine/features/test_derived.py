from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from engine.features.columns import column_of
from engine.features.derived import derive
from engine.spec.feature import Feature

PARSED: TypeAdapter[Any] = TypeAdapter(Feature)
NOON = int(datetime(2026, 1, 31, 12, 0, tzinfo=UTC).timestamp() * 1000)  # a Saturday


def derived(document: dict[str, Any], num_rows: int = 1, **columns: list[object]) -> list[Any]:
    """`columns` by source with a double underscore for the dot."""
    feature = PARSED.validate_python({"name": "f", **document})
    given_columns = {name.replace("__", "."): column_of(values) for name, values in columns.items()}
    num_rows = len(next(iter(given_columns.values()))) if given_columns else num_rows
    result: list[Any] = derive(feature, given_columns, num_rows).to_pylist()
    return result


def test_bucket_is_the_number_of_boundaries_at_or_below_the_value() -> None:
    document = {"kind": "bucket", "source": "item.price", "boundaries": [0, 10, 100]}
    values: list[object] = [-1, 0, 9.99, 10, 1e9, None, "dear"]
    assert derived(document, item__price=values) == [0, 1, 1, 2, 3, None, None]
    assert derived(document, num_rows=2) == [None, None]


@pytest.mark.parametrize(
    "part, offset, expected",
    [("hour", 0, 12), ("hour", 780, 1), ("day_of_week", 0, 5), ("day_of_week", 780, 6), ("hour_of_week", 0, 132)],
)
def test_parts_of_a_saturday_noon(part: str, offset: int, expected: int) -> None:
    document = {"kind": "time", "part": part, "utc_offset_minutes": offset}
    assert derived(document, event__time=[NOON, None]) == [expected, None]


def test_times_may_be_text_or_milliseconds_and_nothing_else() -> None:
    document = {"kind": "time", "part": "hour", "source": "item.published"}
    assert derived(document, item__published=["2026-01-31T12:00:00Z", "2026-01-31T12:00:00+02:00"]) == [12, 10]
    assert derived(document, item__published=["2026-01-31T12:00:00Z", "yesterday", None]) == [12, None, None]
    assert derived(document, item__published=[NOON, "2026-01-31T13:00:00Z", {"k": 1}, ["a"]]) == [12, 13, None, None]


def test_times_before_1970_have_their_hour_too() -> None:
    document = {"kind": "time", "part": "hour_of_week", "source": "item.published"}
    before = int(datetime(1969, 12, 31, 23, 0, tzinfo=UTC).timestamp() * 1000)  # a Wednesday
    assert derived(document, item__published=[before]) == [2 * 24 + 23]


def test_age_is_the_log_of_the_seconds_up_to_the_event() -> None:
    document = {"kind": "time", "part": "age_log_s", "source": "item.published"}
    ages = derived(
        document, item__published=[NOON - 60_000, NOON, NOON + 1, None], event__time=[NOON, NOON, NOON, NOON]
    )
    assert ages[:3] == pytest.approx([math.log(61), 0.0, 0.0])
    assert math.isnan(ages[3])
    assert math.isnan(derived(document, item__published=[NOON])[0])


def test_ratio_leans_on_its_prior_until_there_are_counts() -> None:
    document = {"kind": "ratio", "numerator": "counter.clicks_1h", "denominator": "counter.views_1h"}
    prior = {"prior": 0.1, "prior_weight": 10}
    columns: dict[str, Any] = {"counter__clicks_1h": [0, 5, None], "counter__views_1h": [0, 40, 90.0]}
    assert derived(document | prior, **columns) == pytest.approx([0.1, 6 / 50, 1 / 100])
    assert derived(document, num_rows=1) == [0.0]


@given(st.integers(-(2**45), 2**45), st.integers(-720, 840))
def test_hour_and_weekday_equal_those_of_the_calendar(time_ms: int, offset_minutes: int) -> None:
    local = datetime.fromtimestamp((time_ms + offset_minutes * 60_000) // 1000, UTC)
    document = {"kind": "time", "part": "hour_of_week", "utc_offset_minutes": offset_minutes}
    assert derived(document, event__time=[time_ms]) == [local.weekday() * 24 + local.hour]
