from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.checkpoint.folder import newest_folder
from engine.errors import CorruptRecord, NoCheckpoint
from engine.training.state import CHECKPOINTS, TrainingState
from tests.engine.training.made import as_logged, make_definition, make_examples


def learn(state: TrainingState, start: int, end: int) -> TrainingState:
    examples = make_examples(end, origin="action")
    for first in range(start, end, 64):
        state.learn(as_logged(examples[first : first + 64], first))
    return state


@pytest.mark.parametrize("kind", ["two_tower", "deepfm"])
def test_restored_run_goes_on_to_the_bit_as_if_never_stopped(kind: str, tmp_path: Path) -> None:
    definition = make_definition(kind)
    whole = learn(TrainingState(definition), 0, 512)
    half = learn(TrainingState(definition), 0, 256)
    half.save(tmp_path, created_ms=1)
    restored = learn(TrainingState.restore(definition, tmp_path), 256, 512)
    assert restored.store.digest() == whole.store.digest()
    assert restored.store.num_touched == whole.store.num_touched
    for name, weight in whole.architecture.dense_weights().items():
        np.testing.assert_array_equal(restored.architecture.dense_weights()[name], weight)
    for name, moment in whole.dense_optimizer.state().items():
        np.testing.assert_array_equal(restored.dense_optimizer.state()[name], moment)
    assert restored.progress == whole.progress
    assert restored.metrics.as_json() == whole.metrics.as_json()
    assert restored.metrics.windows() == whole.metrics.windows()
    assert restored.catalogue.to_arrow().equals(whole.catalogue.to_arrow())
    np.testing.assert_array_equal(restored.pool.recent(), whole.pool.recent())


def test_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path) -> None:
    definition = make_definition("deepfm")
    state = learn(TrainingState(definition), 0, 64)
    state.save(tmp_path, created_ms=1)
    learn(state, 64, 128).save(tmp_path, created_ms=2)
    newest = newest_folder(tmp_path / CHECKPOINTS)
    assert newest is not None
    (newest / "dim8.arrow").write_bytes(b"garbage")
    assert TrainingState.restore(definition, tmp_path).progress.num_examples == 64


def test_checkpoint_of_another_definition_is_refused(tmp_path: Path) -> None:
    TrainingState(make_definition("deepfm")).save(tmp_path, created_ms=1)
    with pytest.raises(CorruptRecord, match="another model definition"):
        TrainingState.restore(make_definition("two_tower"), tmp_path)


def test_nothing_saved_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(NoCheckpoint):
        TrainingState.restore(make_definition("deepfm"), tmp_path)
    assert TrainingState.restore_or_new(make_definition("deepfm"), tmp_path).progress.num_examples == 0


def test_progress_counts_examples_and_keeps_the_newest_places() -> None:
    state = TrainingState(make_definition("deepfm"))
    examples = make_examples(10)
    state.learn(as_logged(examples[::-1], 5))
    through = state.progress.trained_through()
    assert (through.examples, through.events) == ({0: 15}, {0: 19})
    assert (through.event_time_ms, through.received_ms) == (9_000, 9_007)
    assert state.progress.reaches({0: 15}) and not state.progress.reaches({0: 15, 1: 1})
