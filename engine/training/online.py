"""The online loop: examples in, parameters out, for as long as it is polled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.checkpoint.folder import newest_folder
from engine.checkpoint.folder_fence import take_over
from engine.checkpoint.snapshot import load_snapshot, write_snapshot
from engine.evaluation.prequential import PrequentialEvaluator
from engine.models.forward import Predictor
from engine.spec.definition import ModelDefinition
from engine.spec.erasure import Erased
from engine.streams import topics
from engine.streams.log import EventLog
from engine.sync.publisher import PublishReport
from engine.sync.snapshot import SnapshotMeta
from engine.training.example_reader import ExampleReader
from engine.training.logged import parse_records
from engine.training.publication import Publication
from engine.training.report import REPORT_EVERY_S, Report, Reporter
from engine.training.state import CHECKPOINTS, TrainingState
from engine.training.state_cut import oldest_place
from engine.training.step_journal import StepJournal
from engine.training.stepping import Batch, StepClock, Stepping

FROZEN: Final = "frozen"
METRICS_EVERY_S: Final = 1.0

Metrics = dict[str, float | int | None]


@dataclass(frozen=True, slots=True)
class PollResult:
    """What one poll did: examples learned, clicks evaluated, and what was published."""

    num_examples: int
    num_evaluated: int
    published: PublishReport


def _no_metrics(_: Mapping[str, float | int | None]) -> None:
    return None


def _no_report(_: Report) -> None:
    return None


def _no_erased(_: Sequence[Erased]) -> None:
    return None


def _no_fence() -> None:
    return None


class OnlineTrainer:
    """Learns from a project's `examples` topic and publishes to a model version's `params` topic.

    It starts from the newest checkpoint in `directory`, at that checkpoint's exact offsets, or from nothing at the earliest example.
    The parameters it first started from are kept in `directory/frozen`, so that the frozen hit rate means the same after a restart.
    One trainer at a time; not thread-safe. Killed at any moment, the next one counts each example once and repeats no sequence.
    """

    def __init__(  # noqa: PLR0917 - what is trained, from where, into where
        self,
        definition: ModelDefinition,
        log: EventLog,
        project: str,
        model: str,
        version: int,
        directory: Path,
        *,
        clock: Callable[[], float],
        on_metrics: Callable[[Metrics], None] = _no_metrics,
        on_report: Callable[[Report], None] = _no_report,
        fence: Callable[[], None] = _no_fence,
        followers: Callable[[], Mapping[str, int]] = dict,
        on_erased: Callable[[Sequence[Erased]], None] = _no_erased,
    ) -> None:
        """`on_erased` gets the last erasures that were carried out, each perhaps more than once, with the same counts.

        `clock` answers seconds since the epoch. `on_report` is called every `REPORT_EVERY_S`, before `on_metrics`. `followers`: see
        `Publication`.

        Raises `UnknownTopic`, `CorruptRecord`, `LeaseLost`.
        """
        self._definition = definition
        self._clock = clock
        self._on_metrics = on_metrics
        self._on_report = on_report
        self._on_erased = on_erased
        take_over(directory, fence)
        self._directory = directory
        self._step_clock = StepClock(clock)
        self.state = TrainingState.restore_or_new(definition, directory, wall_clock=self._step_clock)
        topic = topics.examples(project)
        log.create_topic(topic)
        if self.state.progress.erased:
            # Whoever carried them out may have ended before it could say so.
            on_erased(self.state.progress.erased)
        self._reader = ExampleReader(log, topic, self.state.progress.examples)
        self.state.event_clock.register(self._reader.num_partitions)
        fence()
        steps = topics.trainer_steps(project, model, version)
        self._journal = StepJournal(log, steps, clock_ms=self._clock_ms, fence=fence)
        self._stepping = Stepping(
            self._reader,
            self._journal,
            clock=clock,
            max_examples=definition.training.size_online,
            linger_s=definition.training.linger_s,
        )
        self._evaluator = PrequentialEvaluator(self.state, self._frozen(directory), clock)
        self.publication = Publication(
            self.state,
            log,
            project=project,
            model=model,
            version=version,
            directory=directory,
            clock=clock,
            clock_ms=self._clock_ms,
            fence=fence,
            followers=followers,
        )
        self._offsets_saved = self.publication.offsets_saved
        self._reporter = Reporter(self.state)
        self._report_due_s = clock()
        self._reported_s = clock()
        self._reported_examples = self.state.progress.num_examples

    def poll(self, timeout_s: float = 1.0) -> PollResult:
        """Learn from one batch, waiting at most `timeout_s` for its first example, then publish and save what is due.

        Records that cannot be read are stepped over and counted (`num_corrupt`). Raises `LeaseLost` (stop at once), `OffsetOutOfRange`
        (what comes next was trimmed: begin again with a batch run), `LogError` and OSError (poll again, or start anew).
        """
        wait_s = max(0.0, min(timeout_s, self.publication.next_due_s() - self._clock()))
        times = self.state.times
        waited_s = self._reader.waited_s
        batch = self._stepping.next(wait_s)
        times.lap("read")
        times.waited("read", self._reader.waited_s - waited_s)
        num_examples, num_evaluated = self._learn(batch) if batch else (0, 0)
        report = self.publication.run_due()
        self._forget_steps()
        times.lap("publish")
        self._report_metrics()
        return PollResult(num_examples, num_evaluated, report)

    def _learn(self, batch: Batch) -> tuple[int, int]:
        """Answers how many examples there were and how many were evaluated before."""
        self._step_clock.set(batch.step.now_ms)
        self.state.event_clock.report_caught_up(batch.step.caught_up)
        logged = parse_records(batch.records, self.state.progress.joiner_epochs)
        self.state.times.lap("read")
        num_evaluated = self._evaluator.evaluate(logged)
        self.state.times.lap("evaluate")
        self.state.learn(logged)
        if logged.erasures:
            # Before there can be a checkpoint that is behind it.
            self._on_erased(self.state.progress.erased)
        return len(logged), num_evaluated

    def _forget_steps(self) -> None:
        """Steps that no checkpoint would repeat, when there is a new one."""
        saved = self.publication.offsets_saved
        if saved != self._offsets_saved:
            self._offsets_saved = saved
            self._journal.forget_before(oldest_place(self._directory / CHECKPOINTS))

    def close(self) -> None:
        """Publish and save what is pending, and wait for it; for an orderly stop. Raises as `poll`."""
        if self.publication.has_caught_up:
            self.publication.snapshot()
        self.publication.checkpoint()
        self._report_metrics(at_once=True)

    def abandon(self) -> None:
        """Leave nothing running; for any other end. What was not saved is replayed by the next trainer."""
        self.publication.abandon()

    def metrics(self) -> Metrics:
        """The dictionary that `on_metrics` gets."""
        progress = self.state.progress
        elapsed_s = self._clock() - self._reported_s
        learned = progress.num_examples - self._reported_examples
        pressure = self.publication.back_pressure
        return {
            **self.state.metrics.values(),
            "examples_per_s": learned / elapsed_s if elapsed_s > 0 else 0.0,
            "num_examples": progress.num_examples,
            "num_corrupt": progress.num_corrupt,
            "num_fenced": progress.num_fenced,
            **self.state.table_metrics(),
            **self.state.rate_metrics(),
            **self.state.times.metrics(),
            "event_time_ms": progress.event_time_ms,
            "lag_records": self._reader.num_behind() + self._stepping.num_ahead,
            "publish_interval_s": pressure.interval_s,
            "slowest_replica_behind": pressure.slowest.num_behind if pressure.slowest is not None else None,
        }

    def _report_metrics(self, *, at_once: bool = False) -> None:
        now_s = self._clock()
        if at_once or now_s >= self._report_due_s:
            self._on_report(self._reporter.report())
            self._report_due_s = now_s + REPORT_EVERY_S
        if at_once or now_s - self._reported_s >= METRICS_EVERY_S:
            metrics = self.metrics()
            # what telling them takes is part of the next
            self.state.times.begin()
            self._on_metrics(metrics)
            self._reported_s, self._reported_examples = now_s, self.state.progress.num_examples
        self.state.times.lap("report")

    def _frozen(self, directory: Path) -> Predictor:
        folder = newest_folder(directory / FROZEN)
        if folder is None:
            meta = SnapshotMeta(sequence=0, params_offset=0, trained_through=self.state.progress.trained_through())
            weights = self.state.architecture.dense_weights()
            folder = write_snapshot(directory / FROZEN, self.state.store, weights, meta, self._clock_ms())
        loaded = load_snapshot(folder, self._definition)
        predictor = Predictor(self._definition, loaded.store)
        predictor.load_dense_weights(loaded.weights)
        return predictor

    def _clock_ms(self) -> int:
        return int(self._clock() * 1000)
