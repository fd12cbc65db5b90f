"""A record of `examples` that cannot be read costs itself and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import OffsetOutOfRange
from engine.streams import topics
from engine.streams.log import Record
from engine.streams.memory import MemoryLog
from engine.training.batch import train_batch
from engine.training.state import TrainingState
from tests.engine.training.made import FakeClock, append_examples, make_example, make_examples
from tests.engine.training.test_online import Stage

EXAMPLES = topics.examples("p")
CORRUPT = [Record("u", value, 0) for value in (b"\xff", b"{}", b"null")]


def damaged_log() -> MemoryLog:
    """100 examples with three bad records in their midst, and a whole batch of bad ones behind."""
    log, examples = MemoryLog(), make_examples(100)
    append_examples(log, "p", examples[:50])
    log.append(EXAMPLES, CORRUPT)
    append_examples(log, "p", examples[50:])
    log.append(EXAMPLES, [CORRUPT[0]] * 130)
    return log


@pytest.mark.parametrize("kind", ["two_tower", "deepfm"])
def test_online_trainer_steps_over_what_it_cannot_read_and_counts_it(kind: str, tmp_path: Path) -> None:
    stage = Stage(tmp_path, kind, damaged_log(), evaluate_fraction=1.0)
    trainer = stage.trainer()
    assert stage.run(trainer, 8) == 100
    trainer.close()
    assert (stage.metrics[-1]["num_examples"], stage.metrics[-1]["num_corrupt"]) == (100, 133)
    assert (stage.metrics[-1]["lag_records"], trainer.state.progress.examples) == (0, {0: 233})
    assert TrainingState.restore(stage.definition, stage.directory).progress.num_corrupt == 133


def test_batch_run_steps_over_what_it_cannot_read_and_reaches_the_end(tmp_path: Path) -> None:
    stage = Stage(tmp_path, log=damaged_log())
    result = train_batch(stage.definition, stage.log, "p", "m", 1, tmp_path / "m", clock=FakeClock())
    assert (result.is_complete, result.num_examples, result.num_corrupt) == (True, 100, 133)
    assert result.end_offsets == {0: 233}


@pytest.mark.parametrize("value", [{"deep": [1]}, [["x"]], "nul\x00", 2**63, -(2**63), True, None, ""])
@pytest.mark.parametrize("kind", ["two_tower", "deepfm"])
def test_property_of_an_odd_value_stops_nothing(kind: str, value: Any, tmp_path: Path) -> None:
    stage = Stage(tmp_path, kind)
    odd = replace(
        make_example(1, 1, 1), user={"age": value}, item={"topic": value, "price": value}, event={"device": value}
    )
    append_examples(stage.log, "p", [*make_examples(20), odd, *make_examples(20)])
    assert stage.run(stage.trainer(), 3) == 41


def test_trainer_beyond_the_end_of_a_log_that_was_replaced_says_so(tmp_path: Path) -> None:
    """A log restored from an old backup ends before the checkpoint: waiting would skip what comes until then."""
    stage = Stage(tmp_path)
    append_examples(stage.log, "p", make_examples(100))
    trainer = stage.trainer()
    stage.run(trainer, 3)
    trainer.close()
    stage.log = MemoryLog()
    append_examples(stage.log, "p", make_examples(10))
    with pytest.raises(OffsetOutOfRange, match="ends at 10"):
        stage.trainer()
