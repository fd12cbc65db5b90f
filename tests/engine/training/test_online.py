from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.checkpoint.folder import newest_folder, open_folder
from engine.checkpoint.snapshot import load_snapshot
from engine.errors import LeaseLost, LogError
from engine.streams import topics
from engine.streams.log import Position, Record, StoredRecord
from engine.streams.memory import MemoryLog
from engine.training.online import OnlineTrainer
from engine.training.state import CHECKPOINTS, SNAPSHOTS
from engine.training.step_times import PHASES
from tests.engine.training.followed import Follower
from tests.engine.training.made import FakeClock, append_examples, make_definition, make_examples

METRICS = {
    "loss", "auc", "log_loss", "hr_at_10", "hr_at_10_frozen", "examples_per_s", "num_examples", "num_corrupt", "table_rows", "table_bytes",
    "event_time_ms", "lag_records", "num_created", "num_expired", "num_over_budget", "num_turned_away", "num_candidates", "candidate_bytes",
    "publish_interval_s", "slowest_replica_behind", "num_fenced",
    "num_candidates_dropped", "grouped_auc", "normalised_entropy", "calibration", "ndcg_at_10", "coverage_at_10",
    "learning_rate.sparse", "learning_rate.dense", "busy_share",
}  # fmt: skip
STEP_MS = {f"step_ms.{phase}" for phase in PHASES}


class Killed(BaseException):
    """Stands for kill -9: nothing after it runs."""


class Stage:
    """One model version's log, folder and clock, on which trainers come and go."""

    def __init__(
        self,
        tmp_path: Path,
        kind: str = "deepfm",
        log: MemoryLog | None = None,
        *,
        evaluate_fraction: float = 0.0,
        **training: Any,
    ) -> None:
        training |= {"checkpoint_every_s": 5.0, "evaluate_fraction": evaluate_fraction}
        self.definition = make_definition(kind, training=training)
        self.log = log or MemoryLog()
        self.directory = tmp_path / "m"
        self.clock = FakeClock()
        self.metrics: list[dict[str, Any]] = []
        self.follower = Follower(self.definition, self.log, self.directory)

    def trainer(self, fence: Callable[[], None] = lambda: None) -> OnlineTrainer:
        return OnlineTrainer(
            self.definition, self.log, "p", "m", 1, self.directory,
            clock=self.clock, on_metrics=self.metrics.append, fence=fence,
        )  # fmt: skip

    def run(self, trainer: OnlineTrainer, polls: int, step_s: float = 1.0) -> int:
        """Poll so often, `step_s` apart; answers the examples learned."""
        learned = 0
        for _ in range(polls):
            learned += trainer.poll(0.0).num_examples
            self.clock.now_s += step_s
        trainer.publication.await_checkpoint()
        return learned

    def assert_follower_equals(self, trainer: OnlineTrainer) -> None:
        self.follower.follow()
        assert self.follower.store.digest() == trainer.state.store.digest()
        for name, weight in trainer.state.architecture.dense_weights().items():
            np.testing.assert_array_equal(self.follower.weights[name], weight)


@pytest.mark.parametrize("kind", ["two_tower", "deepfm"])
def test_follower_gets_exactly_what_the_trainer_learned(kind: str, tmp_path: Path) -> None:
    stage = Stage(tmp_path, kind)
    append_examples(stage.log, "p", make_examples(300))
    trainer = stage.trainer()
    assert stage.run(trainer, 8) == 300
    trainer.close()
    stage.assert_follower_equals(trainer)
    through = stage.follower.headers[-1].trained_through
    assert (through.examples, through.events) == ({0: 300}, {0: 599})
    assert (through.event_time_ms, through.received_ms) == (299_000, 299_007)


