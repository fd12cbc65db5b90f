from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.spec.definition import ModelDefinition
from engine.spec.early_stopping import EarlyStopping
from engine.streams.memory import MemoryLog
from engine.training.batch import BatchProgress, BatchResult, train_batch
from engine.training.batch_job import BatchJob
from engine.training.epoch_plan import EpochPlan, EpochResult
from engine.training.epochs import BEST
from engine.training.online import OnlineTrainer
from engine.training.state import TrainingState
from tests.engine.training.followed import Follower
from tests.engine.training.made import FakeClock, append_examples, as_logged, make_definition, make_examples

NUM, HELD_OUT = 64 * 5, 64


def definition_of(**rule: Any) -> ModelDefinition:
    stopping = {"fraction": HELD_OUT / NUM, "max_epochs": 3, "patience": 5, **rule}
    training = {"checkpoint_every_s": 2.5, "evaluate_fraction": 0.0, "early_stopping": stopping}
    return make_definition("deepfm", training=training)


TWO_EPOCHS = definition_of(max_epochs=2)


def stream(num: int = NUM) -> MemoryLog:
    log = MemoryLog()
    append_examples(log, "p", make_examples(num, origin="impression"))
    return log


def train(log: MemoryLog, definition: ModelDefinition, directory: Path, **more: Any) -> BatchResult:
    return train_batch(definition, log, "p", "m", 1, directory, **{"clock": FakeClock(), **more})


def by_hand(definition: ModelDefinition, num_epochs: int) -> TrainingState:
    """So many epochs over the earlier examples, then once over those held out."""
    state = TrainingState(definition)
    examples = make_examples(NUM, origin="impression")
    batches = [as_logged(examples[start : start + 64], start) for start in range(0, NUM, 64)]
    for _ in range(num_epochs):
        for batch in batches[:-1]:
            state.learn(batch)
    state.metrics = state.metrics.emptied()
    state.learn(batches[-1])
    return state


def judged(monkeypatch: pytest.MonkeyPatch, values: list[float | None]) -> None:
    """Epochs whose held-out AUC is what the test says."""
    real = EpochPlan.judge

    def judge(self: EpochPlan, _: dict[str, float | None], rule: EarlyStopping, name: str | None) -> EpochResult:
        return real(self, {"auc": values[len(self.results)]}, rule)

    monkeypatch.setattr(EpochPlan, "judge", judge)


