"""Canaries go through training without a trace in the parameters, and every follower hears that they have passed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.spec.canary import canary_event, canary_example
from engine.spec.example import Cause, Example
from engine.streams import groups, topics
from engine.streams.log import Record
from engine.training.batch import train_batch
from engine.training.online import OnlineTrainer
from engine.training.publication import NUM_IDLE
from engine.training.state import CHECKPOINTS, SNAPSHOTS
from tests.engine.training.made import FakeClock, append_examples, make_examples
from tests.engine.training.test_online import Stage

EXAMPLES = topics.examples("p")


def canary(offset: int) -> Example:
    event = canary_event(f"k{offset}", "freshet.canary.0", 1_000 * offset)
    return canary_example(event, Cause(0, offset, event.received_ms))


def append_canaries(stage: Stage, *offsets: int) -> None:
    stage.log.create_topic(EXAMPLES)
    stage.log.append(EXAMPLES, [Record("k", canary(each).to_bytes(), 0) for each in offsets])


def folders(stage: Stage, kind: str) -> list[str]:
    directory = stage.directory / kind
    return sorted(each.name for each in directory.iterdir()) if directory.is_dir() else []


@pytest.mark.parametrize("kind", ["two_tower", "deepfm"])
def test_an_empty_delta_tells_how_far_canaries_have_come(kind: str, tmp_path: Path) -> None:
    stage = Stage(tmp_path, kind, evaluate_fraction=1.0)
    append_examples(stage.log, "p", make_examples(40))
    trainer = stage.trainer()
    stage.run(trainer, 3)
    digest, weights = trainer.state.store.digest(), trainer.state.architecture.dense_weights()
    append_canaries(stage, 200, 201)
    assert stage.run(trainer, 3) == 0
    stage.follower.follow()
    last = stage.follower.headers[-1]
    assert (last.num_upserts, last.num_deletes) == (0, 0)
    assert (last.trained_through.events, last.trained_through.examples) == ({0: 202}, {0: 42})
    # event time is that of what was learned
    assert last.trained_through.event_time_ms == 39_000
    assert trainer.state.store.digest() == digest
    for name, weight in trainer.state.architecture.dense_weights().items():
        np.testing.assert_array_equal(weight, weights[name])
    assert (trainer.state.progress.num_examples, trainer.state.progress.num_corrupt) == (40, 0)


def test_canaries_between_examples_are_not_learned_and_a_restart_repeats_them_so(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    examples = make_examples(60)
    append_examples(stage.log, "p", examples[:30])
    append_canaries(stage, 60, 61)
    append_examples(stage.log, "p", examples[30:])
    killed = stage.trainer()
    assert stage.run(killed, 1) == 60
    killed.abandon()
    trainer = stage.trainer()
    stage.run(trainer, 3)
    assert trainer.state.progress.examples == {0: 62}
    assert trainer.state.store.digest() == killed.state.store.digest()
    stage.assert_follower_equals(trainer)


def test_batch_run_passes_canaries_over(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    append_examples(stage.log, "p", make_examples(20))
    append_canaries(stage, 100)
    result = train_batch(stage.definition, stage.log, "p", "m", 1, stage.directory, clock=FakeClock())
    assert (result.num_examples, result.num_corrupt, result.end_offsets) == (20, 0, {0: 21})


def idle(stage: Stage, trainer: OnlineTrainer, first: int, num: int) -> None:
    for number in range(num):
        append_canaries(stage, first + number)
        stage.run(trainer, 1, step_s=5.0)


def test_canaries_alone_lead_to_no_snapshot_and_no_checkpoint_but_their_place_is_told(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    append_examples(stage.log, "p", make_examples(20))
    trainer = stage.trainer()
    stage.run(trainer, 6, step_s=1000.0)
    before = folders(stage, CHECKPOINTS), folders(stage, SNAPSHOTS)
    assert all(before)
    idle(stage, trainer, 1000, 30)
    assert (folders(stage, CHECKPOINTS), folders(stage, SNAPSHOTS)) == before
    assert stage.log.committed(groups.trainer("m", 1), EXAMPLES) == {0: 50}


def test_very_many_of_them_do(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    append_examples(stage.log, "p", make_examples(20))
    trainer = stage.trainer()
    stage.run(trainer, 6, step_s=1000.0)
    before = folders(stage, CHECKPOINTS)
    append_canaries(stage, *range(1000, 1000 + NUM_IDLE))
    stage.run(trainer, 30, step_s=10.0)
    assert folders(stage, CHECKPOINTS) != before


def test_a_snapshot_that_is_asked_for_is_written_though_nothing_has_changed(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    append_examples(stage.log, "p", make_examples(20))
    trainer = stage.trainer()
    stage.run(trainer, 6, step_s=1000.0)
    [*_, newest] = sorted((stage.directory / SNAPSHOTS).iterdir())
    inode = newest.stat().st_ino
    number = trainer.publication.ask_snapshot()
    assert trainer.publication.num_snapshots_written < number
    stage.run(trainer, 1)
    trainer.publication.await_checkpoint()
    stage.run(trainer, 1)
    assert trainer.publication.num_snapshots_written == number
    [*_, again] = sorted((stage.directory / SNAPSHOTS).iterdir())
    assert again.stat().st_ino != inode
