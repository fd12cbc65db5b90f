"""How good a definition is on a log: learned from the earlier examples, judged by the last, with nothing kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.errors import GivenUp, Interrupted
from engine.spec.definition import ModelDefinition
from engine.spec.early_stopping import WatchedMetric
from engine.streams.log import EventLog
from engine.training.epoch_plan import EpochPlan
from engine.training.epochs import MAX_HELD_OUT_SCORES
from engine.training.example_reader import ExampleReader
from engine.training.state import TrainingState

NUM_RUNGS: Final = 8
"""So often on the way its metric is told, so that it can be given up early."""


class Judge:
    """Trains one definition over part of a log. One use each."""

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
        self._state = TrainingState(definition, wall_clock=clock)
        self._state.progress.examples = dict(plan.starts)
        self._reader = ExampleReader(log, topic, plan.starts)
        self._state.event_clock.register(self._reader.num_partitions)
        self._plan = plan
        self._clock = clock
        self._should_stop = should_stop
        self._on_rung = on_rung

    def value(self, metric: WatchedMetric) -> float | None:
        """The metric of the examples held out, each scored before it was learned; None when they say nothing.

        Raises `Interrupted`, `GivenUp`, `OffsetOutOfRange`, `LogError`.
        """
        state, plan = self._state, self._plan
        rung, learned = 0, 0
        while num := self._learn(plan.splits):
            learned += num
            due = learned * NUM_RUNGS // max(1, plan.num_learned)
            if due > rung and due < NUM_RUNGS:
                rung = due
                if self._on_rung(rung - 1, state.metrics.values()[metric.value]):
                    raise GivenUp(f"given up after {learned} of {plan.num_learned} examples")
        state.metrics = state.metrics.emptied(max(1, min(MAX_HELD_OUT_SCORES, 32 * plan.num_held_out)))
        while self._learn(plan.ends):
            pass
        return state.metrics.values()[metric.value]

    def _learn(self, ends: dict[int, int]) -> int:
        """Learn one batch; answers how many records it had, 0 at the ends."""
        if self._should_stop():
            raise Interrupted("asked to stop")
        logged = self._reader.read_logged(self._state.definition.training.batch_size, self._clock, until=ends)
        if logged is None:
            return 0
        self._state.learn(logged)
        return len(logged) + len(logged.skipped)
