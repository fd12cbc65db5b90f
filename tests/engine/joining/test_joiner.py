"""What becomes of impressions and actions, one promise a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from engine.joining.joiner import Joiner
from engine.joining.outcomes import is_sampled
from engine.joining.state import JoinerSettings
from engine.spec.event import CatalogChange, Event
from engine.spec.example import Cause, Example, Origin

MakeEvent = Callable[..., Event]
WINDOW_MS = 10_000


@pytest.fixture
def joiner(settings: JoinerSettings) -> Joiner:
    return Joiner(settings)


def feed(joiner: Joiner, *events: Event, start: int = 0) -> list[Example]:
    return [example for offset, event in enumerate(events, start) for example in joiner.process(0, offset, event)]


def summary(examples: list[Example]) -> list[tuple[str, dict[str, float]]]:
    return [(example.example_id, example.labels) for example in examples]


def test_an_action_on_a_waiting_impression_is_a_positive_at_once(joiner: Joiner, make_event: MakeEvent) -> None:
    features = {"user": {"age": 3}, "history": ["x", "y"], "items": {"a": {"price": 1.0}}}
    shown = make_event(
        "i1",
        "impression",
        1000,
        shown=("a", "b"),
        recommendation_id="r1",
        features=features,
        properties={"device": "tv"},
        received_ms=1500,
    )
    click = make_event(
        "c1", "click", 3000, "a", recommendation_id="r1", received_ms=3200, properties={"device": "phone"}
    )
    assert feed(joiner, shown, click, start=40) == [
        Example(
            example_id="i1:a:click",
            user_id="u",
            item_id="a",
            event_time_ms=3000,
            origin=Origin.IMPRESSION,
            labels={"click": 1.0},
            cause=Cause(0, 41, 3200),
            user={"age": 3},
            item={"price": 1.0},
            event={"device": "tv"},
            history=("x", "y"),
            recommendation_id="r1",
            request_time_ms=1000,
        )
    ]


def test_an_impression_without_action_is_a_negative_of_every_type_when_its_window_ends(
    joiner: Joiner, make_event: MakeEvent
) -> None:
    shown = make_event("i1", "impression", 1000, shown=("a", "b"))
    just_in_time = make_event("l1", "login", 1000 + WINDOW_MS)
    too_late = make_event("l2", "login", 1001 + WINDOW_MS)
    assert feed(joiner, shown, just_in_time) == []
    examples = feed(joiner, too_late, start=2)
    assert summary(examples) == [
        ("i1:a:none", {"click": 0.0, "purchase": 0.0}),
        ("i1:b:none", {"click": 0.0, "purchase": 0.0}),
    ]
    assert [(one.cause, one.event_time_ms, one.origin) for one in examples] == [
        (Cause(0, 0, 1000), 1000, Origin.IMPRESSION)
    ] * 2


def test_an_impression_acted_on_is_a_negative_only_of_the_actions_that_did_not_come(
    joiner: Joiner, make_event: MakeEvent
) -> None:
    feed(
        joiner,
        make_event("i1", "impression", 0, shown=("a", "b", "c")),
        make_event("c1", "click", 5, "a"),
        make_event("c2", "click", 6, "c"),
        make_event("p2", "purchase", 7, "c"),
    )
    assert summary(feed(joiner, make_event("l", "login", 99_999))) == [
        ("i1:a:rest", {"purchase": 0.0}),
        ("i1:b:none", {"click": 0.0, "purchase": 0.0}),
    ]


def test_positives_of_impressions_carry_the_rate_of_their_negatives(
    settings: JoinerSettings, make_event: MakeEvent
) -> None:
    """Or the correction by it would not give the odds back (`engine.training.losses.corrected_cross_entropy`)."""
    shown, click = make_event("i1", "impression", 0, "a"), make_event("c1", "click", 5, "a")
    for rate, carried in ((0.25, 0.25), (1.0, 1.0), (0.0, 1.0)):
        joiner = Joiner(replace(settings, negative_sampling_rate=rate))
        assert [one.sampling_rate for one in feed(joiner, shown, click)] == [carried]
    assert feed(Joiner(settings), make_event("c2", "click", 5, "a"))[0].sampling_rate == 1.0


def test_a_second_different_action_gives_its_own_example_and_a_repeat_none(
    joiner: Joiner, make_event: MakeEvent
) -> None:
    examples = feed(
        joiner,
        make_event("i1", "impression", 0, "a"),
        make_event("c1", "click", 1, "a"),
        make_event("c2", "click", 2, "a"),
        make_event("p1", "purchase", 3, "a"),
    )
    assert summary(examples) == [("i1:a:click", {"click": 1.0}), ("i1:a:purchase", {"purchase": 1.0})]
    assert joiner.state.counters.num_duplicates == 1


def test_an_action_after_the_window_is_an_orphan(joiner: Joiner, make_event: MakeEvent) -> None:
    shown = make_event("i1", "impression", 0, "a")
    assert summary(feed(joiner, shown, make_event("c1", "click", WINDOW_MS + 1, "a"))) == [
        ("c1", {"click": 1.0}),
        ("i1:a:none", {"click": 0.0, "purchase": 0.0}),
    ]
    assert joiner.state.counters.num_orphans == 1


def test_an_action_at_the_last_moment_of_the_window_still_joins(joiner: Joiner, make_event: MakeEvent) -> None:
    shown = make_event("i1", "impression", 0, "a")
    assert summary(feed(joiner, shown, make_event("c1", "click", WINDOW_MS, "a"))) == [("i1:a:click", {"click": 1.0})]


def test_an_action_before_its_impression_is_an_orphan(joiner: Joiner, make_event: MakeEvent) -> None:
    examples = feed(joiner, make_event("c1", "click", 0, "a"), make_event("i1", "impression", 1, "a"))
    assert summary(examples) == [("c1", {"click": 1.0})]


def test_an_action_without_recommendation_joins_the_users_newest_impression(
    joiner: Joiner, make_event: MakeEvent
) -> None:
    examples = feed(
        joiner,
        make_event("i1", "impression", 0, "a", recommendation_id="r1"),
        make_event("i2", "impression", 5, "a", recommendation_id="r2"),
        make_event("i3", "impression", 6, "a", user_id="somebody else"),
        make_event("c1", "click", 7, "a"),
    )
    assert summary(examples) == [("i2:a:click", {"click": 1.0})]


def test_an_action_of_another_recommendation_is_an_orphan_once_that_had_time_to_come(
    joiner: Joiner, make_event: MakeEvent
) -> None:
    examples = feed(
        joiner,
        make_event("i1", "impression", 0, "a", recommendation_id="r1"),
        make_event("c1", "click", 7, "a", recommendation_id="r9"),
        make_event("l1", "login", 7 + 5_000),
    )
    assert examples == []
    examples = feed(joiner, make_event("l2", "login", 8 + 5_000), start=3)
    assert summary(examples) == [("c1", {"click": 1.0})]


def test_an_orphan_takes_features_from_the_catalogue_and_the_history(joiner: Joiner, make_event: MakeEvent) -> None:
    joiner.apply_catalog(CatalogChange("user", "u", {"age": 3}))
    joiner.apply_catalog(CatalogChange("item", "b", {"price": 2.0}))
    examples = feed(
        joiner, make_event("c1", "click", 1, "a"), make_event("c2", "click", 2, "b", properties={"device": "tv"})
    )
    assert [(one.user, one.item, one.event, one.history, one.origin) for one in examples] == [
        ({"age": 3}, {}, {}, (), Origin.ACTION),
        ({"age": 3}, {"price": 2.0}, {"device": "tv"}, ("a",), Origin.ACTION),
    ]


def test_an_impression_without_logged_features_keeps_the_catalogue_of_its_moment(
    joiner: Joiner, make_event: MakeEvent
) -> None:
    joiner.apply_catalog(CatalogChange("item", "a", {"price": 1.0}))
    feed(joiner, make_event("c0", "click", 0, "z"), make_event("i1", "impression", 1, "a"))
    joiner.apply_catalog(CatalogChange("item", "a", {"price": 9.0}))
    feed(joiner, make_event("c1", "click", 2, "y"))
    [example] = feed(joiner, make_event("c2", "click", 3, "a"))
    assert (example.item, example.history) == ({"price": 1.0}, ("z",))


def test_a_deleted_item_has_no_properties_any_more(joiner: Joiner, make_event: MakeEvent) -> None:
    joiner.apply_catalog(CatalogChange("item", "a", {"price": 1.0}))
    joiner.apply_catalog(CatalogChange("item", "a", deleted=True))
    joiner.apply_catalog(CatalogChange("item", "never there", deleted=True))
    assert feed(joiner, make_event("c1", "click", 1, "a"))[0].item == {}


def test_a_repeated_event_id_is_dropped(joiner: Joiner, make_event: MakeEvent) -> None:
    click = make_event("c1", "click", 1, "a")
    assert len(feed(joiner, click, click, replace(click, item_id="b"))) == 1
    assert joiner.state.counters.num_duplicates == 2
    assert joiner.state.histories.recent("u") == ("a",)


def test_only_so_many_event_ids_are_remembered(settings: JoinerSettings, make_event: MakeEvent) -> None:
    joiner = Joiner(replace(settings, max_recent_event_ids=2))
    one, two, three = (make_event(f"c{n}", "click", n, "a") for n in range(3))
    assert len(feed(joiner, one, two, one, three, one)) == 4


def test_one_item_of_a_recommendation_waits_once_however_often_it_is_reported(
    joiner: Joiner, make_event: MakeEvent
) -> None:
    feed(
        joiner,
        make_event("i1", "impression", 0, shown=("a", "b"), recommendation_id="r1"),
        make_event("i2", "impression", 1, "a", recommendation_id="r1"),
    )
    assert len(joiner.state.pending) == 2
    assert joiner.state.counters.num_duplicates == 1


def test_a_client_whose_clock_runs_ahead_ends_nobodys_window(joiner: Joiner, make_event: MakeEvent) -> None:
    tomorrow = 24 * 3_600_000
    shown = make_event("i1", "impression", 1000, "a")
    ahead = make_event("c9", "click", tomorrow, "z", user_id="v", received_ms=2000)
    click = make_event("c1", "click", 3000, "a")
    examples = feed(joiner, shown, ahead, click)
    assert [(one.example_id, one.event_time_ms) for one in examples] == [("c9", 2000), ("i1:a:click", 3000)]


def test_a_full_state_lets_the_oldest_go_early_and_counts_it(settings: JoinerSettings, make_event: MakeEvent) -> None:
    joiner = Joiner(replace(settings, max_pending=2))
    examples = feed(joiner, make_event("i1", "impression", 5, "a"), make_event("i2", "impression", 0, shown=("b", "c")))
    assert [one.example_id for one in examples] == ["i2:b:none", "i2:c:none"]
    assert joiner.state.counters.num_expired_early == 2
    assert len(joiner.state.pending) == 1


def test_sampled_negatives_carry_the_rate_and_are_the_same_in_every_run(
    settings: JoinerSettings, make_event: MakeEvent
) -> None:
    def run() -> tuple[list[Example], Joiner]:
        joiner = Joiner(replace(settings, negative_sampling_rate=0.25))
        shown = [make_event(f"i{n}", "impression", 0, "a") for n in range(2000)]
        return feed(joiner, *shown, make_event("l", "login", 99_999)), joiner

    (examples, joiner), (again, _) = run(), run()
    assert examples == again
    assert {one.sampling_rate for one in examples} == {0.25}
    assert 420 < len(examples) < 580  # 500 expected; 4 standard deviations are 78
    assert joiner.state.counters.num_sampled_out == 2000 - len(examples)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_the_ends_of_the_sampling_rate_keep_none_and_all(rate: float) -> None:
    assert {is_sampled(f"i{n}:a:none", rate) for n in range(1000)} == {rate == 1.0}


def test_counters_add_up(joiner: Joiner, make_event: MakeEvent) -> None:
    feed(
        joiner,
        make_event("i1", "impression", 0, shown=("a", "b")),
        make_event("c1", "click", 1, "a"),
        make_event("c2", "click", 2, "z"),
        make_event("c2", "click", 2, "z"),
        make_event("l1", "login", 50_000),
    )
    counters: dict[str, Any] = joiner.state.counters.to_json()
    assert counters == {
        "num_events": 5,
        "num_examples": 4,
        "num_positives": 2,
        "num_negatives": 2,
        "num_orphans": 1,
        "num_duplicates": 1,
        "num_sampled_out": 0,
        "num_expired_early": 0,
        "num_dated_ahead": 0,
        "num_late": 0,
        "num_corrections": 0,
        "num_early": 0,
        "num_early_joined": 0,
    }


def test_a_quiet_stream_ends_windows_by_the_wall_clock(joiner: Joiner, make_event: MakeEvent) -> None:
    # Received an hour after the event: what counts is how long nothing came since, not how old the event is.
    feed(joiner, make_event("i1", "impression", 0, "a", received_ms=3_600_000))
    assert joiner.advance(3_600_000 + WINDOW_MS) == []
    assert [one.example_id for one in joiner.advance(3_600_000 + WINDOW_MS + 1)] == ["i1:a:none"]


def test_a_slow_partition_holds_the_windows_open(joiner: Joiner, make_event: MakeEvent) -> None:
    joiner.state.watermark.register([0, 1])
    joiner.process(0, 0, make_event("i1", "impression", 0, "a"))
    joiner.process(1, 0, make_event("c0", "click", 5, "z", user_id="v"))
    assert joiner.process(0, 1, make_event("l1", "login", 9_000)) == []
    assert joiner.process(0, 2, make_event("l2", "login", WINDOW_MS + 4)) == []
    ended = joiner.process(1, 1, make_event("l3", "login", WINDOW_MS + 3))
    assert [one.example_id for one in ended] == ["i1:a:none"]


def test_an_idle_partition_does_not_hold_the_windows_open(joiner: Joiner, make_event: MakeEvent) -> None:
    joiner.state.watermark.register([0, 1])
    joiner.process(0, 0, make_event("i1", "impression", 0, "a"))
    ended = joiner.process(0, 1, make_event("l1", "login", WINDOW_MS + 1))
    assert [one.example_id for one in ended] == ["i1:a:none"]


def test_bad_settings_are_refused(settings: JoinerSettings) -> None:
    with pytest.raises(ValueError, match=r"negative_sampling_rate must be 0 to 1, received 1\.5"):
        replace(settings, negative_sampling_rate=1.5)
    with pytest.raises(ValueError, match="at least 1"):
        replace(settings, max_pending=0)


def test_an_example_has_the_history_and_the_time_that_serving_logged(joiner: Joiner, make_event: MakeEvent) -> None:
    logged = {"history": ["x", "y"], "history_types": ["click", "buy"], "history_times_ms": [5, 6], "time_ms": 990}
    shown = make_event("i1", "impression", 1000, "a", recommendation_id="r1", features=logged)
    click = make_event("c1", "click", 3000, "a", recommendation_id="r1")
    (example,) = feed(joiner, shown, click)
    assert example.history_types == ("click", "buy")
    assert example.history_times_ms == (5, 6)
    assert (example.request_time_ms, example.event_time_ms) == (990, 3000)


def test_types_and_times_of_another_length_than_the_logged_history_are_left_out(
    joiner: Joiner, make_event: MakeEvent
) -> None:
    logged = {"history": ["x", "y"], "history_types": ["click"], "history_times_ms": [5, 6]}
    shown = make_event("i1", "impression", 1000, "a", recommendation_id="r1", features=logged)
    (example,) = feed(joiner, shown, make_event("c1", "click", 3000, "a", recommendation_id="r1"))
    assert (example.history, example.history_types, example.history_times_ms) == (("x", "y"), (), ())


def test_an_action_without_impression_has_what_the_joiner_knows_of_the_history(
    joiner: Joiner, make_event: MakeEvent
) -> None:
    feed(joiner, make_event("c1", "click", 1000, "a"))
    (example,) = feed(joiner, make_event("c2", "click", 2000, "b"), start=1)
    assert (example.history, example.history_types, example.history_times_ms) == (("a",), ("click",), (1000,))
    assert example.request_time_ms is None
