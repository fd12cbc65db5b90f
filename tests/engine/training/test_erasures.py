"""An order to forget takes a user's or an item's rows out of a trainer's tables, and out of every replica's with the next delta."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine.embedding.hashing import hash_ids
from engine.spec.erasure import Erased, Erasure, erasure_event, erasure_example
from engine.spec.example import Cause, Example
from engine.streams import topics
from engine.streams.log import Record
from engine.training.batch import train_batch
from engine.training.erasing import crosses_with_ids
from engine.training.online import OnlineTrainer
from engine.training.state import TrainingState
from tests.engine.training.made import append_examples, make_definition, make_examples, with_rules
from tests.engine.training.test_online import Stage

EXAMPLES = topics.examples("p")
USER_SLOT, ITEM_SLOT = 1, 2


def order(kind: Any, entity_id: str, token: str = "t1") -> Example:
    event = erasure_event(Erasure(token, kind, entity_id), entity_id, 0, 1_000)
    return erasure_example(event, Cause(0, 5_000, 1_000))


def append_order(stage: Stage, kind: Any, entity_id: str, token: str = "t1") -> None:
    stage.log.create_topic(EXAMPLES)
    stage.log.append(EXAMPLES, [Record(entity_id, order(kind, entity_id, token).to_bytes(), 0)])


def has_row(state: TrainingState, slot: int, entity_id: str) -> bool:
    [table] = state.store.tables.values()
    return bool(table.contains(hash_ids(pa.array([entity_id]), slot))[0])


def a_user_and_an_item(stage: Stage) -> tuple[str, str]:
    """Of whom the examples below tell."""
    first = make_examples(64)[0]
    return first.user_id, first.item_id


@pytest.mark.parametrize("kind", ["two_tower", "deepfm"])
def test_rows_go_here_and_in_the_followers(kind: str, tmp_path: Path) -> None:
    stage = Stage(tmp_path, kind)
    user, item = a_user_and_an_item(stage)
    append_examples(stage.log, "p", make_examples(64))
    trainer = stage.trainer()
    stage.run(trainer, 3)
    num_rows = trainer.state.store.num_rows
    assert has_row(trainer.state, USER_SLOT, user)
    assert has_row(trainer.state, ITEM_SLOT, item)
    append_order(stage, "user", user)
    append_order(stage, "item", item, "t2")
    stage.run(trainer, 3)
    assert not has_row(trainer.state, USER_SLOT, user)
    assert not has_row(trainer.state, ITEM_SLOT, item)
    assert trainer.state.store.num_rows == num_rows - 2
    stage.assert_follower_equals(trainer)
    assert sum(header.num_deletes for header in stage.follower.headers) == 2
    [of_user, of_item] = trainer.state.progress.erased
    assert (of_user.counts["rows"], of_item.counts["rows"], of_item.counts["item_catalogue"]) == (1, 1, 1)
    assert trainer.state.catalogue.row_of(item) is None


def test_what_comes_behind_the_order_is_learned_anew(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    user, _ = a_user_and_an_item(stage)
    examples = make_examples(128)
    append_examples(stage.log, "p", examples[:64])
    trainer = stage.trainer()
    stage.run(trainer, 3)
    append_order(stage, "user", user)
    stage.run(trainer, 2)
    assert not has_row(trainer.state, USER_SLOT, user)
    append_examples(stage.log, "p", examples[:64])
    stage.run(trainer, 3)
    assert has_row(trainer.state, USER_SLOT, user)


def test_a_killed_trainer_forgets_again_to_the_bit_and_says_the_same(tmp_path: Path) -> None:
    """As one that was not killed, whatever its checkpoint knew."""
    ends: list[int] = []
    for kills in (False, True):
        stage, told = Stage(tmp_path / str(kills)), list[Erased]()
        user, item = a_user_and_an_item(stage)
        append_examples(stage.log, "p", make_examples(200))
        append_order(stage, "user", user)
        append_order(stage, "item", item, "t2")
        append_examples(stage.log, "p", make_examples(120)[60:])
        trainer = started(stage, told)
        for polls in (4, 5, 6, 8):
            stage.run(trainer, polls)
            if kills:
                trainer.abandon()
                trainer = started(stage, told)
        assert {one.erasure.token for one in told} == {"t1", "t2"}
        for token in ("t1", "t2"):
            counts = [dict(one.counts) for one in told if one.erasure.token == token]
            assert all(one == counts[0] for one in counts)
        ends.append(trainer.state.store.digest())
        trainer.close()
        stage.assert_follower_equals(trainer)
    assert ends[0] == ends[1]


def started(stage: Stage, told: list[Erased]) -> OnlineTrainer:
    return OnlineTrainer(
        stage.definition, stage.log, "p", "m", 1, stage.directory, clock=stage.clock, on_erased=told.extend
    )


def test_an_online_run_confirms_what_its_batch_run_forgot(tmp_path: Path) -> None:
    stage, told = Stage(tmp_path), list[Erased]()
    user, _ = a_user_and_an_item(stage)
    append_examples(stage.log, "p", make_examples(64))
    append_order(stage, "user", user)
    train_batch(stage.definition, stage.log, "p", "m", 1, stage.directory, clock=stage.clock)
    started(stage, told).abandon()
    assert [(one.erasure.id, one.counts["rows"]) for one in told] == [(user, 1)]


def test_sightings_of_an_id_that_waits_for_its_row_are_forgotten(tmp_path: Path) -> None:
    rule = {"admission": {"kind": "min_count", "min_count": 3}}
    state = TrainingState(with_rules(make_definition("deepfm"), {"user_id": rule}))
    [table] = state.store.tables.values()
    fids, slots = hash_ids(pa.array(["ann"]), USER_SLOT), np.full(1, USER_SLOT, np.uint16)
    for _ in range(2):
        table.lookup_or_create(fids, slots, 1_000)
    stage = Stage(tmp_path)
    append_order(stage, "user", "ann")
    state.learn(parsed(stage))
    table.lookup_or_create(fids, slots, 1_000)
    assert not table.contains(fids)[0]


def parsed(stage: Stage) -> Any:
    from engine.training.logged import parse_records

    return parse_records(stage.log.read(EXAMPLES, 0, 0))


def test_crosses_with_the_id_are_counted_for_they_cannot_be_found() -> None:
    cross = {"kind": "cross", "name": "user_topic", "sources": ["user.id", "item.topic"]}
    slot = {"name": "crossed", "number": 9, "source": "feature.user_topic", "dim": 8}
    document = make_definition("deepfm").as_json()
    document["features"], document["slots"] = [cross], [*document["slots"], slot]
    definition = type(make_definition("deepfm")).parse(document)
    assert [one.name for one in crosses_with_ids(definition, "user")] == ["crossed"]
    assert crosses_with_ids(definition, "item") == []
