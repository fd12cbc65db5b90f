"""Ids earn their rows and lose them as the stream goes on, and replicas lose them too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine.embedding.hashing import hash_ids
from engine.spec.definition import ModelDefinition
from engine.spec.example import Example
from engine.streams.memory import MemoryLog
from engine.streams.partitioning import partition_of
from engine.training.batch import train_batch
from engine.training.expiry import EXPIRE_EVERY, LAP_TURNS, MIN_ROWS, expire_due
from engine.training.online import OnlineTrainer
from engine.training.state import TrainingState
from tests.engine.training.followed import Follower
from tests.engine.training.made import (
    FakeClock,
    append_examples,
    as_logged,
    make_definition,
    make_example,
    make_examples,
    salted,
    with_rules,
)

USER, ITEM, TOPIC = 1, 2, 4


def definition(rules: dict[str, dict[str, Any]], kind: str = "deepfm", **more: Any) -> ModelDefinition:
    training = {"evaluate_fraction": 0.0, "checkpoint_every_s": 1_000.0}
    return with_rules(make_definition(kind, training=training), rules, **more)


def fids(slot: int, *ids: str) -> np.ndarray:
    return hash_ids(pa.array(ids, pa.string()), slot)


def held(state: TrainingState, slot: int, *ids: str) -> list[bool]:
    return [bool(one) for one in state.store.tables["dim8"].contains(fids(slot, *ids))]


def stream(first: int, num: int, user: int) -> list[Example]:
    """An example a second, of one user and one item."""
    return [make_example(number, user, user % 30) for number in range(first, first + num)]


def learn(state: TrainingState, examples: list[Example], start: int = 0) -> None:
    for first in range(0, len(examples), 64):
        state.learn(as_logged(examples[first : first + 64], start + first))


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_rows_of_a_slot_with_a_time_to_live_vanish_from_replicas_too(tmp_path: Path, precision: str) -> None:
    model = definition({"user_id": {"expiry": {"ttl_s": 100}}}, serving={"precision": precision})
    log, clock = MemoryLog(), FakeClock()
    follower = Follower(model, log, tmp_path)
    append_examples(log, "p", [*stream(0, 64, user=1), *stream(64, 64 * 3, user=2)])
    trainer = OnlineTrainer(model, log, "p", "m", 1, tmp_path, clock=clock)
    seen = []
    for _ in range(4):
        trainer.poll(0.0)
        clock.now_s += 1.0
        follower.follow()
        assert follower.store.digest() == trainer.state.store.digest()
        table = follower.store.tables["dim8"]
        seen.append(table.contains(fids(USER, "user-1", "user-2")).tolist())
    # The clock of a batch is its median: 31, 95, 159 and 223 s. user-1's stamp is of the first, so it goes with the third.
    assert seen == [[True, False], [True, True], [False, True], [False, True]]
    assert sum(header.num_deletes for header in follower.headers) == 1
    assert follower.store.tables["dim8"].contains(fids(ITEM, "item-1")).all(), "its slot keeps rows for ever"
    metrics = trainer.metrics()
    assert (metrics["num_expired"], metrics["num_over_budget"]) == (1, 0)
    trainer.close()


def test_batch_training_expires_as_well(tmp_path: Path) -> None:
    model = definition({"user_id": {"expiry": {"ttl_s": 100}}})
    log = MemoryLog()
    append_examples(log, "p", [*stream(0, 64, user=1), *stream(64, 64 * 3, user=2)])
    result = train_batch(model, log, "p", "m", 1, tmp_path, clock=FakeClock())
    assert result.tables["num_expired"] == 1
    state = TrainingState.restore(model, tmp_path)
    assert held(state, USER, "user-1", "user-2") == [False, True]


def test_event_dated_in_the_future_expires_nothing_and_is_not_immortal_itself() -> None:
    state = TrainingState(definition({"user_id": {"expiry": {"ttl_s": 100}}}), wall_clock=lambda: 1_000.0)
    learn(state, stream(0, 64, user=1))
    century_ms = 3_000_000_000_000
    future = Example.from_bytes(stream(64, 1, user=3)[0].to_bytes().replace(b"64000", str(century_ms).encode()))
    assert future.event_time_ms == century_ms
    learn(state, [*stream(64, 63, user=2), future], 64)
    assert held(state, USER, "user-1", "user-2", "user-3") == [True, True, True]
    learn(state, stream(128, 64 * 4, user=2), 128)
    assert held(state, USER, "user-1", "user-2", "user-3") == [False, True, False]


def test_id_earns_its_row_with_exactly_its_nth_example() -> None:
    state = TrainingState(definition({"user_id": {"admission": {"kind": "min_count", "min_count": 5}}}))
    rows = []
    for number in range(7):
        learn(state, stream(number, 1, user=1), number)
        rows.append(held(state, USER, "user-1")[0])
    assert rows == [False] * 4 + [True] * 3
    assert state.table_metrics()["num_turned_away"] == 4


def test_id_without_a_row_is_zeros_and_learns_nothing() -> None:
    never = {"admission": {"kind": "min_count", "min_count": 1_000_000}}
    state = TrainingState(definition(dict.fromkeys(("user_id", "item_id", "topic", "device"), never)))
    result = state.learn(as_logged(make_examples(64)))
    assert result is not None and result.finite
    assert (state.store.num_rows, state.store.num_touched) == (0, 0)
    # without a row every pair looks alike but for its dense inputs: no first order terms, no interactions
    assert state.table_metrics()["num_candidates"] > 30


def test_partition_that_lags_holds_expiry_back_until_it_has_been_read_to_its_end(tmp_path: Path) -> None:
    model = definition({"user_id": {"expiry": {"ttl_s": 100}}})
    log = MemoryLog()
    log.create_topic("p.examples", 2)
    here, later, there = 3, 4, 5
    assert [partition_of(f"user-{user}", 2) for user in (here, later, there)] == [0, 0, 1]
    append_examples(log, "p", [*stream(0, 64, here), *stream(10_000, 64, later), *stream(0, 128, there)])
    trainer = OnlineTrainer(model, log, "p", "m", 1, tmp_path, clock=FakeClock(1e6))
    for _ in range(4):
        assert trainer.poll(0.0).num_examples == 64
        assert held(trainer.state, USER, "user-3") == [True], "the other partition may still bring it"
    assert trainer.poll(0.0).num_examples == 0
    append_examples(log, "p", stream(10_064, 64, later))
    assert trainer.poll(0.0).num_examples == 64
    assert held(trainer.state, USER, "user-3", "user-4", "user-5") == [False, True, False]
    trainer.close()


def drawn_rules() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "deepfm", {"item_id": {"admission": {"kind": "min_count", "min_count": 4}}}
    yield "two_tower", {"item_id": {"admission": {"kind": "min_count", "min_count": 4}}}


@pytest.mark.parametrize(("kind", "rules"), drawn_rules())
def test_drawn_negatives_are_no_sightings(kind: str, rules: dict[str, dict[str, Any]]) -> None:
    """Item 1 comes three times, and is then drawn hundreds of times as a negative: it has not come a fourth time."""
    state = TrainingState(definition(rules, kind))
    learn(state, stream(0, 3, user=1))
    for start in range(3, 300, 9):
        learn(state, [make_example(number, 2, number % 29 + 2) for number in range(start, start + 9)], start)
    assert held(state, ITEM, "item-1", "item-5") == [False, True]
    learn(state, stream(300, 1, user=1), 300)
    assert held(state, ITEM, "item-1") == [True]


def test_drawn_negatives_keep_no_row_alive() -> None:
    state = TrainingState(definition({"item_id": {"expiry": {"ttl_s": 200}}}))
    learn(state, stream(0, 3, user=1))
    learn(state, [make_example(number, 2, number % 29 + 2) for number in range(3, 64 * 8)], 3)
    assert held(state, ITEM, "item-1") == [False]


def test_turns_fall_due_by_examples_and_a_lap_is_bounded() -> None:
    class Counting:
        def __init__(self, num_rows: int) -> None:
            self.num_rows, self.asked = num_rows, 0

        def __len__(self) -> int:
            return self.num_rows

        def expire(self, now_s: int, num_rows: int) -> int:
            self.asked += num_rows
            return 0

    small, large = Counting(10), Counting(10_000_000)
    store: Any = type("Store", (), {"tables": {"small": small, "large": large}})()
    cuts = np.cumsum(np.random.default_rng(1).integers(1, 300, 2_000)).tolist()
    for before, after in zip([0, *cuts], cuts, strict=False):
        expire_due(store, 0, before, after)
    num_turns = cuts[-1] // EXPIRE_EVERY
    assert (small.asked, large.asked) == (num_turns * MIN_ROWS, num_turns * -(-large.num_rows // LAP_TURNS))


def test_rows_go_at_the_same_example_however_often_a_batch_holds_none_for_the_task() -> None:
    model = definition({"user_id": {"expiry": {"ttl_s": 100}}})
    plain, gappy = (TrainingState(model, store=salted(model)) for _ in range(2))
    examples = stream(0, 512, user=1)
    learn(plain, examples)
    for first in range(0, 512, 64):
        gappy.learn(as_logged(examples[first : first + 64], first))
        gappy.learn(as_logged([], first + 64))
    assert plain.store.digest() == gappy.store.digest()
