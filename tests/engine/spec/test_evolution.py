from __future__ import annotations

from typing import Any

import pytest

from engine.errors import InvalidDocument
from engine.spec.definition import ModelDefinition
from engine.spec.evolution import Fate, plan_evolution
from engine.spec.schema import PropertyType, Schema
from engine.spec.source_types import SourceType, source_types

SLOTS: list[dict[str, Any]] = [
    {"name": "user_id", "number": 1, "source": "user.id", "dim": 8},
    {"name": "item_id", "number": 2, "source": "item.id", "dim": 8},
    {"name": "history", "number": 3, "source": "user.history", "dim": 8, "shares": "item_id"},
    {"name": "year", "number": 4, "source": "item.year", "dim": 8},
]


def definition(slots: list[dict[str, Any]], **more: Any) -> ModelDefinition:
    return ModelDefinition.parse({"slots": slots, "architecture": {"kind": "dcn_v2"}, **more})


def with_slot(number: int, /, **changes: Any) -> list[dict[str, Any]]:
    return [slot | changes if slot["number"] == number else slot for slot in SLOTS]


OLD = definition(SLOTS)


def fates(new: ModelDefinition, old: ModelDefinition = OLD) -> dict[str, str]:
    return {slot.name: slot.fate for slot in plan_evolution(old, new).slots}


def test_the_same_definition_keeps_every_slot_that_has_rows() -> None:
    assert fates(OLD) == dict.fromkeys(("user_id", "item_id", "year"), "kept")


def test_a_slot_more_and_a_slot_less() -> None:
    new = definition([*SLOTS[:3], {"name": "topic", "number": 5, "source": "item.topic", "dim": 8}])
    assert fates(new) == {"user_id": "kept", "item_id": "kept", "topic": "added", "year": "removed"}


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "vintage"},
        {"pooling": "sum"},
        {"max_values": 3},
        {"expiry": {"ttl_s": 9}},
        {"admission": {"kind": "min_count"}},
    ],
)
def test_what_does_not_touch_the_meaning_of_a_row_keeps_it(changes: dict[str, Any]) -> None:
    assert set(fates(definition(with_slot(4, **changes))).values()) == {"kept"}


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"dim": 4}, "dim changed from 8 to 4"),
        ({"source": "item.decade"}, "source changed from item.year to item.decade"),
    ],
)
def test_another_dim_or_source_is_refused_with_the_reason(changes: dict[str, Any], reason: str) -> None:
    new = definition(with_slot(4, **changes))
    plan = plan_evolution(OLD, new)
    assert [(slot.name, slot.reason) for slot in plan.slots if slot.fate is Fate.CHANGED] == [("year", reason)]
    with pytest.raises(InvalidDocument, match=rf"slots\.3: {reason}; give it another number, or start it anew"):
        plan.refuse_changes(new)


def test_a_slot_with_another_number_is_another_slot() -> None:
    plan = plan_evolution(OLD, definition(with_slot(4, number=9)))
    assert [(slot.name, slot.number, slot.fate) for slot in plan.slots[2:]] == [
        ("year", 9, "added"),
        ("year", 4, "removed"),
    ]


def test_a_slot_that_comes_to_share_gives_up_its_own_rows() -> None:
    new = definition(with_slot(4, shares="item_id"))
    assert fates(new) == {"user_id": "kept", "item_id": "kept", "year": "removed"}


def test_a_property_of_another_type_has_other_ids() -> None:
    def types(kind: str) -> Any:
        schema = {"items": {"year": {"type": kind}}, "events": {"click": {}}}
        return source_types(Schema.parse(schema))

    plan = plan_evolution(OLD, OLD, types("integer"), types("string"))
    assert [slot.reason for slot in plan.slots if slot.fate is Fate.CHANGED] == [
        "the type of item.year changed from integer to string"
    ]
    assert all(slot.fate is Fate.KEPT for slot in plan_evolution(OLD, OLD, types("string"), types("string")).slots)


def test_a_property_of_another_type_changes_what_is_made_of_it_too() -> None:
    features = [{"kind": "cross", "name": "both", "sources": ["user.id", "item.year"]}]
    slots = [*SLOTS[:3], {"name": "both", "number": 5, "source": "feature.both", "dim": 8}]
    crossed = definition(slots, features=features)
    before, after = ({"item.year": SourceType(PropertyType(kind))} for kind in ("integer", "string"))
    changed = [slot.name for slot in plan_evolution(crossed, crossed, before, after).slots if slot.fate is Fate.CHANGED]
    assert changed == ["both"]


def featured(boundaries: list[float], name: str = "range", source: str = "item.price") -> ModelDefinition:
    features = [{"kind": "bucket", "name": name, "source": source, "boundaries": boundaries}]
    return definition([*SLOTS, {"name": "r", "number": 5, "source": f"feature.{name}", "dim": 8}], features=features)


def test_a_derived_source_is_what_it_is_made_of() -> None:
    old = featured([1, 2])
    assert fates(featured([1, 2], name="renamed"), old)["r"] == "kept"
    changed = plan_evolution(old, featured([1, 3]))
    assert [slot.reason for slot in changed.slots if slot.fate is Fate.CHANGED] == [
        "feature.range is made of something else"
    ]
    assert fates(featured([1, 2], source="item.weight"), old)["r"] == "changed"


def test_a_change_below_a_feature_of_features_is_seen() -> None:
    def crossed(part: str) -> ModelDefinition:
        features = [
            {"kind": "time", "name": "when", "part": part},
            {"kind": "cross", "name": "both", "sources": ["feature.when", "item.year"]},
        ]
        return definition([*SLOTS, {"name": "c", "number": 5, "source": "feature.both", "dim": 8}], features=features)

    assert fates(crossed("hour"), crossed("hour"))["c"] == "kept"
    assert fates(crossed("day_of_week"), crossed("hour"))["c"] == "changed"
