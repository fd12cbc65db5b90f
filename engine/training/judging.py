"""How good a definition is on a log or a file: learned from the earlier examples, judged by the last, with nothing kept."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from engine.errors import GivenUp, Interrupted
from engine.spec.definition import ModelDefinition
from engine.spec.early_stopping import EarlyStopping, WatchedMetric
from engine.streams.log import EventLog
from engine.training.epoch_plan import EpochPlan, EpochResult
from engine.training.epochs import MAX_HELD_OUT_SCORES
from engine.training.example_reader import ExampleReader
from engine.training.state import TrainingState

NUM_RUNGS: Final = 8
"""So often on the way of a single pass its metric is told, so that it can be given up early; of several epochs, after each."""


class Judge:
    """Trains one definition over part of a log. One use each.

    A definition with early stopping goes over the earlier examples in epochs: after each a copy of its state goes on over those held
    out, and the verdict is that of the best. The share held out is the plan's, and so the same for all that are compared.
    """

    def __init__(
        self,
        definition: ModelDefinition,
        log: EventLog,
        topic: str,
        plan: EpochPlan,
        *,
        clock: Callable[[], float],
        should_stop: Callable[[], bool],
        on_rung: Callable[[int, float | None], bool],
    ) -> None:
        """`clock` is in seconds since 1970; `on_rung` hears the rung from 0 and the metric so far, and says whether to give up."""
        self._definition = definition
        self._log = log
        self._topic = topic
        self._plan = replace(plan, results=[])
        self._clock = clock
        self._should_stop = should_stop
        self._on_rung = on_rung

    @property
    def epochs(self) -> list[EpochResult]:
        """What each epoch came to; nothing of a single pass."""
        return self._plan.results

    def value(self, metric: WatchedMetric, task: str | None = None) -> float | None:
        """The metric of the examples held out, each scored before it was learned; None when they say nothing.

        Raises `Interrupted`, `GivenUp`, `OffsetOutOfRange`, `LogError`, ValueError for a metric that the task has not.
        """
        name = self._definition.watched(metric, task)
        state = TrainingState(self._definition, wall_clock=self._clock)
        rule = self._definition.training.early_stopping
        if rule is not None:
            return self._value_of_epochs(state, rule.model_copy(update={"metric": metric, "task": task}), name)
        self._learn_once(state, name)
        return self._of_held_out(state).get(name)

    def _learn_once(self, state: TrainingState, name: str) -> None:
        plan = self._plan
        reader = self._reader(state, new=True)
        rung, learned = 0, 0
        while num := self._learn(reader, state, plan.splits):
            learned += num
            due = learned * NUM_RUNGS // max(1, plan.num_learned)
            if due > rung and due < NUM_RUNGS:
                rung = due
                if self._on_rung(rung - 1, state.metrics.values().get(name)):
                    raise GivenUp(f"given up after {learned} of {plan.num_learned} examples")

    def _value_of_epochs(self, state: TrainingState, rule: EarlyStopping, name: str) -> float | None:
        plan = self._plan
        while not plan.is_over(rule):
            number = len(plan.results)
            reader = self._reader(state, new=True)
            while self._learn(reader, state, plan.splits, is_new=number == 0):
                pass
            result = plan.judge(self._of_held_out(self._copy(state)), rule, name)
            plan.results.append(result)
            if self._on_rung(number, result.values.get(name)):
                raise GivenUp(f"given up after {number + 1} epochs")
        best = plan.best
        return None if best is None else best.values.get(name)

    def _copy(self, state: TrainingState) -> TrainingState:
        with tempfile.TemporaryDirectory(prefix="freshet-trial-") as folder:
            state.save(Path(folder), 0)
            return TrainingState.restore(self._definition, Path(folder), wall_clock=self._clock)

    def _of_held_out(self, state: TrainingState) -> dict[str, float | None]:
        """The metrics of the examples held out alone; the state learns them."""
        state.metrics = state.metrics.emptied(max(1, min(MAX_HELD_OUT_SCORES, 32 * self._plan.num_held_out)))
        reader = self._reader(state, new=False)
        while self._learn(reader, state, self._plan.ends):
            pass
        return state.metrics.values()

    def _reader(self, state: TrainingState, *, new: bool) -> ExampleReader:
        """From the plan's start, or from where the state is."""
        if new:
            state.progress.examples, state.progress.joiner_epochs = dict(self._plan.starts), {}
        reader = ExampleReader(self._log, self._topic, state.progress.examples, state.progress.joiner_epochs)
        state.event_clock.register(reader.num_partitions)
        return reader

    def _learn(self, reader: ExampleReader, state: TrainingState, ends: dict[int, int], *, is_new: bool = True) -> int:
        """Learn one batch; answers how many records it had, 0 at the ends."""
        if self._should_stop():
            raise Interrupted("asked to stop")
        logged = reader.read_logged(self._definition.training.batch_size, self._clock, until=ends)
        if logged is None:
            return 0
        state.learn(logged, is_new=is_new)
        return len(logged) + len(logged.skipped)
