"""The check of what serving logs against what the log says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.joining import agreement
from engine.joining.agreement import FeatureAgreement
from engine.joining.joiner import Joiner
from engine.joining.state import JoinerSettings
from engine.joining.state_files import load_state, save_state
from engine.spec.event import CatalogChange, Event
from engine.spec.schema import Schema

MakeEvent = Callable[..., Event]
SETTINGS = JoinerSettings.from_schema(
    Schema.parse(
        {
            "events": {"impression": {"role": "impression"}, "click": {}},
            "counters": {
                "clicks": {"keys": ["item.id"], "event_types": ["click"], "windows_s": [600], "half_lives_s": [60]}
            },
        }
    )
)


@pytest.fixture
def joiner(monkeypatch: pytest.MonkeyPatch) -> Joiner:
    """One that compares every impression, and knows a user, two items and a click at 1000."""
    monkeypatch.setattr(agreement, "SAMPLED_SHARE", 1.0)
    joiner = Joiner(SETTINGS)
    joiner.apply_catalog(CatalogChange("user", "u", {"country": "de"}))
    joiner.apply_catalog(CatalogChange("item", "a", {"price": 2.0}))
    joiner.apply_catalog(CatalogChange("item", "b", {"price": 3.0, "kind": "book"}))
    return joiner


def shown(make_event: MakeEvent, **features: Any) -> list[Event]:
    return [
        make_event("c1", "click", 1000, "a"),
        make_event("i1", "impression", 62_000, shown=("a", "b"), features=features),
    ]


def compared(joiner: Joiner, *events: Event) -> dict[str, tuple[float, float]]:
    joiner.process_batch((0, offset, event) for offset, event in enumerate(events))
    counts = joiner.state.agreement.to_json()
    return {source: (each["num_compared"], each["num_differing"]) for source, each in counts.items()}


def test_what_agrees_and_what_differs_is_counted_by_source(joiner: Joiner, make_event: MakeEvent) -> None:
    events = shown(
        make_event,
        user={"country": "fr"},
        history=["a"],
        items={"a": {"price": 2.0}, "b": {"price": 3.5}},
        counters={
            "a": {"clicks_10m": 1.0, "clicks_decayed_1m": 0.5003},
            "b": {"clicks_10m": 1.0, "clicks_decayed_1m": 0.0},
        },
        time_ms=61_000,
    )
    assert compared(joiner, *events) == {
        "counter.clicks_10m": (2.0, 1.0),
        "counter.clicks_decayed_1m": (2.0, 0.0),
        "item.kind": (1.0, 1.0),
        "item.price": (2.0, 1.0),
        "user.country": (1.0, 1.0),
        "user.history": (1.0, 0.0),
    }


def test_an_impression_without_features_is_not_compared(joiner: Joiner, make_event: MakeEvent) -> None:
    assert compared(joiner, make_event("i1", "impression", 1000, shown=("a",))) == {}
    assert compared(joiner, make_event("i2", "impression", 1000, shown=("a",), features={"user": None})) == {}


def test_a_sample_is_chosen_by_event_ids() -> None:
    chosen = [FeatureAgreement.is_sampled(f"e{number}") for number in range(16_000)]
    assert 900 < sum(chosen) < 1100
    assert chosen == [FeatureAgreement.is_sampled(f"e{number}") for number in range(16_000)]


def test_older_comparisons_count_for_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "_FORGET_AT", 10)
    check = FeatureAgreement()
    for _ in range(10):
        check.compare("user", {"country": "de"}, {"country": "fr"})
    for _ in range(100):
        check.compare("user", {"country": "de"}, {"country": "de"})
    counts = check.to_json()["user.country"]
    assert counts["num_compared"] <= 10
    assert counts["num_differing"] < 0.01


def test_counts_survive_a_restart(joiner: Joiner, make_event: MakeEvent, tmp_path: Path) -> None:
    before = compared(joiner, *shown(make_event, user={"country": "fr"}, history=[]))
    restored = Joiner(SETTINGS, load_state(tmp_path, save_state(joiner.state, tmp_path), SETTINGS))
    assert compared(restored) == before != {}


def test_the_check_changes_no_example(joiner: Joiner, make_event: MakeEvent) -> None:
    events = [
        *shown(make_event, counters={"a": {"clicks_10m": 9.0}, "b": {"clicks_10m": 0.0}}),
        make_event("c2", "click", 63_000, "a"),
    ]
    examples = joiner.process_batch((0, offset, event) for offset, event in enumerate(events))
    assert [example.counters.get("clicks_10m") for example in examples] == [0.0, 9.0]