def test_delta_goes_out_each_interval_and_dense_less_often(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    append_examples(stage.log, "p", make_examples(64 * 10))
    trainer = stage.trainer()
    stage.run(trainer, 10, step_s=0.5)
    stage.follower.follow()
    kinds = [header.kind.value for header in stage.follower.headers]
    # 10 polls at 0.0, 0.5, … 4.5 s: rows at 0, 1, 2, 3 and 4 s; dense at 0 s, the next not before 5 s.
    assert (kinds.count("rows"), kinds.count("dense")) == (5, 1)


def test_first_delta_comes_without_any_example_so_that_replicas_can_start(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    trainer = stage.trainer()
    stage.run(trainer, 3)
    stage.follower.follow()
    assert [header.num_upserts for header in stage.follower.headers if header.kind.value == "rows"] == [0]


def test_snapshot_equals_the_deltas_up_to_its_sequence(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    append_examples(stage.log, "p", make_examples(200))
    trainer = stage.trainer()
    stage.run(trainer, 5)
    stage.clock.now_s += 60
    stage.run(trainer, 1)
    folder = newest_folder(stage.directory / SNAPSHOTS)
    assert folder is not None
    meta = open_folder(folder).meta
    stage.follower.follow()
    assert (meta["sequence"], meta["params_offset"]) == (len(stage.follower.headers), len(stage.follower.headers))
    assert load_snapshot(folder, stage.definition).store.digest() == stage.follower.store.digest()
    stage.clock.now_s += 60
    stage.run(trainer, 1)
    assert newest_folder(stage.directory / SNAPSHOTS) == folder, "nothing new, no new snapshot"


def test_metrics_have_every_key_and_count(tmp_path: Path) -> None:
    stage = Stage(tmp_path, evaluate_fraction=0.5)
    append_examples(stage.log, "p", make_examples(100))
    trainer = stage.trainer()
    stage.run(trainer, 4)
    assert set(stage.metrics[-1]) - STEP_MS == METRICS
    assert set(stage.metrics[0]) >= STEP_MS and 0.0 < stage.metrics[0]["busy_share"] <= 1.0
    assert stage.metrics[-1]["num_examples"] == 100
    assert stage.metrics[-1]["lag_records"] == 0
    assert stage.metrics[0]["examples_per_s"] == 100.0
    assert 0.0 <= stage.metrics[-1]["hr_at_10"] <= 1.0


def test_checkpoint_that_is_asked_for_is_written_at_once(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    append_examples(stage.log, "p", make_examples(100))
    trainer = stage.trainer()
    stage.run(trainer, 2)
    number, before = trainer.publication.ask_checkpoint(), trainer.publication.num_checkpoints_written
    assert before < number
    trainer.poll(0.0)
    trainer.publication.await_checkpoint()
    trainer.poll(0.0)
    assert trainer.publication.num_checkpoints_written == number
    assert trainer.publication.examples_saved == 100
    trainer.abandon()


def test_lost_lease_stops_before_anything_leaves(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    append_examples(stage.log, "p", make_examples(100))
    lost = False

    def fence() -> None:
        if lost:
            raise LeaseLost("the lease went to another holder")

    trainer = stage.trainer(fence)
    stage.run(trainer, 1)
    end, lost = stage.log.end_offsets("p.params.m.v1"), True
    stage.clock.now_s += 100
    with pytest.raises(LeaseLost):
        trainer.poll(0.0)
    assert stage.log.end_offsets("p.params.m.v1") == end
    assert newest_folder(stage.directory / CHECKPOINTS) is None


def test_after_a_restart_nothing_is_published_before_the_old_place_is_passed(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    append_examples(stage.log, "p", make_examples(64 * 6))
    first = stage.trainer()
    stage.run(first, 6)  # the checkpoint at 5 s holds five batches or six; the deltas hold more than the one before it
    stage.follower.follow()
    published = stage.follower.headers[-1].trained_through.examples[0]
    for folder in sorted((stage.directory / CHECKPOINTS).iterdir()):
        (folder / "manifest.json").unlink()  # so that the next trainer starts from nothing at all
    second = stage.trainer()
    num_deltas = len(stage.follower.headers)
    while second.state.progress.num_examples + 64 < published:
        stage.run(second, 1)
        stage.follower.follow()
        assert len(stage.follower.headers) == num_deltas
    stage.run(second, 3)
    second.close()
    stage.assert_follower_equals(second)
    assert second.state.progress.num_examples == 64 * 6


def test_frozen_copy_is_of_the_first_start_even_after_a_restart(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    append_examples(stage.log, "p", make_examples(200))
    first = stage.trainer()
    stage.run(first, 5)
    first.close()
    frozen = sorted((stage.directory / "frozen").iterdir())
    second = stage.trainer()
    assert sorted((stage.directory / "frozen").iterdir()) == frozen
    assert second.state.progress.num_examples == 200
    assert load_snapshot(frozen[0], stage.definition).store.num_rows == 0


class FaultyLog(MemoryLog):
    """Fails or dies around the append numbered `fatal`: before it, or after it with the answer lost."""

    def __init__(self) -> None:
        super().__init__()
        self.num_left: int | None = None
        self.error: type[BaseException] = Killed
        self.after = False

    def append(self, topic: str, records: Sequence[Record]) -> list[Position]:
        if topic.startswith("p.params") and self.num_left is not None:
            self.num_left -= 1
            if self.num_left < 0:
                self.num_left = None
                if self.after:
                    super().append(topic, records)
                raise self.error("at an append")
        return super().append(topic, records)


@pytest.mark.parametrize("seed", range(4))
def test_killed_again_and_again_every_example_counts_once_and_no_delta_is_lost(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    log = FaultyLog()
    stage = Stage(tmp_path, "two_tower" if seed % 2 else "deepfm", log)
    append_examples(log, "p", make_examples(64 * 20))
    for _ in range(4):
        log.num_left, log.after = int(rng.integers(0, 6)), bool(rng.integers(2))
        log.error = Killed if rng.random() < 0.7 else LogError
        trainer = stage.trainer()
        with contextlib.suppress(Killed, LogError):  # neither comes when nothing is left to publish
            stage.run(trainer, 40, step_s=float(rng.uniform(0.3, 2.0)))
    log.num_left = None
    last = stage.trainer()
    stage.run(last, 40)
    last.close()
    assert last.state.progress.num_examples == 64 * 20
    assert last.state.progress.examples == {0: 64 * 20}
    stage.assert_follower_equals(last)


def test_killed_and_unkilled_runs_end_in_the_same_state(tmp_path: Path) -> None:
    digests = []
    for name, kills in (("unkilled", 0), ("killed", 3)):
        stage = Stage(tmp_path / name)
        append_examples(stage.log, "p", make_examples(64 * 12))
        for _ in range(kills):
            stage.run(stage.trainer(), 7)
        trainer = stage.trainer()
        stage.run(trainer, 14)
        trainer.close()
        digests.append((trainer.state.store.digest(), trainer.state.progress))
    assert digests[0] == digests[1]


class DyingLog(MemoryLog):
    """Every call may be the last of a trainer: `num_left` counts them down. It forgets nothing, so that all can be told again."""

    def __init__(self) -> None:
        super().__init__()
        self.num_left: int | None = None

    def _live(self) -> None:
        if self.num_left is not None:
            self.num_left -= 1
            if self.num_left < 0:
                self.num_left = None
                raise Killed("at a call of the log")

    def append(self, topic: str, records: Sequence[Record]) -> list[Position]:
        self._live()
        positions = super().append(topic, records)
        self._live()
        return positions

    def read(self, *args: Any, **kwargs: Any) -> list[StoredRecord]:
        self._live()
        return super().read(*args, **kwargs)

    def trim(self, topic: str, partition: int, before_offset: int) -> None:
        self._live()


def copied(log: MemoryLog) -> MemoryLog:
    """What was learned from, and in which steps."""
    copy = MemoryLog()
    for topic in (topics.examples("p"), topics.trainer_steps("p", "m", 1)):
        copy.create_topic(topic, len(log.partitions(topic)))
        for partition in log.partitions(topic):
            copy._topics[topic][partition].records.extend(log.read(topic, partition, 0, 100_000))
    return copy


@pytest.mark.parametrize(("kind", "num_kills"), [("deepfm", 20), ("two_tower", 5)])
def test_run_killed_again_and_again_while_examples_arrive_ends_as_one_never_killed(
    kind: str, num_kills: int, tmp_path: Path
) -> None:
    """To the bit, with examples from several partitions, steps of every size, and kills at any call of the log."""
    rng, log = np.random.default_rng(num_kills), DyingLog()
    log.create_topic("p.examples", 3)
    stage = Stage(tmp_path / "killed", kind, log)
    examples = make_examples(40 * num_kills, origin="action")
    for number in range(num_kills):
        append_examples(log, "p", examples[40 * number : 40 * number + 40])
        log.num_left = int(rng.integers(12, 60))
        with contextlib.suppress(Killed):
            trainer = stage.trainer()
            for _ in range(8):
                trainer.poll(0.0)
                stage.clock.now_s += rng.choice([0.1, 1.0, 3.0])
        log.num_left = None
        trainer.abandon()
    trainer = stage.trainer()
    stage.run(trainer, 20)
    trainer.close()
    stage.assert_follower_equals(trainer)

    never = Stage(tmp_path / "never", kind, copied(log))
    never.clock.now_s = 5e8
    twin = never.trainer()
    never.run(twin, 60)
    assert twin.state.progress == trainer.state.progress
    assert twin.state.progress.num_examples == 40 * num_kills
    assert twin.state.store.digest() == trainer.state.store.digest()
    for name, weight in trainer.state.architecture.dense_weights().items():
        np.testing.assert_array_equal(twin.state.architecture.dense_weights()[name], weight)


def test_online_steps_have_their_own_batch_size(tmp_path: Path) -> None:
    stage = Stage(tmp_path, online_batch_size=20)
    append_examples(stage.log, "p", make_examples(50))
    trainer = stage.trainer()
    assert [trainer.poll(0.0).num_examples for _ in range(4)] == [20, 20, 10, 0]