@pytest.mark.parametrize(("best", "values"), [(1, [0.9, 0.8, 0.7]), (2, [0.6, 0.8, 0.7]), (3, [0.6, 0.7, 0.8])])
def test_result_is_the_best_epoch_gone_on_over_what_was_held_out(
    best: int, values: list[float | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged(monkeypatch, values)
    definition = definition_of()
    result = train(stream(), definition, tmp_path)
    assert (result.is_complete, result.end_offsets, len(result.epochs)) == (True, {0: NUM}, 3)
    kept = TrainingState.restore(definition, tmp_path)
    assert kept.store.digest() == by_hand(definition, best).store.digest()
    assert kept.progress.num_examples == best * (NUM - HELD_OUT) + HELD_OUT
    assert result.metrics["auc"] == max(value for value in values if value is not None)


def test_each_epoch_is_judged_by_scores_given_before_the_examples_held_out_were_learned(tmp_path: Path) -> None:
    definition = definition_of(max_epochs=2)
    result = train(stream(), definition, tmp_path)
    expected = [by_hand(definition, number).metrics.values() for number in (1, 2)]
    assert [epoch.values["auc"] for epoch in result.epochs] == [each["auc"] for each in expected]
    assert [epoch.values["log_loss"] for epoch in result.epochs] == [each["log_loss"] for each in expected]


def test_it_ends_when_no_epoch_was_better_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged(monkeypatch, [0.6, 0.7, 0.705, 0.69, 0.9])
    result = train(stream(), definition_of(max_epochs=9, patience=2, min_delta=0.01), tmp_path)
    assert [epoch.is_best for epoch in result.epochs] == [True, True, False, False]


def test_online_goes_on_at_the_exact_offset_and_replicas_load_the_result(tmp_path: Path) -> None:
    definition, log = definition_of(max_epochs=2), stream()
    follower = Follower(definition, log, tmp_path)
    train(log, definition, tmp_path)
    follower.follow()
    assert [header.kind.value for header in follower.headers] == ["snapshot"]
    append_examples(log, "p", make_examples(NUM + 10, origin="impression")[NUM:])
    trainer = OnlineTrainer(definition, log, "p", "m", 1, tmp_path, clock=FakeClock())
    assert follower.store.digest() == trainer.state.store.digest()
    assert trainer.poll(0.0).num_examples == 10


def test_first_epoch_alone_is_told_to_the_metrics(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def note(progress: BatchProgress) -> None:
        seen.append((progress.num_examples, len(progress.state.metrics._scores)))

    train(stream(), definition_of(max_epochs=2), tmp_path, on_progress=note)
    first = NUM - HELD_OUT
    # an epoch, its judgement, the next epoch, its judgement
    assert dict(seen) == {
        64: 64,
        128: 128,
        192: 192,
        256: 256,
        320: first,
        384: first,
        448: first,
        512: first,
        576: 64,
    } | {first + 64: first}


class Killed(BaseException):
    """Stands for kill -9."""


def dies_at(place: int) -> Callable[[BatchProgress], None]:
    calls = iter(range(1000))

    def on_progress(_: BatchProgress) -> None:
        if next(calls) == place:
            raise Killed

    return on_progress


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[BatchResult, int]:
    """Of a run of two epochs that nobody disturbed, with the digest of its tables."""
    directory = tmp_path_factory.mktemp("whole")
    result = train(stream(), TWO_EPOCHS, directory)
    return result, TrainingState.restore(TWO_EPOCHS, directory).store.digest()


# at the first batch, in the judging of the first epoch, in the second epoch, in its judging
@pytest.mark.parametrize("place", [0, 4, 6, 9])
def test_killed_anywhere_it_ends_as_if_it_had_not_been(
    place: int, tmp_path: Path, whole: tuple[BatchResult, int]
) -> None:
    definition, log = TWO_EPOCHS, stream()
    ticking = FakeClock()

    def clock() -> float:
        ticking.now_s += 1.0
        return ticking.now_s

    with pytest.raises(Killed):
        train(log, definition, tmp_path / "killed", on_progress=dies_at(place), clock=clock)
    append_examples(log, "p", make_examples(7))  # what comes later has no part in it
    resumed = train(log, definition, tmp_path / "killed", resume=True)
    assert resumed.epochs == whole[0].epochs
    assert resumed.end_offsets == whole[0].end_offsets == {0: NUM}
    assert TrainingState.restore(definition, tmp_path / "killed").store.digest() == whole[1]
    assert not (tmp_path / "killed" / BEST).exists()


def test_killed_while_publishing_it_publishes_the_best_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: tuple[BatchResult, int]
) -> None:
    definition, log = TWO_EPOCHS, stream()
    real = BatchJob.publication
    calls = iter(range(10))

    def publication(job: BatchJob, state: TrainingState) -> Any:
        if next(calls) == 2:
            raise Killed
        return real(job, state)

    monkeypatch.setattr(BatchJob, "publication", publication)
    with pytest.raises(Killed):
        train(log, definition, tmp_path / "killed")
    monkeypatch.undo()
    resumed = train(log, definition, tmp_path / "killed", resume=True)
    assert (resumed.epochs, resumed.num_examples) == (whole[0].epochs, whole[0].num_examples)


def test_asked_to_stop_it_goes_on_later(tmp_path: Path, whole: tuple[BatchResult, int]) -> None:
    log = stream()
    polls = iter([False] * 7 + [True])
    stopped = train(log, TWO_EPOCHS, tmp_path, should_stop=lambda: next(polls))
    assert not stopped.is_complete
    assert train(log, TWO_EPOCHS, tmp_path, resume=True).epochs == whole[0].epochs


@given(st.integers(0, 50), st.integers(0, 50), st.floats(0.01, 0.99))
def test_every_example_is_learned_or_held_out(start: int, num: int, fraction: float) -> None:
    plan = EpochPlan.begin({0: start}, {0: start + num}, fraction)
    assert plan.num_learned + plan.num_held_out == num
    assert start <= plan.splits[0] <= start + num
    if num > 1:
        assert plan.num_learned and plan.num_held_out


def test_plan_survives_its_file(tmp_path: Path) -> None:
    plan = EpochPlan.begin({0: 1, 1: 0}, {0: 11, 1: 20}, 0.1)
    plan.results.append(EpochResult(0, {"auc": 0.7, "log_loss": None}, True))
    plan.save(tmp_path)
    assert EpochPlan.load(tmp_path) == plan
    assert EpochPlan.load(tmp_path / "elsewhere") is None


@pytest.mark.parametrize(
    ("metric", "values", "best"), [("log_loss", [0.5, 0.4, 0.45], 1), ("auc", [None, 0.4, None], 1)]
)
def test_better_is_less_of_a_loss_and_a_value_at_all(metric: str, values: list[float | None], best: int) -> None:
    rule, plan = EarlyStopping.parse({"metric": metric}), EpochPlan({}, {}, {})
    for value in values:
        plan.results.append(plan.judge({metric: value}, rule))
    assert plan.best is not None and plan.best.epoch == best
