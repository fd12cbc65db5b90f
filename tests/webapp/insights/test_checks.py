"""Each check on evidence by hand: what it finds, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from engine.spec.definition import ModelDefinition
from engine.spec.event import Event
from engine.spec.schema import EventRole, Schema
from webapp.accounts.models import Project
from webapp.insights.checks import all_found, arriving, catalogue, following, properties, timing
from webapp.insights.evidence import DAY_MS, HOUR_MS, EntityRow, Evidence
from webapp.insights.found import Found
from webapp.insights.words import KINDS
from webapp.registry.schema_meaning import ModelInUse

NOW_MS = 1_769_860_800_000 + 600_000  # ten past the hour
HOUR = NOW_MS // HOUR_MS * HOUR_MS
SCHEMA = Schema.parse(
    {
        "items": {"colour": {"type": "string"}, "price": {"type": "float"}},
        "events": {
            "impression": {"role": "impression"},
            "click": {"role": "action", "properties": {"device": {"type": "string"}, "session": {"type": "string"}}},
            "purchase": {"role": "action"},
        },
    }
)
MODEL = ModelInUse(
    "towers",
    1,
    ModelDefinition.parse(
        {
            "slots": [
                {"name": "user", "number": 1, "source": "user.id", "dim": 8},
                {"name": "item", "number": 2, "source": "item.id", "dim": 8},
                {"name": "colour", "number": 3, "source": "item.colour", "dim": 8},
            ],
            "architecture": {"kind": "two_tower", "hidden": [8], "output_dim": 8},
        }
    ),
    is_training=True,
)


def evidence(**given: Any) -> Evidence:
    return Evidence(**{"project": Project(slug="shop"), "now_ms": NOW_MS, "schema": SCHEMA, **given})


def clicks(number: int, *, shift_ms: int = 0, event_type: str = "click", **given: Any) -> list[Event]:
    return [
        Event(
            f"{event_type}{one}", event_type, EventRole.ACTION, given.get("user_id", f"u{one}"), f"i{one % 50}",
            NOW_MS - one * 1000 + shift_ms, NOW_MS - one * 1000, given.get("recommendation_id"),
            properties=given.get("properties", {}),
        )
        for one in range(number)
    ]  # fmt: skip


def hourly(num: int, hours: range) -> dict[int, int]:
    """So many events in each of the hours ago."""
    return {HOUR - ago * HOUR_MS: num for ago in hours}


def kinds(found: Sequence[Found]) -> list[tuple[str, str]]:
    return [(one.kind, one.subject) for one in found]


def test_timestamps_hours_ahead_are_found_and_late_ones_of_a_loaded_file_are_not() -> None:
    ahead = list(
        timing.shifted_clocks(evidence(events=clicks(40, shift_ms=9 * HOUR_MS) + clicks(40, event_type="purchase")))
    )
    assert kinds(ahead) == [("shifted_clock", "click")]
    assert ahead[0].severity == "bad"
    assert KINDS["shifted_clock"].title(ahead[0].values) == "Timestamps of click are 9 h ahead."
    loaded = [
        Event(f"e{one}", "click", EventRole.ACTION, "u", "i", NOW_MS - one * HOUR_MS, NOW_MS) for one in range(40)
    ]
    assert not list(timing.shifted_clocks(evidence(events=loaded)))
    assert not list(timing.shifted_clocks(evidence(events=clicks(40, shift_ms=-60_000))))


def test_a_type_that_falls_is_found_beside_the_same_hours_of_days_before() -> None:
    hours = hourly(100, range(3, 24 * 4)) | hourly(5, range(1, 3))
    (found,) = arriving.dropped_types(evidence(hours={"click": hours}))
    assert (found.kind, found.subject, found.severity) == ("dropped_type", "click", "bad")
    assert found.values["num"] == 10
    assert found.values["usual"] == 200
    assert "on the 3 days before" in KINDS["dropped_type"].title(found.values)
    nightly = {hour: 200 if (hour // HOUR_MS) % 24 > 12 else 2 for hour in hourly(1, range(1, 24 * 5))}
    assert not list(arriving.dropped_types(evidence(hours={"click": nightly})))
    assert not list(arriving.dropped_types(evidence(hours={"click": hourly(100, range(3))})))


def test_rejected_rows_are_found_from_one_in_a_hundred_on() -> None:
    taken = {"click": {HOUR: 990}}
    assert kinds(list(arriving.rejected_rows(evidence(hours=taken, num_rejected_day=10)))) == [("rejected_rows", "")]
    assert not list(arriving.rejected_rows(evidence(hours=taken, num_rejected_day=9)))


def test_one_event_under_two_ids_and_one_user_with_everything_are_found() -> None:
    events = clicks(600)
    assert not list(arriving.repeated_events(evidence(events=events)))
    doubled = events + [
        Event(f"again{one.event_id}", one.type, one.role, one.user_id, one.item_id, one.timestamp_ms, one.received_ms)
        for one in events[:60]
    ]
    (found,) = arriving.repeated_events(evidence(events=doubled))
    assert found.values["num"] == 60
    (robot,) = arriving.heavy_users(evidence(events=events + clicks(60, user_id="robot")))
    assert robot.subject == "robot"
    assert not list(arriving.heavy_users(evidence(events=events)))


def test_types_that_never_come_and_types_that_nothing_learns_are_found() -> None:
    hours = {"click": {HOUR - DAY_MS: 600}, "impression": {HOUR: 10}}
    assert kinds(list(arriving.silent_types(evidence(hours=hours)))) == [("silent_type", "purchase")]
    hours["purchase"] = {HOUR: 200}
    assert kinds(list(following.unlearned_types(evidence(hours=hours, models=[MODEL])))) == [
        ("unlearned_type", "purchase")
    ]
    assert not list(following.unlearned_types(evidence(hours=hours)))


def test_impressions_that_nobody_acts_on_and_actions_that_name_no_recommendation_are_found() -> None:
    shown = {"impression": {HOUR: 5_000}}
    assert kinds(list(following.impressions_without_actions(evidence(hours=shown)))) == [("no_actions", "")]
    assert not list(following.impressions_without_actions(evidence(hours=shown | {"click": {HOUR: 50}})))
    impressions = clicks(300, event_type="impression", recommendation_id="r")
    found = list(following.actions_without_recommendation(evidence(events=impressions + clicks(200))))
    assert kinds(found) == [("unattributed_actions", "click")]
    named = clicks(200, recommendation_id="r")
    assert not list(following.actions_without_recommendation(evidence(events=impressions + named)))


def test_properties_that_say_nothing_are_found_with_the_models_that_read_them() -> None:
    events = clicks(150, properties={"device": "phone"})
    found = list(properties.event_properties(evidence(events=events)))
    assert kinds(found) == [("constant_property", "click.device"), ("null_property", "click.session")]
    unique = [EntityRow(f"i{one}", {"colour": f"c{one}", "price": one}, True) for one in range(400)]
    (one,) = properties.entity_properties(evidence(items=unique, models=[MODEL]))
    assert (one.kind, one.subject, one.values["models"]) == ("unique_property", "items.colour", ["towers"])
    assert not list(properties.entity_properties(evidence(items=unique)))


def test_items_without_events_or_properties_and_ids_that_look_alike_are_found() -> None:
    items = [EntityRow(f"i{one}", {"price": 1.0} if one % 2 else {}, one % 100 >= 38) for one in range(200)]
    found = evidence(items=items, events=clicks(1))
    (unseen,) = catalogue.items_without_events(found)
    assert KINDS["unseen_items"].title(unseen.values).startswith("38 % of items have no events, such as i0")
    assert not list(catalogue.items_without_events(evidence(items=items, events=clicks(1), is_counted=False)))
    (bare,) = catalogue.items_without_properties(found)
    assert bare.values["share"] == 0.5
    rows = [EntityRow("Tea", {}, True), EntityRow("tea ", {}, True), EntityRow("jam", {}, True)]
    (similar,) = catalogue.similar_ids(evidence(users=rows))
    assert similar.values["examples"] == ["Tea / tea "]


@pytest.mark.django_db
def test_items_that_the_catalogue_does_not_know_are_found_where_events_make_none(project: Project) -> None:
    strict = Schema.parse({**SCHEMA.as_json(), "create_items_from_events": False})
    (found,) = catalogue.unknown_items(evidence(project=project, schema=strict, events=clicks(60)))
    assert found.values["share"] == 1.0
    assert not list(catalogue.unknown_items(evidence(project=project, events=clicks(60))))


def test_nothing_is_found_in_nothing_and_everything_found_has_words() -> None:
    assert all_found(evidence()) == []
    names = {
        "rejected_rows", "dropped_type", "silent_type", "repeated_events", "heavy_user", "shifted_clock", "no_actions",
        "unattributed_actions", "unlearned_type", "null_property", "constant_property", "unique_property", "unseen_items",
        "bare_items", "unknown_items", "similar_ids",
    }  # fmt: skip
    assert set(KINDS) == names
