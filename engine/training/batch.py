"""The batch loop: one pass over the examples of the past, up to an exact offset."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.spec.definition import ModelDefinition
from engine.streams import topics
from engine.streams.log import EventLog
from engine.training.example_reader import ExampleReader
from engine.training.logged import parse_records
from engine.training.online import FROZEN
from engine.training.publication import Publication
from engine.training.report import REPORT_EVERY_S, Report, Reporter
from engine.training.state import CHECKPOINTS, TrainingState


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


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What a batch run did. `end_offsets` (partition -> next offset) is exactly where online training goes on.

    `tables` is `TrainingState.table_metrics`. `is_complete` is False when it was told to stop; run again with `resume=True` to go on.
    """

    num_examples: int
    end_offsets: dict[int, int]
    is_complete: bool
    metrics: dict[str, float | None]
    tables: dict[str, int]
    num_corrupt: int


def _ignore(_: BatchProgress) -> None:
    return None


def _no_report(_: Report) -> None:
    return None


def _never() -> bool:
    return False


def _no_fence() -> None:
    return None


def train_batch(  # noqa: PLR0917 - what is trained, from where, into where
    definition: ModelDefinition,
    log: EventLog,
    project: str,
    model: str,
    version: int,
    directory: Path,
    *,
    clock: Callable[[], float],
    until_offsets: Mapping[int, int] | None = None,
    until_time_ms: int | None = None,
    resume: bool = False,
    on_progress: Callable[[BatchProgress], None] = _ignore,
    on_report: Callable[[Report], None] = _no_report,
    should_stop: Callable[[], bool] = _never,
    fence: Callable[[], None] = _no_fence,
) -> BatchResult:
    """Learn from every example of the project from the earliest on, in log order, then save and publish a snapshot.

    It ends before `until_offsets` (partition -> offset), or before the first record of each partition whose timestamp is
    `until_time_ms` or later, or at the ends found when it starts. `on_progress` is called after each batch, `on_report` every
    `REPORT_EVERY_S` and at the end. It saves every `checkpoint_every_s` of `clock` (seconds since the
    epoch). `resume=True` goes on from the newest checkpoint; otherwise what an earlier run left in `directory` is removed first.
    Records that cannot be read are stepped over and counted. Raises `UnknownTopic`, `OffsetOutOfRange` (what comes next was trimmed),
    `LeaseLost`, `LogError`, OSError; a run that raised can be resumed.
    """
    fence()
    if not resume:
        for name in (CHECKPOINTS, FROZEN):
            shutil.rmtree(directory / name, ignore_errors=True)
    topic = topics.examples(project)
    ends = _end_offsets(log, topic, until_offsets, until_time_ms)
    state = TrainingState.restore_or_new(definition, directory, wall_clock=clock)
    reader = ExampleReader(log, topic, state.progress.examples)
    state.event_clock.register(reader.num_partitions)
    publication = Publication(
        state,
        log,
        project=project,
        model=model,
        version=version,
        directory=directory,
        clock=clock,
        clock_ms=lambda: int(clock() * 1000),
        fence=fence,
    )
    num_total = state.progress.num_examples + sum(
        max(0, end - reader.next_offsets[partition]) for partition, end in ends.items()
    )
    try:
        is_complete = _learn_until(
            state,
            reader,
            ends,
            publication,
            clock=clock,
            num_total=num_total,
            on_progress=on_progress,
            on_report=on_report,
            should_stop=should_stop,
        )
        if is_complete:
            # An empty partition has an exact place too.
            state.progress.examples = {**ends, **state.progress.examples}
            publication.publish_snapshot()
        else:
            publication.checkpoint(always=True)
    finally:
        publication.abandon()
    return BatchResult(
        num_examples=state.progress.num_examples,
        end_offsets=dict(state.progress.examples),
        is_complete=is_complete,
        metrics=state.metrics.values(),
        tables=state.table_metrics(),
        num_corrupt=state.progress.num_corrupt,
    )


def _learn_until(
    state: TrainingState,
    reader: ExampleReader,
    ends: Mapping[int, int],
    publication: Publication,
    *,
    clock: Callable[[], float],
    num_total: int,
    on_progress: Callable[[BatchProgress], None],
    on_report: Callable[[Report], None],
    should_stop: Callable[[], bool],
) -> bool:
    """Whether the end was reached before `should_stop` said so."""
    batch_size = state.definition.training.batch_size
    reporter, report_due_s = Reporter(state), clock() + REPORT_EVERY_S
    while not should_stop():
        records = reader.read(batch_size, clock, until=ends)
        if not records:
            on_report(reporter.report())
            return True
        state.learn(parse_records(records))
        state.event_clock.report_caught_up(reader.at_end)
        publication.checkpoint_if_due()
        if clock() >= report_due_s:
            on_report(reporter.report())
            report_due_s = clock() + REPORT_EVERY_S
        on_progress(BatchProgress(state.progress.num_examples, num_total, state))
    return False


def _end_offsets(
    log: EventLog, topic: str, until_offsets: Mapping[int, int] | None, until_time_ms: int | None
) -> dict[int, int]:
    ends = log.end_offsets(topic)
    if until_offsets is not None:
        ends = {partition: min(end, until_offsets.get(partition, end)) for partition, end in ends.items()}
    if until_time_ms is not None:
        ends = {partition: min(end, log.offset_at(topic, partition, until_time_ms)) for partition, end in ends.items()}
    return ends
