"""Batch training: over the examples of the past, up to an exact offset, once or in epochs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.checkpoint.folder_fence import take_over
from engine.spec.definition import ModelDefinition
from engine.streams import topics
from engine.streams.log import EventLog
from engine.training.batch_job import BatchJob, BatchListeners, BatchProgress
from engine.training.epoch_plan import PLAN_FILE, EpochPlan, EpochResult, Offsets
from engine.training.epochs import BEST, EpochTraining
from engine.training.online import FROZEN
from engine.training.publication import Publication
from engine.training.report import Report
from engine.training.state import CHECKPOINTS, TrainingState

__all__ = ["LEFT_BY_RUNS", "BatchProgress", "BatchResult", "train_batch"]

LEFT_BY_RUNS: Final = (CHECKPOINTS, FROZEN, BEST, PLAN_FILE)
"""What runs leave in a model version's directory and a run that begins anew removes."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What a batch run did. `end_offsets` (partition -> next offset) is exactly where online training goes on.

    `tables` is `TrainingState.table_metrics`. `is_complete` is False when it was told to stop; run again with `resume=True` to go on.
    `epochs` is empty for one pass; after several, `metrics` are those of the examples held out, in the best epoch.
    """

    num_examples: int
    end_offsets: dict[int, int]
    is_complete: bool
    metrics: dict[str, float | None]
    tables: dict[str, int]
    num_corrupt: int
    epochs: tuple[EpochResult, ...] = ()


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
    examples: EventLog | None = None,
    until_offsets: Mapping[int, int] | None = None,
    until_time_ms: int | None = None,
    resume: bool = False,
    on_progress: Callable[[BatchProgress], None] = lambda _: None,
    on_report: Callable[[Report], None] = lambda _: None,
    on_epoch: Callable[[EpochPlan], None] = lambda _: None,
    on_publication: Callable[[Publication], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    fence: Callable[[], None] = _no_fence,
) -> BatchResult:
    """Learn from every example of the project from the earliest on, in log order, then save and publish a snapshot.

    It ends before `until_offsets` (partition -> offset), or before the first record of each partition whose timestamp is
    `until_time_ms` or later, or at the ends found when it starts. With `early_stopping` in the definition it goes over the earlier of
    these examples in epochs (`EpochTraining`), else over all of them once. `examples` are read in place of the project's, as from an
    `ExampleFile`; online training then begins at the earliest example that the log has. It saves every `checkpoint_every_s` of
    `clock` (seconds since the epoch). Listeners as in `BatchListeners`. `resume=True` goes on from the newest checkpoint; otherwise
    what an earlier run left in `directory` is removed first. Records that cannot be read are stepped over and counted. Raises
    `UnknownTopic`, `OffsetOutOfRange` (what comes next was trimmed), `LeaseLost`, `LogError`, OSError; a run that raised can be resumed.
    """
    fence()
    take_over(directory, fence)
    if not resume:
        forget_runs(directory)
    job = BatchJob(
        definition=definition,
        log=log,
        examples=examples or log,
        project=project,
        model=model,
        version=version,
        topic=topics.examples(project),
        directory=directory,
        clock=clock,
        fence=fence,
        listeners=BatchListeners(on_progress, on_report, on_epoch, on_publication, should_stop),
    )
    ends = _end_offsets(job.examples, job.topic, until_offsets, until_time_ms)
    if definition.training.early_stopping is None:
        return _one_pass(job, ends)
    epochs = EpochTraining(job, definition.training.early_stopping, ends)
    best = epochs.run()
    if best is None:
        return _result(TrainingState.restore(definition, directory, wall_clock=clock), epochs.plan, is_complete=False)
    # the newest of these is of a worse epoch; should publishing fail, the best is found again by the plan
    shutil.rmtree(directory / CHECKPOINTS, ignore_errors=True)
    _publish(job, best, epochs.plan.ends)
    epochs.clean_up()
    return _result(best, epochs.plan, is_complete=True)


def forget_runs(directory: Path) -> None:
    """Remove what earlier runs left in a model version's directory, but for snapshots that replicas may be loading."""
    for name in LEFT_BY_RUNS:
        path = directory / name
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _one_pass(job: BatchJob, ends: Offsets) -> BatchResult:
    state = TrainingState.restore_or_new(job.definition, job.directory, wall_clock=job.clock)
    num_total = state.progress.num_examples + sum(
        max(0, end - offset) for offset, end in _paired(job.reader(state).next_offsets, ends)
    )
    publication = job.publication(state)
    try:
        is_complete = job.learn_until(state, ends, publication, num_total=num_total)
        if not is_complete:
            publication.checkpoint(always=True)
    finally:
        publication.abandon()
    if is_complete:
        _publish(job, state, ends)
    return _result(state, None, is_complete=is_complete)


def _publish(job: BatchJob, state: TrainingState, ends: Offsets) -> None:
    # An empty partition has an exact place too. A file's places mean nothing where online training goes on.
    state.progress.examples = {} if job.reads_file else {**ends, **state.progress.examples}
    if job.reads_file:
        state.progress.events = {}
    publication = job.publication(state)
    try:
        publication.publish_snapshot()
    finally:
        publication.abandon()


def _result(state: TrainingState, plan: EpochPlan | None, *, is_complete: bool) -> BatchResult:
    best = None if plan is None or not is_complete else plan.best
    return BatchResult(
        num_examples=state.progress.num_examples,
        end_offsets=dict(state.progress.examples),
        is_complete=is_complete,
        metrics=state.metrics.values() if best is None else best.values,
        tables=state.table_metrics(),
        num_corrupt=state.progress.num_corrupt,
        epochs=() if plan is None else tuple(plan.results),
    )


def _paired(offsets: Mapping[int, int], ends: Offsets) -> list[tuple[int, int]]:
    return [(offsets[partition], end) for partition, end in ends.items()]


def _end_offsets(
    log: EventLog, topic: str, until_offsets: Mapping[int, int] | None, until_time_ms: int | None
) -> dict[int, int]:
    ends = log.end_offsets(topic)
    if until_offsets is not None:
        ends = {partition: min(end, until_offsets.get(partition, end)) for partition, end in ends.items()}
    if until_time_ms is not None:
        ends = {partition: min(end, log.offset_at(topic, partition, until_time_ms)) for partition, end in ends.items()}
    return ends
