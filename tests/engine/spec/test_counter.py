"""What a schema may declare as a counter, and how its values are named."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from engine.errors import CorruptRecord, InvalidDocument
from engine.spec.counter import span_label
from engine.spec.definition import ModelDefinition
from engine.spec.event import Event
from engine.spec.example import Example
from engine.spec.schema import Schema

DOCUMENT: dict[str, Any] = {
    "users": {"country": {"type": "string"}, "born": {"type": "timestamp"}},
    "items": {"genre": {"type": "string"}, "price": {"type": "float"}, "tags": {"type": "string_list"}},
    "events": {
        "impression": {"role": "impression", "properties": {"device": {"type": "string"}}},
        "click": {"properties": {"device": {"type": "string"}, "place": {"type": "integer"}}},
    },
}


def parsed(**counters: Any) -> Schema:
    return Schema.parse({**DOCUMENT, "counters": counters}, "schema")


def test_a_schema_without_counters_has_none() -> None:
    assert (Schema.parse(DOCUMENT).counters, Schema.parse(DOCUMENT).counter_values) == ({}, [])


def test_values_are_named_by_counter_and_span() -> None:
    schema = parsed(
        clicks={"keys": ["item.id"], "event_types": ["click"]},
        tastes={
            "keys": ["user.country", "item.genre"],
            "event_types": ["click", "impression"],
            "windows_s": [],
            "half_lives_s": [5400, 172800],
        },
    )
    names = [value.name for value in schema.counter_values]
    assert names == ["clicks_10m", "clicks_1h", "clicks_24h", "tastes_decayed_90m", "tastes_decayed_48h"]
    assert Schema.parse(schema.as_json()) == schema


@pytest.mark.parametrize(("span_s", "label"), [(1, "1s"), (90, "90s"), (600, "10m"), (3600, "1h"), (604_800, "168h")])
def test_a_span_has_one_label(span_s: int, label: str) -> None:
    assert span_label(span_s) == label


@pytest.mark.parametrize(
    ("counter", "field", "rule"),
    [
        ({"keys": ["item.colour"]}, "counters", "c.keys.0: item.colour is not declared in the schema"),
        ({"keys": ["user.id", "item.price"]}, "counters", "c.keys.1: item.price cannot be counted by; it must be"),
        ({"keys": ["item.tags"]}, "counters", "it must be a string, an integer or a boolean"),
        ({"keys": ["user.born"]}, "counters", "it must be a string, an integer or a boolean"),
        (
            {"event_types": ["klick"]},
            "counters",
            "c.event_types.0: 'klick' is not a declared event type; declared: imp",
        ),
        (
            {"keys": ["event.place"], "event_types": ["click", "impression"]},
            "counters",
            "is not declared by the event type impression, which the counter counts",
        ),
        ({"keys": ["item.id", "item.id"]}, "counters.c", "keys names something twice"),
        ({"keys": ["user.id", "item.id", "item.genre"]}, "counters.c.keys", "at most 2"),
        ({"keys": []}, "counters.c.keys", "at least 1"),
        ({"keys": ["id"]}, "counters.c.keys.0", "pattern"),
        ({"windows_s": []}, "counters.c", "needs at least one of windows_s and half_lives_s"),
        ({"windows_s": [0]}, "counters.c.windows_s.0", "greater than or equal to 1"),
        ({"windows_s": [60, 60]}, "counters.c", "windows_s names something twice"),
        ({"half_lives_s": [10**9]}, "counters.c.half_lives_s.0", "less than or equal to"),
        ({"every": 5}, "counters.c.every", "not permitted"),
    ],
)
def test_a_counter_of_what_is_not_there_is_refused(counter: dict[str, Any], field: str, rule: str) -> None:
    with pytest.raises(InvalidDocument) as refused:
        parsed(c={"keys": ["item.id"], "event_types": ["click"], **counter})
    problem = refused.value.problems[0]
    assert problem.field == field
    assert rule in problem.rule


def test_two_counters_cannot_give_values_of_one_name() -> None:
    with pytest.raises(InvalidDocument, match="a and a_decayed both give a value named a_decayed_1m; rename one"):
        parsed(
            a={"keys": ["item.id"], "event_types": ["click"], "windows_s": [], "half_lives_s": [60]},
            a_decayed={"keys": ["item.id"], "event_types": ["click"], "windows_s": [60]},
        )


@pytest.mark.parametrize("served", [[], {"a": []}, {"a": {"c_1m": "many"}}, {"a": {"c_1m": None}}])
def test_an_impression_with_counters_that_are_no_numbers_is_refused(served: object) -> None:
    event: dict[str, Any] = {
        "event_id": "e", "type": "impression", "role": "impression", "user_id": "u", "item_id": "a", "timestamp_ms": 1,
        "received_ms": 1, "items": [], "features": {"counters": {"a": {"c_1m": 2.0}}},
    }  # fmt: skip
    Event.from_bytes(orjson.dumps(event))
    with pytest.raises(CorruptRecord):
        Event.from_bytes(orjson.dumps(event | {"features": {"counters": served}}))


def test_an_example_of_before_there_were_counters_is_read() -> None:
    data = {
        "example_id": "e1", "user_id": "u", "item_id": "a", "event_time_ms": 1, "origin": "action",
        "labels": {"click": 1.0}, "cause": {"partition": 0, "offset": 0, "received_ms": 2}, "history": [],
    }  # fmt: skip
    assert Example.from_bytes(orjson.dumps(data)).counters == {}
    with pytest.raises(CorruptRecord):
        Example.from_bytes(orjson.dumps(data | {"counters": {"c_1m": "1"}}))


def definition(kind: str, source: str) -> ModelDefinition:
    return ModelDefinition.parse(
        {
            "slots": [
                {"name": "user", "number": 1, "source": "user.id"},
                {"name": "item", "number": 2, "source": "item.id"},
            ],
            "dense": [{"name": "clicks", "source": source}],
            "architecture": {"kind": kind},
        }
    )


def test_a_ranking_model_reads_a_counter_that_the_schema_gives() -> None:
    schema = parsed(clicks={"keys": ["item.id"], "event_types": ["click"]})
    definition("deepfm", "counter.clicks_24h").check_against(schema)
    with pytest.raises(InvalidDocument, match=r"dense\.0\.source: .*counter\.clicks_2h"):
        definition("deepfm", "counter.clicks_2h").check_against(schema)


def test_a_retrieval_model_refuses_counters() -> None:
    with pytest.raises(InvalidDocument, match="counter"):
        definition("two_tower", "counter.clicks_24h")
