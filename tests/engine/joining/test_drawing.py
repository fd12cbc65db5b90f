"""Negatives that the joiner draws for actions nobody logged a list for, with their counters as they were before the action."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from engine.errors import CorruptRecord
from engine.joining.drawing import RecentItems
from engine.joining.joiner import Joiner
from engine.joining.state import JoinerSettings
from engine.joining.state_files import load_state, save_state
from engine.spec.event import CatalogChange, Event
from engine.spec.example import Cause, DrawnItem, Draws, Example, Origin
from engine.spec.schema import Schema

MakeEvent = Callable[..., Event]

DOCUMENT: dict[str, Any] = {
    "items": {"genre": {"type": "string"}},
    "events": {"impression": {"role": "impression"}, "click": {}},
    "join_window_s": 10,
    "num_drawn_negatives": 8,
    "counters": {
        "clicks": {"keys": ["item.id"], "event_types": ["click"], "windows_s": [600]},
        "tastes": {"keys": ["user.id", "item.genre"], "event_types": ["click"], "windows_s": [600]},
    },
}
SETTINGS = JoinerSettings.from_schema(Schema.parse(DOCUMENT))


def joiner_with_genres(settings: JoinerSettings = SETTINGS) -> Joiner:
    joiner = Joiner(settings)
    for item_id, genre in (("a", "jazz"), ("b", "rock"), ("c", "jazz")):
        joiner.apply_catalog(CatalogChange("item", item_id, {"genre": genre}))
    return joiner


def clicks(make_event: MakeEvent, *items: str, user_id: str = "u", start: int = 0) -> list[Event]:
    return [
        make_event(f"c{number}", "click", 1000 + number, item, user_id=user_id)
        for number, item in enumerate(items, start)
    ]


def test_drawn_items_carry_their_counters_as_they_were_before_the_action(make_event: MakeEvent) -> None:
    """Three clicks on a, one on b, one on c, by one user; worked out by hand for a sixth, on b."""
    events = clicks(make_event, "a", "a", "b", "a", "c", "b")
    *_, last = joiner_with_genres().process_batch((0, n, event) for n, event in enumerate(events))
    assert last.counters == {"clicks_10m": 1.0, "tastes_10m": 1.0}  # one click on b; the user's one on rock
    assert last.drawn is not None
    assert (last.drawn.num_draws, last.drawn.num_recent, last.drawn.own_count) == (8, 5, 1)
    assert last.drawn.own_probability == 2 / 6
    by_item = {each.item_id: each for each in last.drawn.items}
    assert by_item.keys() <= {"a", "c"} and "a" in by_item
    for each in last.drawn.items:
        # four clicks of the user were on jazz
        assert each == (DrawnItem("a", 3, [3.0, 4.0]) if each.item_id == "a" else DrawnItem("c", 1, [1.0, 4.0]))


def test_the_first_action_has_nothing_to_be_compared_with(make_event: MakeEvent) -> None:
    first, second, third = joiner_with_genres().process_batch(
        (0, n, event) for n, event in enumerate(clicks(make_event, "a", "a", "b"))
    )
    # the second could only draw its own item
    assert first.drawn is None and second.drawn is None
    assert third.drawn is not None and {each.item_id for each in third.drawn.items} == {"a"}


def test_nothing_is_drawn_without_counters_or_when_the_schema_says_so(make_event: MakeEvent) -> None:
    changes: list[dict[str, Any]] = [{"counters": {}}, {"num_drawn_negatives": 0}]
    for change in changes:
        joiner = joiner_with_genres(JoinerSettings.from_schema(Schema.parse(DOCUMENT | change)))
        examples = joiner.process_batch((0, n, event) for n, event in enumerate(clicks(make_event, *"abcabc")))
        assert all(example.drawn is None for example in examples)
        assert all(b"drawn" not in example.to_bytes() for example in examples)
        assert len(joiner.state.recent_items) == 0


def test_an_action_on_an_impression_is_drawn_from_and_asks_for_nothing(make_event: MakeEvent) -> None:
    shown = make_event("i", "impression", 900, shown=("c",))
    examples = joiner_with_genres().process_batch(
        (0, n, event) for n, event in enumerate([shown, *clicks(make_event, "c", "a")])
    )
    assert [(each.origin, each.drawn is None) for each in examples] == [("impression", True), ("action", False)]
    assert examples[1].drawn is not None and {each.item_id for each in examples[1].drawn.items} == {"c"}


def test_draws_do_not_depend_on_batches_nor_on_restarts(make_event: MakeEvent, tmp_path: Path) -> None:
    events = clicks(make_event, *"abcabbcacbabcabccabb")
    whole = joiner_with_genres().process_batch((0, n, event) for n, event in enumerate(events))
    joiner, found = joiner_with_genres(), []
    for n, event in enumerate(events):
        if n == 11:
            (tmp_path / "state").mkdir()
            meta = save_state(joiner.state, tmp_path / "state")
            joiner = Joiner(SETTINGS, load_state(tmp_path / "state", orjson.loads(orjson.dumps(meta)), SETTINGS))
        found += joiner.process(0, n, event)
    assert found == whole


def test_a_checkpoint_of_before_there_were_draws_starts_with_none(make_event: MakeEvent, tmp_path: Path) -> None:
    joiner = joiner_with_genres()
    joiner.process_batch((0, n, event) for n, event in enumerate(clicks(make_event, *"abc")))
    meta = save_state(joiner.state, tmp_path)
    (tmp_path / "recent_items.arrow").unlink()
    assert len(load_state(tmp_path, meta, SETTINGS).recent_items) == 0


def test_an_item_is_drawn_as_often_as_it_was_acted_on_of_late() -> None:
    recent = RecentItems(window=10)
    for item_id in ["old"] * 5 + ["a"] * 6 + ["b"] * 3 + ["c"]:
        recent.push(item_id)
    assert recent.oldest_first() == ["a"] * 6 + ["b"] * 3 + ["c"]
    assert [recent.count(each) for each in ("old", "a", "b", "c")] == [0, 6, 3, 1]
    drawn = Counter(item for event in range(2_000) for item in recent.draw(f"e{event}", 5))
    for item_id, share in (("a", 0.6), ("b", 0.3), ("c", 0.1)):
        assert drawn[item_id] / 10_000 == pytest.approx(share, abs=0.02)  # four deviations
    assert recent.draw("e", 5) == recent.draw("e", 5) != recent.draw("f", 5)
    assert RecentItems(window=10).draw("e", 5) == []


def example_with(drawn: Draws | None) -> Example:
    return Example(
        "e", "u", "a", 1, Origin.ACTION, {"click": 1.0}, Cause(0, 0, 2), counters={"clicks_10m": 3.0}, drawn=drawn
    )


def test_an_example_travels_with_its_draws() -> None:
    for drawn in (None, Draws(4, 9, 0, (DrawnItem("b", 2, [1.5]), DrawnItem("b", 2, [1.5])))):
        example = example_with(drawn)
        assert Example.from_bytes(example.to_bytes()) == example


@pytest.mark.parametrize(
    "broken",
    [
        {"num_draws": 0},
        {"num_recent": -1},
        {"own_count": 99},
        {"num_draws": "4"},
        {"items": [{"item_id": "b", "count": 0, "counters": [1.0]}]},
        {"items": [{"item_id": "b", "count": 1, "counters": []}]},
        {"items": [{"item_id": "b", "count": 1, "counters": ["1"]}]},
        {"items": [{"item_id": 5, "count": 1, "counters": [1.0]}]},
        {"items": None},
        {"more": 1},
    ],
)
def test_draws_of_the_wrong_shape_are_refused(broken: dict[str, Any]) -> None:
    raw = orjson.loads(example_with(Draws(4, 9, 0, (DrawnItem("b", 2, [1.5]),))).to_bytes())
    with pytest.raises(CorruptRecord, match="not an example"):
        Example.from_bytes(orjson.dumps(raw | {"drawn": raw["drawn"] | broken}))


def test_the_window_must_hold_something() -> None:
    with pytest.raises(ValueError, match="window"):
        RecentItems(window=0)
