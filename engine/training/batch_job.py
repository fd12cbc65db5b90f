"""What every way of batch training needs to know: what is trained, from where, into where, and who listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.evaluation.prequential import PrequentialEvaluator
from engine.spec.definition import ModelDefinition
from engine.streams.log import EventLog
from engine.training.epoch_plan import EpochPlan
from engine.training.example_reader import ExampleReader
from engine.training.publication import Publication
from engine.training.read_ahead import ReadAhead
from engine.training.report import REPORT_EVERY_S, Report, Reporter
from engine.training.state import TrainingState

RANKED_EVERY: Final = 8
"""Of so many batches one has its sample of clicks ranked: a batch run should not spend on this what an online trainer may."""


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a batch run has come: examples learned, of how many. Metrics are of the state as it is when they are asked for."""

    num_examples: int
    num_total: int
    state: TrainingState

    @property
    def metrics(self) -> dict[str, float | None]:
        return self.state.metrics.values()

    @property
    def tables(self) -> dict[str, int]:
        return self.state.table_metrics()

    def pace(self) -> dict[str, float]:
        """Learning rates, and what the steps since this was asked last took (`StepTimes.metrics`)."""
        found = {**self.state.rate_metrics(), **self.state.times.metrics()}
        self.state.times.begin()
        return found


@dataclass(frozen=True, slots=True)
class BatchListeners:
    """`on_progress` is called after each batch, `on_report` every `REPORT_EVERY_S` and at the end, `on_epoch` after each epoch with what
    the plan has come to, `on_publication` with each that saves the run's state from then on; `should_stop` is asked before each batch."""

    on_progress: Callable[[BatchProgress], None] = lambda _: None
    on_report: Callable[[Report], None] = lambda _: None
    on_epoch: Callable[[EpochPlan], None] = lambda _: None
    on_publication: Callable[[Publication], None] = lambda _: None
    should_stop: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class BatchJob:
    """`clock` is in seconds since the epoch; `topic` is the project's examples, read from `examples`: the log, or a file instead."""

    definition: ModelDefinition
    log: EventLog
    examples: EventLog
    project: str
    model: str
    version: int
    topic: str
    directory: Path
    clock: Callable[[], float]
    fence: Callable[[], None]
    listeners: BatchListeners

    @property
    def reads_file(self) -> bool:
        """Whether offsets are a file's, which mean nothing in the log."""
        return self.examples is not self.log

    def publication(self, state: TrainingState) -> Publication:
        made = Publication(
            state,
            self.log,
            project=self.project,
            model=self.model,
            version=self.version,
            directory=self.directory,
            clock=self.clock,
            clock_ms=lambda: int(self.clock() * 1000),
            fence=self.fence,
        )
        self.listeners.on_publication(made)
        return made

    def reader(self, state: TrainingState) -> ExampleReader:
        """From where the state is."""
        reader = ExampleReader(self.examples, self.topic, state.progress.examples, state.progress.joiner_epochs)
        state.event_clock.register(reader.num_partitions)
        return reader

    def _evaluator(self, state: TrainingState) -> PrequentialEvaluator | None:
        """Ranks a sample of positives before they are learned; there is no frozen copy to compare with in a batch run."""
        if not self.definition.training.evaluate_fraction:
            return None
        return PrequentialEvaluator(state, None, self.clock)

    def learn_until(
        self,
        state: TrainingState,
        ends: dict[int, int],
        publication: Publication | None,
        *,
        num_total: int,
        is_new: bool = True,
    ) -> bool:
        """Whether the ends (partition -> offset) were reached before somebody asked to stop. Saves when it is due, given a publication.

        `is_new` is False for examples that were learned before: a metric of them would flatter.
        """
        reader, reporter = self.reader(state), Reporter(state)
        evaluator = self._evaluator(state) if is_new else None
        report_due_s = self.clock() + REPORT_EVERY_S
        state.times.begin()
        with ReadAhead(reader, state, self.definition.training.batch_size, self.clock, ends) as ahead:
            while not self.listeners.should_stop():
                found = ahead.next()
                state.times.lap("read")
                if found is None:
                    self.listeners.on_report(reporter.report())
                    return True
                if evaluator is not None and state.progress.num_batches % RANKED_EVERY == 0:
                    evaluator.evaluate(found.logged)
                    state.times.lap("evaluate")
                state.learn(found.logged, is_new=is_new, prepared=found.prepared)
                state.event_clock.report_caught_up(found.at_end)
                if publication is not None:
                    publication.checkpoint_if_due()
                    state.times.lap("publish")
                if self.clock() >= report_due_s:
                    self.listeners.on_report(reporter.report())
                    report_due_s = self.clock() + REPORT_EVERY_S
                self.listeners.on_progress(BatchProgress(state.progress.num_examples, num_total, state))
                state.times.lap("report")
        return False
