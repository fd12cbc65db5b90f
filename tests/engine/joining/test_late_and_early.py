"""Actions that come after their window, and before their impression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from engine.errors import InvalidDocument
from engine.joining.joiner import Joiner
from engine.joining.outcomes import is_sampled
from engine.joining.state import JoinerSettings
from engine.spec.event import Event
from engine.spec.example import Cause, Example, Origin
from engine.spec.joining import Positives
from engine.spec.schema import Schema

MakeEvent = Callable[..., Event]
NONE = {"click": 0.0, "purchase": 0.0}


def feed(joiner: Joiner, *events: Event) -> list[Example]:
    return [example for offset, event in enumerate(events) for example in joiner.process(0, offset, event)]


def summary(examples: list[Example]) -> list[tuple[str, dict[str, float], str | None]]:
    return [(example.example_id, example.labels, example.corrects) for example in examples]


def test_an_action_after_its_window_corrects_the_negative_where_actions_may_come_late(
    settings: JoinerSettings, make_event: MakeEvent
) -> None:
    joiner = Joiner(replace(settings, late_ms=5_000))
    examples = feed(
        joiner,
        make_event("i1", "impression", 0, shown=("a", "b"), features={"user": {"age": 3}}),
        make_event("l1", "login", 10_001),
        make_event("c1", "click", 12_000, "a"),
        make_event("c2", "click", 12_500, "a"),
        make_event("l2", "login", 15_001),
        make_event("c3", "click", 15_002, "b"),
    )
    assert summary(examples) == [
        ("i1:a:none", NONE, None),
        ("i1:b:none", NONE, None),
        ("i1:a:click", {"click": 1.0}, "i1:a:none"),
        ("c3", {"click": 1.0}, None),
    ]
    assert (examples[2].user, examples[2].event_time_ms, examples[2].cause) == ({"age": 3}, 12_000, Cause(0, 2, 12_000))
    counters = joiner.state.counters
    assert (counters.num_late, counters.num_corrections, counters.num_orphans, counters.num_duplicates) == (2, 1, 1, 1)
    assert len(joiner.state.pending) == 0


def test_an_action_read_after_its_window_corrects_too_however_it_is_dated(
    settings: JoinerSettings, make_event: MakeEvent
) -> None:
    joiner = Joiner(replace(settings, late_ms=5_000))
    delayed = make_event("c1", "click", 3_000, "a", received_ms=11_000)
    examples = feed(joiner, make_event("i1", "impression", 0, "a"), make_event("l1", "login", 10_500), delayed)
    assert summary(examples)[1] == ("i1:a:click", {"click": 1.0}, "i1:a:none")


def test_a_late_positive_corrects_nothing_where_its_negative_was_not_kept(
    settings: JoinerSettings, make_event: MakeEvent
) -> None:
    joiner = Joiner(replace(settings, late_ms=5_000, negative_sampling_rate=0.0))
    examples = feed(
        joiner,
        make_event("i1", "impression", 0, "a"),
        make_event("l1", "login", 10_001),
        make_event("c1", "click", 12_000, "a"),
    )
    assert summary(examples) == [("i1:a:click", {"click": 1.0}, None)]
    assert joiner.state.counters.num_corrections == 0


def test_a_correction_says_so_to_whoever_reads_it_and_others_say_nothing(
    settings: JoinerSettings, make_event: MakeEvent
) -> None:
    examples = feed(
        Joiner(replace(settings, late_ms=5_000)),
        make_event("i1", "impression", 0, "a"),
        make_event("l1", "login", 10_001),
        make_event("c1", "click", 12_000, "a"),
    )
    assert [b"corrects" in example.to_bytes() for example in examples] == [False, True]
    assert [Example.from_bytes(example.to_bytes()) for example in examples] == examples


def test_each_type_of_action_has_its_own_window(make_event: MakeEvent) -> None:
    schema = Schema.parse(
        {
            "events": {
                "impression": {"role": "impression"},
                "click": {},
                "purchase": {"join_window_s": 60},
                "like": {},
            },
            "join_window_s": 10,
        }
    )
    joiner = Joiner(JoinerSettings.from_schema(schema))
    examples = feed(
        joiner,
        make_event("i1", "impression", 0, shown=("a", "b")),
        make_event("c1", "click", 1, "a"),
        make_event("l1", "login", 10_001),
        make_event("c2", "click", 20_000, "b"),
        make_event("p1", "purchase", 50_000, "a"),
        make_event("l2", "login", 60_001),
    )
    assert summary(examples) == [
        ("i1:a:click", {"click": 1.0}, None),
        ("i1:a:rest:click+like", {"like": 0.0}, None),
        ("i1:b:none:click+like", {"click": 0.0, "like": 0.0}, None),
        ("c2", {"click": 1.0}, None),
        ("i1:a:purchase", {"purchase": 1.0}, None),
        ("i1:b:none:purchase", {"purchase": 0.0}, None),
    ]


def test_only_actions_have_windows() -> None:
    with pytest.raises(InvalidDocument, match="join_window_s is for actions"):
        Schema.parse({"events": {"impression": {"role": "impression", "join_window_s": 5}}})


def test_waiting_makes_one_example_with_all_labels_when_the_last_window_ends(
    settings: JoinerSettings, make_event: MakeEvent
) -> None:
    joiner = Joiner(replace(settings, positives=Positives.WAIT, label_properties={"purchase": ("amount",)}))
    shown = make_event("i1", "impression", 0, shown=("a", "b", "c"))
    actions = [
        make_event("c1", "click", 5, "a"),
        make_event("p1", "purchase", 6, "a", properties={"amount": 7}),
        make_event("c2", "click", 7, "b"),
    ]
    assert feed(joiner, shown, *actions) == []
    examples = feed(joiner, make_event("l1", "login", 10_001))
    assert summary(examples) == [
        ("i1:a:all", {"click": 1.0, "purchase": 1.0, "purchase.amount": 7.0}, None),
        ("i1:b:all", {"click": 1.0, "purchase": 0.0}, None),
        ("i1:c:all", NONE, None),
    ]
    assert {(one.event_time_ms, one.cause, one.origin) for one in examples} == {(0, Cause(0, 0, 0), Origin.IMPRESSION)}
    assert (joiner.state.counters.num_positives, joiner.state.counters.num_negatives) == (2, 1)


def test_waiting_samples_what_did_not_come_of_a_clicked_item_as_of_any_other(
    settings: JoinerSettings, make_event: MakeEvent
) -> None:
    """Or the share of what was not bought would be another among the clicked than among the rest, which the rate says it is not."""
    joiner = Joiner(replace(settings, positives=Positives.WAIT, negative_sampling_rate=0.5))
    shown = [make_event(f"i{n}", "impression", 0, "a", user_id=f"u{n}") for n in range(40)]
    clicks = [make_event(f"c{n}", "click", 1, "a", user_id=f"u{n}") for n in range(20)]
    examples = feed(joiner, *shown, *clicks, make_event("l1", "login", 10_001))
    expected = []
    for n in range(40):
        name, is_kept = f"i{n}:a:all", is_sampled(f"i{n}:a:all", 0.5)
        labels = {"click": 1.0} if n < 20 else {}
        labels |= ({"purchase": 0.0} if n < 20 else NONE) if is_kept else {}
        if labels:
            expected.append((name, labels, None))
    assert summary(examples) == expected
    assert {one.sampling_rate for one in examples} == {0.5}


def test_an_early_action_waits_for_its_impression_and_joins_it(joiner: Joiner, make_event: MakeEvent) -> None:
    click = make_event("c1", "click", 100, "a", recommendation_id="r1")
    shown = make_event("i1", "impression", 90, shown=("a", "b"), recommendation_id="r1", received_ms=2_000)
    assert feed(joiner, click) == []
    assert len(joiner.state.early) == 1
    (example,) = feed(joiner, shown)
    assert (example.example_id, example.labels, example.event_time_ms) == ("i1:a:click", {"click": 1.0}, 100)
    assert example.cause == Cause(0, 0, 2_000), "the impression's arrival made it"
    assert len(joiner.state.early) == 0
    counters = joiner.state.counters
    assert (counters.num_early, counters.num_early_joined, counters.num_orphans) == (1, 1, 0)


def test_an_impression_does_not_know_of_the_early_action_it_explains(joiner: Joiner, make_event: MakeEvent) -> None:
    """Its history, where nobody logged one, is as it was before the action."""
    feed(joiner, make_event("c0", "click", 10, "z"), make_event("c1", "click", 100, "a", recommendation_id="r1"))
    (example,) = feed(joiner, make_event("i1", "impression", 90, "a", recommendation_id="r1"))
    assert example.history == ("z",)
    assert joiner.state.histories.recent("u") == ("z", "a")


def test_an_early_action_too_late_for_its_impression_is_an_orphan(joiner: Joiner, make_event: MakeEvent) -> None:
    click = make_event("c1", "click", 20_000, "a", recommendation_id="r1")
    shown = make_event("i1", "impression", 9_000, "a", recommendation_id="r1")
    assert [one.example_id for one in feed(joiner, click, shown)] == ["c1", "i1:a:none"]


def test_an_action_that_names_no_recommendation_waits_for_nothing(joiner: Joiner, make_event: MakeEvent) -> None:
    assert [one.example_id for one in feed(joiner, make_event("c1", "click", 1, "a"))] == ["c1"]


def test_only_so_many_early_actions_wait(settings: JoinerSettings, make_event: MakeEvent) -> None:
    joiner = Joiner(replace(settings, max_early=2))
    clicks = [make_event(f"c{n}", "click", 10 - n, "a", recommendation_id=f"r{n}") for n in range(3)]
    assert [one.example_id for one in feed(joiner, *clicks)] == ["c2"]
    assert len(joiner.state.early) == 2


def test_early_actions_end_by_the_wall_clock_too(joiner: Joiner, make_event: MakeEvent) -> None:
    feed(joiner, make_event("c1", "click", 1_000, "a", recommendation_id="r1"))
    assert joiner.advance(1_000 + 10_000) == []
    assert [one.example_id for one in joiner.advance(1_000 + 10_001)] == ["c1"]


def test_an_item_named_twice_in_one_impression_is_shown_once(joiner: Joiner, make_event: MakeEvent) -> None:
    examples = feed(joiner, make_event("i1", "impression", 0, shown=("a", "b", "a")), make_event("l", "login", 10_001))
    assert [one.example_id for one in examples] == ["i1:a:none", "i1:b:none"]
    assert joiner.state.counters.num_duplicates == 1
