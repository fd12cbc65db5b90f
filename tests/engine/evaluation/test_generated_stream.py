from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from engine.evaluation.generated_stream import LIST_LENGTH, GeneratedWorld
from engine.spec.definition import DeepFM, ModelDefinition, TwoTower
from engine.spec.demo import demo_ranker, demo_retriever, demo_schema
from engine.spec.schema import Schema
from engine.spec.validation import EventValidator, PropertyValidator

END_MS = 1_700_000_000_000


def test_same_seed_same_world_and_another_seed_another() -> None:
    first, second, other = (GeneratedWorld(seed, 20, 50) for seed in (1, 1, 2))
    assert first.items() == second.items() != other.items()
    assert list(first.history(300, END_MS)) == list(second.history(300, END_MS)) != list(other.history(300, END_MS))


def test_events_users_and_items_pass_the_demo_schema() -> None:
    world, schema = GeneratedWorld(1, 20, 50), Schema.parse(demo_schema())
    events = list(world.history(500, END_MS))
    result = EventValidator(schema).validate(events, received_ms=END_MS + 1)
    assert (len(result.events), result.rejected) == (500, [])
    for item in world.items():
        assert PropertyValidator(schema.items).validate(item["properties"]) == item["properties"]
    for user in world.users():
        assert PropertyValidator(schema.users).validate(user["properties"]) == user["properties"]


def test_history_is_in_time_order_up_to_the_end_with_ids_of_its_own() -> None:
    events = list(GeneratedWorld(1, 20, 50).history(1000, END_MS, events_per_s=10.0))
    times = [event["timestamp"] for event in events]
    assert len(events) == 1000 and times[-1] <= END_MS
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert END_MS - times[0] == pytest.approx(100_000, rel=0.01)
    assert len({event["event_id"] for event in events}) == 1000


def test_click_after_an_impression_names_its_list_and_one_of_its_items() -> None:
    events = list(GeneratedWorld(1, 20, 50).history(2000, END_MS))
    lists = {event["recommendation_id"]: event["items"] for event in events if event["type"] == "impression"}
    clicks = [event for event in events if event["type"] == "click" and "recommendation_id" in event]
    assert len(lists) > 200 and len(clicks) > 20
    assert all(len(set(items)) == LIST_LENGTH for items in lists.values())
    assert all(click["item_id"] in lists[click["recommendation_id"]] for click in clicks)


def test_popularity_halves_each_half_life_and_comes_back_each_period() -> None:
    world = GeneratedWorld(1, 5, 50, half_life_s=60.0)
    now = world.popularity(1000.0)
    assert np.allclose(world.popularity(1000.0 + world.period_s), now)
    fading = now > 0.1
    later = world.popularity(1060.0)
    halved = np.isclose(later[fading], now[fading] / 2, rtol=0.05)
    assert halved.mean() > 0.5  # the rest rose anew


def test_choice_follows_the_stated_click_probability() -> None:
    world, rng = GeneratedWorld(1, 20, 50), np.random.default_rng(0)
    user = "user-3"
    item = max(
        (f"item-{n}" for n in range(50)),
        key=lambda name: abs(0.5 - abs(0.5 - world.click_probability(user, name, 50.0))),
    )
    chance = world.click_probability(user, item, 50.0)
    clicked = np.mean([world.choose(user, [item], 50.0, rng) == item for _ in range(4000)])
    assert clicked == pytest.approx(chance, abs=5 * 0.5 / 4000**0.5)


def test_stranger_is_refused() -> None:
    with pytest.raises(ValueError, match="received 'user-9'"):
        GeneratedWorld(1, 5, 50).click_probability("user-9", "item-1", 0.0)


def test_demo_definitions_fit_the_demo_schema() -> None:
    schema = Schema.parse(demo_schema())
    retriever, ranker = (ModelDefinition.parse(document) for document in (demo_retriever(), demo_ranker()))
    for definition in (retriever, ranker):
        definition.check_against(schema)
    assert isinstance(retriever.architecture, TwoTower) and isinstance(ranker.architecture, DeepFM)
