"""What users did is known as soon as the log has it, and known again after a restart."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.features.histories import UserHistories
from engine.joining.process import JoinerProcess
from engine.retrieval.asker import Asker
from engine.serving.project_state import ProjectState
from engine.serving.user_state import UserLimits, UserState
from engine.serving.user_state_keeping import UserStateKeeper
from engine.spec.deployment import Seen
from engine.spec.event import CatalogChange, Event, ShownItem
from engine.spec.schema import EventRole, Schema
from engine.streams import topics
from engine.streams.log import Record
from engine.streams.memory import MemoryLog

SCHEMA = Schema.parse(
    {
        "events": {"impression": {"role": "impression"}, "click": {}, "buy": {}, "pause": {"role": "other"}},
        "candidates": {"unfinished": {"started": ["pause"], "finished": ["buy"]}},
    }
)
ITEMS = [f"i{number}" for number in range(10)]


@dataclass
class World:
    """A log, a clock, and replicas of one name that come one after the other."""

    directory: Path
    log: MemoryLog = field(default_factory=MemoryLog)
    now_s: float = 1_000_000.0
    num_events: int = 0

    def __post_init__(self) -> None:
        for topic in (topics.events("shop"), topics.catalog("shop"), topics.examples("shop")):
            self.log.create_topic(topic)
        for item_id in ITEMS:
            self.log.append(topics.catalog("shop"), [Record(item_id, CatalogChange("item", item_id).to_bytes(), 0)])

    def started(self, **more: Any) -> ProjectState:
        state = ProjectState(
            self.log,
            "shop",
            **{"joiner_directory": None, "directory": self.directory / "users", **more},
            clock=lambda: self.now_s,
            pause=lambda _: None,
        )
        state.judge_by(SCHEMA)
        state.keep_history(SCHEMA.history_length)
        self.poll(state)
        return state

    def poll(self, state: ProjectState) -> None:
        changes, _ = state.poll_catalogue()
        state.note_catalogue(changes)
        while state.poll_events():
            continue

    def event(self, item_id: str, event_type: str = "click", user_id: str = "u") -> None:
        self.now_s += 1
        self.num_events += 1
        role = SCHEMA.role_of(event_type)
        assert role is not None
        at_ms = int(self.now_s * 1000)
        shown = (ShownItem(item_id),) if role is EventRole.IMPRESSION else ()
        event = Event(
            f"e{self.num_events}", event_type, role, user_id, None if shown else item_id, at_ms, at_ms, items=shown
        )
        self.log.append(topics.events("shop"), [Record(user_id, event.to_bytes(), at_ms)])

    def asker(self, state: ProjectState, user_id: str = "u") -> Asker:
        history = state.history(user_id, 20)
        return Asker(user_id, {}, {}, history.item_ids, history.event_types, history.times_ms, int(self.now_s * 1000))

    def seen(self, state: ProjectState, **rule: Any) -> list[str]:
        but_unfinished = rule.pop("but_unfinished", False)
        rows = state.seen_rows(self.asker(state), Seen.model_validate(rule), but_unfinished=but_unfinished)
        return sorted(state.catalogue.ids_of(rows))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def known(state: ProjectState) -> Any:
    """Everything that a checkpoint keeps, in ids."""
    users: UserState = state.users
    return (
        [(user_id, users.actions.record_of(user_id)) for user_id in users.actions.copied()[0]],
        [(user_id, users.watched.record_of(user_id)) for user_id in users.watched.copied()[0]],
        users.impressions.copied()(),
        users.next_offsets,
    )


def test_an_event_is_history_after_the_next_poll(world: World) -> None:
    state = world.started()
    world.event("i1")
    assert state.history("u", 5).item_ids == ()
    state.poll_events()
    assert state.history("u", 5).item_ids == ("i1",)


def test_seen_is_what_the_rule_says(world: World) -> None:
    state = world.started()
    state.keep_types(["impression"])
    for item_id, event_type in (
        ("i1", "buy"),
        ("i1", "click"),
        ("i2", "click"),
        ("i3", "impression"),
        ("i4", "buy"),
        ("unknown", "click"),
    ):
        world.event(item_id, event_type)
    world.poll(state)
    assert world.seen(state) == ["i1", "i2", "i4"]
    assert world.seen(state, event_types=["buy"]) == ["i1", "i4"]
    assert world.seen(state, event_types=["impression", "buy"]) == ["i1", "i3", "i4"]
    assert world.seen(state, event_types=["buy"], window_s=3) == ["i4"]
    assert world.seen(state, window_s=2.5) == ["i4"]


def test_seen_reaches_further_back_than_the_history_of_the_models(world: World) -> None:
    state = world.started()
    for item_id in ITEMS:
        world.event(item_id)
    world.poll(state)
    assert state.history("u", 3).item_ids == ("i7", "i8", "i9")
    assert world.seen(state) == ITEMS


def test_what_is_kept_of_seen_rows_is_let_go_when_user_or_catalogue_change(world: World) -> None:
    state, rule = world.started(), Seen()

    def seen() -> list[str]:
        return sorted(state.catalogue.ids_of(state.seen_rows(world.asker(state), rule)))

    world.event("i1")
    world.poll(state)
    assert seen() == seen() == ["i1"]
    assert state.seen_rows(world.asker(state), rule) is state.seen_rows(world.asker(state), rule)
    world.event("i2")
    world.event("late")
    world.poll(state)
    assert seen() == ["i1", "i2"]
    for change in (CatalogChange("item", "late"), CatalogChange("item", "i1", deleted=True)):
        world.log.append(topics.catalog("shop"), [Record(change.id, change.to_bytes(), 0)])
    world.poll(state)
    assert seen() == ["i2", "late"]


def test_session_of_the_request_is_seen_as_well(world: World) -> None:
    state = world.started()
    now_ms = int(world.now_s * 1000)
    asker = Asker("nobody", {}, {}, ("i1", "i2"), ("click", "buy"), (now_ms - 5000, now_ms), now_ms)
    for rule, expected in (({}, ["i1", "i2"]), ({"event_types": ["buy"]}, ["i2"]), ({"window_s": 2}, ["i2"])):
        rows = state.seen_rows(asker, Seen.model_validate(rule))
        assert sorted(state.catalogue.ids_of(rows)) == expected


def test_unfinished_items_are_not_counted_as_seen_when_they_are_to_come_back(world: World) -> None:
    world.event("i1", "pause")
    world.event("i1")
    world.event("i2", "pause")
    world.event("i2", "buy")
    state = world.started()
    assert world.seen(state, but_unfinished=True) == ["i1", "i2"]
    # Events of types that nobody asked for before are read again.
    state.keep_candidates(SCHEMA.candidates)
    world.poll(state)
    assert world.seen(state) == ["i1", "i2"]
    assert world.seen(state, but_unfinished=True) == ["i2"]
    assert state.users.unfinished.item_ids(world.asker(state)) == ["i1"]


def test_impressions_are_counted_by_row_and_once(world: World) -> None:
    state = world.started()
    for item_id in ("i1", "i2", "i1"):
        world.event(item_id, "impression")
    world.poll(state)
    state.keep_types(["impression"])
    world.poll(state)
    assert state.impressions(state.catalogue.rows_of(["i1", "i2", "i3"])).tolist() == [2.0, 1.0, 0.0]
    assert state.num_impressions == 3.0


def test_everything_is_as_it_was_after_a_restart_though_the_events_are_long_gone(world: World) -> None:
    state = world.started()
    state.keep_types(["impression"])
    generator = np.random.default_rng(1)
    for _ in range(200):
        event_type = ("click", "buy", "impression", "pause")[generator.integers(4)]
        world.event(f"i{generator.integers(12)}", event_type, f"u{generator.integers(5)}")
    world.poll(state)
    state.close()
    world.log.trim(topics.events("shop"), 0, 200)
    again = world.started()
    assert known(again) == known(state)
    world.event("i3", user_id="u1")
    for each in (state, again):
        world.poll(each)
    assert known(again) == known(state)
    assert again.history("u1", 1).item_ids == ("i3",)


def test_events_after_the_checkpoint_are_read_once(world: World) -> None:
    state = world.started()
    world.event("i1", "impression")
    world.event("i1")
    world.poll(state)
    state.close()
    world.event("i2", "impression")
    world.event("i2")
    again = world.started()
    world.poll(state)
    assert known(again) == known(state)
    # What the sources follow is made of all recent events, those before the checkpoint too.
    assert {item_id for item_id, _ in again.live.trending_1h.top(5)} == {"i1", "i2"}


def test_checkpoint_is_written_beside_the_requests_when_it_is_time(world: World) -> None:
    state = world.started()
    world.event("i1")
    world.poll(state)
    folder = world.directory / "users"
    assert not folder.exists()
    world.now_s += 31
    state.poll_events()
    keeper = state._keeper
    assert isinstance(keeper, UserStateKeeper)
    keeper.wait()
    (first,) = folder.iterdir()
    world.now_s += 31
    state.poll_events()
    keeper.wait()
    # Nothing was new.
    assert list(folder.iterdir()) == [first]
    world.event("i2")
    world.poll(state)
    keeper.wait()
    assert len(list(folder.iterdir())) == 2


def test_damaged_checkpoint_gives_way_to_the_one_before(world: World) -> None:
    state = world.started()
    for item_id in ("i1", "i2"):
        world.event(item_id)
        world.poll(state)
        state.close()
    newest = sorted((world.directory / "users").iterdir())[-1]
    (newest / "actions.arrow").write_bytes(b"not arrow")
    assert known(world.started()) == known(state)
    shutil.rmtree(sorted((world.directory / "users").iterdir())[0])
    # Without any the last events are what there is.
    again = world.started()
    assert again.history("u", 5) == state.history("u", 5)


def test_checkpoint_of_another_log_is_of_no_use(world: World, caplog: pytest.LogCaptureFixture) -> None:
    state = world.started()
    for item_id in ("i1", "i2"):
        world.event(item_id)
    world.poll(state)
    state.close()
    other = World(world.directory)
    other.event("i5")
    assert other.started().history("u", 5).item_ids == ("i5",)
    assert "of another log" in caplog.text


def joined(world: World) -> Path:
    """A joiner that has read everything leaves a checkpoint."""
    directory = world.directory / "joiner"
    joiner = JoinerProcess(world.log, "shop", SCHEMA, directory, clock=lambda: world.now_s)
    while joiner.poll():
        continue
    joiner.checkpoint()
    return directory


def test_replica_without_a_checkpoint_begins_with_the_histories_of_the_joiner(world: World) -> None:
    for item_id, event_type in (("i1", "click"), ("i2", "buy"), ("i1", "buy")):
        world.event(item_id, event_type)
    directory = joined(world)
    world.log.trim(topics.events("shop"), 0, 3)
    world.event("i3")
    state = world.started(joiner_directory=directory)
    assert state.history("u", 5).item_ids == ("i2", "i1", "i3")
    assert state.history("u", 5).event_types == ("buy", "buy", "click")


def test_joiner_is_preferred_where_events_after_the_own_checkpoint_are_gone(world: World) -> None:
    state = world.started()
    world.event("i1")
    world.poll(state)
    state.close()
    world.event("i2")
    directory = joined(world)
    world.log.trim(topics.events("shop"), 0, 2)
    assert world.started().history("u", 5).item_ids == ("i1",)
    assert world.started(joiner_directory=directory).history("u", 5).item_ids == ("i1", "i2")


def test_users_beyond_the_limit_go_in_the_order_of_their_last_action(world: World) -> None:
    for number in range(6):
        world.event("i1", user_id=f"u{number}")
    state = world.started(limits=UserLimits(max_users=3, max_items=50))
    assert len(state.users.actions) == 3
    assert state.history("u2", 5).item_ids == ()
    assert state.history("u3", 5).item_ids == ("i1",)


def test_history_is_the_joiners_whatever_the_order_of_events(world: World) -> None:
    generator = np.random.default_rng(4)
    state = world.started()
    expected = UserHistories(SCHEMA.history_length)
    for _ in range(300):
        item_id, user_id = f"i{generator.integers(40)}", f"u{generator.integers(3)}"
        world.event(item_id, "click", user_id)
        expected.record(user_id, item_id, int(world.now_s * 1000), "click")
    world.poll(state)
    for user_id in ("u0", "u1", "u2"):
        assert state.history(user_id, SCHEMA.history_length) == expected.history(user_id)
