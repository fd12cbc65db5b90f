from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.streams.memory import MemoryLog
from engine.training.batch import BatchProgress, train_batch
from engine.training.online import OnlineTrainer
from engine.training.state import TrainingState
from tests.engine.training.followed import Follower
from tests.engine.training.made import FakeClock, append_examples, as_logged, make_definition, make_examples

DEFINITION = make_definition("deepfm", training={"checkpoint_every_s": 2.5})


def stream(num: int) -> MemoryLog:
    log = MemoryLog()
    append_examples(log, "p", make_examples(num))
    return log


class Ticking(FakeClock):
    """A second passes with each look at the clock."""

    def __call__(self) -> float:
        self.now_s += 1.0
        return self.now_s


def test_one_pass_ends_at_the_end_found_at_the_start(tmp_path: Path) -> None:
    log = stream(200)
    seen: list[BatchProgress] = []

    def on_progress(progress: BatchProgress) -> None:
        seen.append(progress)
        append_examples(log, "p", make_examples(10, seed=9))

    result = train_batch(DEFINITION, log, "p", "m", 1, tmp_path, clock=FakeClock(), on_progress=on_progress)
    assert (result.is_complete, result.num_examples, result.end_offsets) == (True, 200, {0: 200})
    assert [progress.num_examples for progress in seen] == [64, 128, 192, 200]
    assert {progress.num_total for progress in seen} == {200}
    assert result.metrics["auc"] is not None and result.tables["table_rows"] > 0


def test_end_can_be_an_offset_or_an_event_time(tmp_path: Path) -> None:
    log = stream(100)
    by_offset = train_batch(DEFINITION, log, "p", "m", 1, tmp_path / "a", clock=FakeClock(), until_offsets={0: 70})
    by_time = train_batch(DEFINITION, log, "p", "m", 2, tmp_path / "b", clock=FakeClock(), until_time_ms=70_000)
    assert by_offset.end_offsets == by_time.end_offsets == {0: 70}


def test_online_goes_on_at_the_exact_offset_and_equals_one_single_run(tmp_path: Path) -> None:
    examples = make_examples(64 * 6)
    log = stream(64 * 6)
    train_batch(DEFINITION, log, "p", "m", 1, tmp_path, clock=FakeClock(), until_offsets={0: 64 * 4})
    trainer = OnlineTrainer(DEFINITION, log, "p", "m", 1, tmp_path, clock=FakeClock())
    assert [trainer.poll(0.0).num_examples for _ in range(3)] == [64, 64, 0]
    whole = TrainingState(DEFINITION)
    for start in range(0, 64 * 6, 64):
        whole.learn(as_logged(examples[start : start + 64], start))
    assert trainer.state.store.digest() == whole.store.digest()


def test_replicas_get_the_result_as_one_snapshot_and_then_only_news(tmp_path: Path) -> None:
    log = stream(64 * 5)
    follower = Follower(DEFINITION, log, tmp_path)
    train_batch(DEFINITION, log, "p", "m", 1, tmp_path, clock=FakeClock(), until_offsets={0: 64 * 4})
    follower.follow()
    assert [header.kind.value for header in follower.headers] == ["snapshot"]
    num_rows = follower.store.num_rows
    clock = FakeClock()
    trainer = OnlineTrainer(DEFINITION, log, "p", "m", 1, tmp_path, clock=clock)
    trainer.poll(0.0)
    follower.follow()
    assert 0 < sum(header.num_upserts for header in follower.headers) < num_rows
    assert follower.store.digest() == trainer.state.store.digest()


def test_stopped_run_resumes_where_it_was(tmp_path: Path) -> None:
    log = stream(64 * 6)
    polls = iter([False, False, True])
    stopped = train_batch(DEFINITION, log, "p", "m", 1, tmp_path, clock=FakeClock(), should_stop=lambda: next(polls))
    assert (stopped.is_complete, stopped.num_examples) == (False, 128)
    resumed = train_batch(DEFINITION, log, "p", "m", 1, tmp_path, clock=FakeClock(), resume=True)
    assert (resumed.is_complete, resumed.num_examples) == (True, 64 * 6)
    whole = train_batch(DEFINITION, log, "p", "m", 2, tmp_path / "whole", clock=FakeClock())
    assert resumed.metrics == whole.metrics


def test_killed_run_resumes_from_its_own_checkpoint(tmp_path: Path) -> None:
    log = stream(64 * 6)

    def die(progress: BatchProgress) -> None:
        if progress.num_examples == 64 * 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_batch(DEFINITION, log, "p", "m", 1, tmp_path, clock=Ticking(), on_progress=die)
    saved = TrainingState.restore(DEFINITION, tmp_path).progress.num_examples
    assert 0 < saved <= 64 * 5
    seen: list[int] = []
    resumed = train_batch(
        DEFINITION, log, "p", "m", 1, tmp_path, clock=FakeClock(), resume=True,
        on_progress=lambda progress: seen.append(progress.num_examples),
    )  # fmt: skip
    assert (seen[0], resumed.num_examples) == (saved + 64, 64 * 6)


def test_without_resume_an_earlier_run_leaves_no_trace(tmp_path: Path) -> None:
    log = stream(150)
    first = train_batch(DEFINITION, log, "p", "m", 1, tmp_path, clock=FakeClock())
    second = train_batch(DEFINITION, log, "p", "m", 1, tmp_path, clock=FakeClock())
    bytes_differ = {"table_bytes": 0}  # with the index's salt, by a few
    assert replace(first, tables=first.tables | bytes_differ) == replace(second, tables=second.tables | bytes_differ)
    assert np.isfinite(second.metrics["loss"] or np.nan)


def test_topic_without_examples_gives_an_empty_model(tmp_path: Path) -> None:
    log = MemoryLog()
    log.create_topic("p.examples")
    result = train_batch(DEFINITION, log, "p", "m", 1, tmp_path, clock=FakeClock())
    assert (result.is_complete, result.num_examples, result.end_offsets, result.tables["table_rows"]) == (
        True,
        0,
        {0: 0},
        0,
    )


def test_batch_run_ranks_clicks_before_they_are_learned_and_has_no_frozen_copy(tmp_path: Path) -> None:
    definition = make_definition("deepfm", training={"evaluate_fraction": 0.5})
    metrics = train_batch(definition, stream(64 * 10), "p", "m", 1, tmp_path, clock=FakeClock()).metrics
    assert all(0 < (metrics[name] or 0) <= 1 for name in ("hr_at_10", "ndcg_at_10", "coverage_at_10"))
    assert metrics["hr_at_10_frozen"] is None
