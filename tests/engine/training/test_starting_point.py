from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import InvalidDocument, NoCheckpoint
from engine.spec.definition import ModelDefinition
from engine.streams.memory import MemoryLog
from engine.training.batch import train_batch
from engine.training.online import OnlineTrainer
from engine.training.starting_point import start_from
from engine.training.state import TrainingState
from tests.engine.training.made import FakeClock, append_examples, make_definition, make_examples, with_rules

OLD = make_definition("deepfm")
NEW = with_rules(OLD, {}, sparse_optimizer={"kind": "adagrad", "learning_rate": 0.01})


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog()
    append_examples(log, "p", make_examples(192))
    return log


def train(log: MemoryLog, definition: ModelDefinition, version: int, folder: Path, **more: Any) -> Any:
    return train_batch(definition, log, "p", "m", version, folder, clock=FakeClock(), **more)


def test_new_version_goes_on_at_the_place_and_with_the_rows_of_the_old(log: MemoryLog, tmp_path: Path) -> None:
    train(log, OLD, 1, tmp_path / "v1")
    before = TrainingState.restore(OLD, tmp_path / "v1")
    report = start_from(NEW, tmp_path / "v1", tmp_path / "v2", clock=FakeClock())
    assert sum(report.num_rows.values()) == before.store.num_rows
    append_examples(log, "p", make_examples(200)[192:])
    trainer = OnlineTrainer(NEW, log, "p", "m", 2, tmp_path / "v2", clock=FakeClock())
    assert trainer.state.store.digest() == before.store.digest()
    assert trainer.poll(0.0).num_examples == 8


@pytest.mark.parametrize("stopping", [None, {"fraction": 0.5, "max_epochs": 2}])
def test_batch_run_of_it_learns_only_what_came_since(
    log: MemoryLog, tmp_path: Path, stopping: dict[str, Any] | None
) -> None:
    new = with_rules(NEW, {}, training={**NEW.as_json()["training"], "early_stopping": stopping})
    train(log, OLD, 1, tmp_path / "v1")
    start_from(new, tmp_path / "v1", tmp_path / "v2", clock=FakeClock())
    append_examples(log, "p", make_examples(212)[192:])
    result = train(log, new, 2, tmp_path / "v2", resume=True)
    # once, or twice over the first half of the twenty and once over the second
    assert result.num_examples - 192 in ((20,) if stopping is None else (20, 30))
    assert result.end_offsets == {0: 212}


def test_nothing_learned_is_nothing_to_start_from(tmp_path: Path) -> None:
    with pytest.raises(NoCheckpoint, match="train it first"):
        start_from(NEW, tmp_path / "v1", tmp_path / "v2", clock=FakeClock())


def test_slot_that_means_something_else_is_refused(log: MemoryLog, tmp_path: Path) -> None:
    train(log, OLD, 1, tmp_path / "v1")
    other = with_rules(OLD, {"topic": {"source": "event.device"}})
    with pytest.raises(InvalidDocument):
        start_from(other, tmp_path / "v1", tmp_path / "v2", clock=FakeClock())
    assert not (tmp_path / "v2").exists()
