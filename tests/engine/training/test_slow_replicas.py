"""A trainer publishes less often while a replica that lives is far behind, loses nothing by it, and recovers by itself."""

from __future__ import annotations

from pathlib import Path

from engine.sync.back_pressure import SLOW_FROM
from engine.sync.delta import DeltaKind
from engine.training.online import OnlineTrainer
from tests.engine.training.made import append_examples, make_examples
from tests.engine.training.test_online import Stage


class Followers:
    """One replica, so many deltas behind; None when it is dead."""

    def __init__(self) -> None:
        self.num_behind: int | None = 0
        self.trainer: OnlineTrainer | None = None

    def __call__(self) -> dict[str, int]:
        if self.num_behind is None or self.trainer is None:
            return {}
        return {"r": max(1, self.trainer.publication.publisher.sequence - self.num_behind)}


def num_published(stage: Stage, trainer: OnlineTrainer, seconds: int) -> int:
    """Publishes of rows in so many seconds, examples coming in all the time."""
    before = len(stage.follower.headers)
    for _ in range(seconds):
        append_examples(stage.log, "p", make_examples(2))
        stage.run(trainer, 1)
    stage.follower.follow()
    return sum(header.kind is DeltaKind.ROWS for header in stage.follower.headers[before:])


def test_it_slows_down_for_one_that_lives_and_not_for_one_that_died(tmp_path: Path) -> None:
    stage, followers = Stage(tmp_path), Followers()
    trainer = OnlineTrainer(
        stage.definition, stage.log, "p", "m", 1, stage.directory,
        clock=stage.clock, on_metrics=stage.metrics.append, followers=followers,
    )  # fmt: skip
    followers.trainer = trainer
    assert num_published(stage, trainer, 60) == 60
    followers.num_behind = SLOW_FROM
    # Waits of 2, 4, 8, 16 and 30 s add up to 60.
    assert num_published(stage, trainer, 60) <= 7
    assert trainer.publication.back_pressure.is_slowed
    assert stage.metrics[-1]["publish_interval_s"] > 1.0
    assert stage.metrics[-1]["slowest_replica_behind"] == SLOW_FROM
    followers.num_behind = None
    # It halves with each look, a second apart.
    assert num_published(stage, trainer, 10) >= 5
    assert (stage.metrics[-1]["publish_interval_s"], stage.metrics[-1]["slowest_replica_behind"]) == (1.0, None)
    trainer.close()
    stage.assert_follower_equals(trainer)


def test_another_pace_holds_from_when_it_is_asked_for(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    trainer = OnlineTrainer(
        stage.definition, stage.log, "p", "m", 1, stage.directory, clock=stage.clock, on_metrics=stage.metrics.append
    )
    assert num_published(stage, trainer, 10) == 10
    trainer.publication.publish_every(5.0)
    num_published(stage, trainer, 5)
    assert num_published(stage, trainer, 20) == 4
    assert stage.metrics[-1]["publish_interval_s"] == 5.0
    trainer.publication.publish_every(None)
    assert num_published(stage, trainer, 10) >= 9
    trainer.close()
    stage.assert_follower_equals(trainer)
