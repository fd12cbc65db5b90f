"""A mapping applied: what the API would have been sent."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidDocument
from engine.spec.schema import Schema
from webapp.catalog.importing.mapping import EventMapping, FileFormat, TimeUnit
from webapp.catalog.importing.ordering import ALL_TIME, TimeRange, in_time_order
from webapp.catalog.importing.reading import Batch, BrokenRow
from webapp.catalog.importing.rows import Row, RowMaker
from webapp.catalog.importing.times import parse_moment, to_ms

SCHEMA = Schema.parse(
    {
        "events": {
            "click": {
                "properties": {
                    "device": {"type": "string"},
                    "dwell": {"type": "integer"},
                    "price": {"type": "float"},
                    "first": {"type": "boolean"},
                    "tags": {"type": "string_list"},
                }
            },
            "impression": {"role": "impression"},
        }
    }
)


def mapping(**changes: Any) -> EventMapping:
    document = {
        "user_id": "user",
        "item_id": "item",
        "type": {"value": "click"},
        "timestamp": {"column": "at", "unit": "ms"},
    }
    return EventMapping.parse({**document, **changes})


def rows(chosen: EventMapping, cells: dict[str, list[Any]]) -> list[Row]:
    maker = RowMaker(chosen, FileFormat.CSV, SCHEMA)
    return list(maker.rows_of_cells(range(1, 1 + len(cells["user"])), cells))


def test_row_becomes_the_event_that_the_api_takes() -> None:
    chosen = mapping(event_id=["user", "at"], properties={"device": "dev", "dwell": "sec"})
    cells = {"user": ["u1"], "item": ["i1"], "at": ["1500"], "dev": ["phone"], "sec": ["12"]}
    assert rows(chosen, cells) == [
        Row(
            1,
            1500,
            {
                "type": "click",
                "user_id": "u1",
                "item_id": "i1",
                "timestamp": 1500,
                "event_id": "u1:1500",
                "properties": {"device": "phone", "dwell": 12},
            },
        )
    ]


def test_properties_become_what_the_schema_declares() -> None:
    names = {name: name for name in ("device", "dwell", "price", "first", "tags")}
    cells = {"user": ["u"], "item": ["i"], "at": ["1"]}
    texts = {"device": ["4"], "dwell": ["7"], "price": ["2.5"], "first": ["true"], "tags": ["a|b"]}
    (row,) = rows(mapping(properties=names), {**cells, **texts})
    assert row.event["properties"] == {"device": "4", "dwell": 7, "price": 2.5, "first": True, "tags": ["a", "b"]}


def test_what_cannot_be_converted_is_passed_on_for_validation_to_name() -> None:
    (row,) = rows(
        mapping(properties={"dwell": "sec"}), {"user": ["u"], "item": ["i"], "at": ["yesterday"], "sec": ["long"]}
    )
    assert row.timestamp_ms is None
    assert row.event["timestamp"] == "yesterday"
    assert row.event["properties"] == {"dwell": "long"}


def test_type_column_is_renamed_and_numbers_are_ids() -> None:
    chosen = mapping(type={"column": "kind", "values": {"view": "impression"}})
    found = rows(chosen, {"user": [5, 6], "item": [7, 8], "at": [1, 2], "kind": ["view", "click"]})
    assert [row.event["type"] for row in found] == ["impression", "click"]
    assert [(row.event["user_id"], row.event["item_id"]) for row in found] == [("5", "7"), ("6", "8")]


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"type": {}}, "type"),
        ({"type": {"value": "click", "column": "kind"}}, "type"),
        ({"timestamp": {"column": "at", "unit": "days"}}, "timestamp.unit"),
        ({"sorted": True}, "sorted"),
    ],
)
def test_mapping_that_breaks_a_rule_names_the_field(document: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        mapping(**document)
    assert [problem.field for problem in caught.value.problems] == [field]


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        ("1506826828020", TimeUnit.MS, 1506826828020),
        ("1506826828.5", TimeUnit.S, 1506826828500),
        (1506826828, TimeUnit.S, 1506826828000),
        ("2017-10-01T03:00:28.020Z", TimeUnit.ISO, 1506826828020),
        ("2017-10-01T00:00:28.020-03:00", TimeUnit.ISO, 1506826828020),
        ("2017-10-01T03:00:28", TimeUnit.ISO, None),
        ("-5", TimeUnit.MS, None),
        (None, TimeUnit.MS, None),
        ("nan", TimeUnit.S, None),
        ("inf", TimeUnit.S, None),
    ],
)
def test_time_in_each_unit(value: Any, unit: TimeUnit, expected: int | None) -> None:
    assert to_ms(value, unit) == expected


def test_moment_typed_by_a_person() -> None:
    assert parse_moment("2017-10-02") == parse_moment("2017-10-02T00:00:00Z") == parse_moment("1506902400000")
    with pytest.raises(ValueError):
        parse_moment("soon")


@given(
    times=st.lists(st.one_of(st.integers(0, 40), st.just("never")), max_size=60),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=20),
    bounds=st.tuples(st.none() | st.integers(0, 40), st.none() | st.integers(0, 40)),
)
def test_time_order_is_a_stable_sort_of_what_is_within(
    times: list[int | str], sizes: list[int], bounds: tuple[int | None, int | None]
) -> None:
    within = TimeRange(*bounds)
    batches, start = [], 0
    for size in [*sizes, len(times)]:
        part = times[start : start + size]
        if part:
            cells = {"user": ["u"] * len(part), "item": ["i"] * len(part), "at": [str(time) for time in part]}
            numbers = list(range(start + 1, start + 1 + len(part)))
            batches.append(Batch(numbers, pa.RecordBatch.from_pydict(cells)))
        start += len(part)
    maker = RowMaker(mapping(), FileFormat.CSV, SCHEMA)
    found = [
        (row.timestamp_ms, row.number) for row in in_time_order(iter(batches), maker, within) if isinstance(row, Row)
    ]
    numbered = list(enumerate(times, 1))
    timed = sorted((time, number) for number, time in numbered if isinstance(time, int) and within.holds(time))
    assert found == timed + [(None, number) for number, time in numbered if time == "never"]


def test_broken_rows_come_through_the_sort() -> None:
    broken = BrokenRow(2, "has 1 columns, and the header 3", "'x'")
    batch = Batch([1], pa.RecordBatch.from_pydict({"user": ["u"], "item": ["i"], "at": ["5"]}), [broken])
    maker = RowMaker(mapping(), FileFormat.CSV, SCHEMA)
    assert broken in list(in_time_order(iter([batch]), maker, ALL_TIME))
