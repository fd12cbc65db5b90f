"""What online and batch training share: the lease, the wish to stop, reports at a bearable rate, and what a failure means."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
import redis
from django.db import Error as DjangoDatabaseError

from engine.errors import InvalidDocument, LeaseLost, LogError, NoCheckpoint, OffsetOutOfRange
from engine.streams.fencing import Fence
from webapp.core.errors import Invalid
from webapp.core.jobs import Job
from webapp.training import retries, services
from webapp.training.models import Run
from workers import sent
from workers.fresh_connection import drop_broken_connection
from workers.leases import HeldLease, held
from workers.pacing import Pace
from workers.run_log import RunLog, kept_log
from workers.run_metrics import RunEvents
from workers.stopping import STOP

logger = logging.getLogger(__name__)

REPORT_EVERY_S = 1.0
MAX_ERROR_LENGTH = 2_000

OUTAGES = (DjangoDatabaseError, psycopg.Error, redis.RedisError, LogError)
"""What fails when a server is away. The run is not at fault: it stays wanted and is tried until the server is back."""

UNUSABLE = (NoCheckpoint, InvalidDocument, Invalid)
"""What is wrong with what the run was told to begin with: trying again changes nothing."""

TRIMMED = (
    "What this model would learn next is not in the log any more: {} Start a batch run of this version, which learns anew "
    "from the earliest example kept, and then go online again. FRESHET_LOG_DAYS says how long examples are kept."
)


class RunSession:
    """What a training loop needs of its run while it holds the lease."""

    def __init__(
        self,
        run: Run,
        lease: HeldLease,
        should_end: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
        log: RunLog | None = None,
    ) -> None:
        self.run = run
        self._log, self._events = log, RunEvents(run)
        self._lease, self._should_end = lease, should_end
        self._look, self._report = Pace(REPORT_EVERY_S, clock), Pace(REPORT_EVERY_S, clock)
        self._is_wanted = True
        self._slices: Any = None

    @property
    def fence(self) -> Fence:
        """Raises `LeaseLost` when another worker may have the run."""
        return self._lease.fence

    def should_stop(self) -> bool:
        """The worker is ending, the lease is lost, or nobody wants the run any more (looked up once a second)."""
        if self._look.is_due():
            if self._log is not None:
                self._log.save()
            drop_broken_connection()
            self._is_wanted = Run.objects.filter(pk=self.run.pk, wanted=True).exists()
        return not self._is_wanted or self._should_end() or self._lease.is_lost

    def close(self) -> None:
        """Nothing more is reported."""
        self._events.close()

    @property
    def is_wanted(self) -> bool:
        return self._is_wanted

    def note_start(self, offsets: Mapping[int, int]) -> None:
        """Where the run's first attempt begins in `examples`; later attempts change nothing."""
        stored = {str(partition): offset for partition, offset in offsets.items()}
        Run.objects.filter(pk=self.run.pk, start_offsets={}).update(start_offsets=stored)

    def report_each(self) -> None:
        """From now on no report is held back: what follows is the last word."""
        self._report = Pace(0.0)

    def note_report(self, report: Mapping[str, Any]) -> None:
        """Keep what the engine's `Reporter` says; its slices are part of the next point too."""
        drop_broken_connection()
        services.run_note_report(run=self.run, report=report)
        self._slices = report["slices"]

    def note_epochs(self, results: Sequence[Mapping[str, Any]]) -> None:
        """Keep how each epoch did, `{"epoch", "values", "is_best"}`, beside the rest of the report."""
        drop_broken_connection()
        services.run_note_report(run=self.run, report={"epochs": list(results)})

    def note_evolution(self, lines: Sequence[str]) -> None:
        """Keep what the run took over from another version, in words."""
        services.run_note_report(run=self.run, report={"began_with": list(lines)})

    def note_events_file(self, meta: Mapping[str, Any]) -> None:
        """Keep what a file of events came to: how many there were, how many rows were refused, and why the first was."""
        kept = {name: meta[name] for name in ("num_events", "num_records", "num_refused", "first_problem")}
        services.run_note_report(run=self.run, report={"events_file": kept})

    def report(
        self,
        metrics: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
        *,
        progress: float | None = None,
        end_offsets: Mapping[int, int] | None = None,
    ) -> None:
        """Put metrics on the run, at most one point a second (see `report_each`); a function is asked only when one is due."""
        if not self._report.is_due():
            return
        if callable(metrics):
            metrics = metrics()
        values = dict(metrics)
        if self._slices is not None:
            values["slices"], self._slices = self._slices, None
        num_examples = int(metrics.get("num_examples", 0))
        self._events.add(metrics, num_examples)
        services.run_report(
            run=self.run,
            values=values,
            num_examples=num_examples,
            event_time=event_time(metrics.get("event_time_ms")),
            progress=progress,
            end_offsets=dict(end_offsets) if end_offsets is not None else None,
        )


def event_time(event_time_ms: float | None) -> datetime | None:
    """Milliseconds since the epoch as a time; None stays None, and 0 is what trainers say before their first example."""
    return datetime.fromtimestamp(event_time_ms / 1000, UTC) if event_time_ms else None


def work_on(run_id: int, mode: Run.Mode, job: Job, train: Callable[[RunSession], Run.State | None]) -> None:
    """Train under the run's lease; `train` answers the state in which it ended, or None when it was interrupted.

    Returns at once when the run is not wanted or somebody else works on it. An interrupted run stays wanted, so that
    `freshet.revive` sends it again.
    """
    run = (
        Run.objects.select_related("project", "model_version__model", "start_from__model__project")
        .filter(pk=run_id, mode=mode)
        .first()
    )
    if run is None:
        logger.warning("run %s (%s) does not exist", run_id, mode)
        return
    with held(run.lease_name) as lease:
        # read again: a run that ended while we waited for its lease must not start anew
        run.refresh_from_db(fields=["wanted", "state"])
        if lease is None or not _is_open(run):
            return
        sent.forget_sent(job, run.pk)
        with STOP.watching() as should_end, kept_log(run.pk) as log:
            session = RunSession(run, lease, should_end, log=log)
            try:
                _attempt(session, train)
            finally:
                session.close()


def _is_open(run: Run) -> bool:
    if run.state in (Run.State.QUEUED, Run.State.RUNNING) and not run.wanted:
        services.run_finished(run=run, state=Run.State.STOPPED)
    return run.wanted and run.state in (Run.State.QUEUED, Run.State.RUNNING)


def _attempt(session: RunSession, train: Callable[[RunSession], Run.State | None]) -> None:
    run = session.run
    services.run_started(run=run)
    logger.info("run %s: %s of %s started", run.pk, run.mode, run.model_version)
    try:
        state = _fenced(session, train)
    except LeaseLost as error:
        logger.warning("run %s: %s; its new holder carries on", run.pk, error)
        return
    except OffsetOutOfRange as error:
        logger.warning("run %s: %s", run.pk, error)
        services.run_finished(run=run, state=Run.State.FAILED, error=TRIMMED.format(error.message))
        return
    except UNUSABLE as error:
        logger.warning("run %s: %s", run.pk, error)
        services.run_finished(run=run, state=Run.State.FAILED, error=error.message[:MAX_ERROR_LENGTH])
        return
    except OUTAGES as error:
        logger.warning("run %s: a server is away (%s); it will be tried again", run.pk, error)
        _note(run, f"waiting for a server: {error}")
        return
    except Exception as error:
        logger.exception("run %s failed", run.pk)
        _failed(run, error)
        return
    retries.run_attempt_ended(run=run)
    if state is None and not session.is_wanted:
        state = Run.State.STOPPED
    if state is not None:
        services.run_finished(run=run, state=state)
    else:
        Run.objects.filter(pk=run.pk, state=Run.State.RUNNING).update(state=Run.State.QUEUED)
    logger.info("run %s: %s", run.pk, state or "interrupted; it resumes when a worker is there")


def _fenced(session: RunSession, train: Callable[[RunSession], Run.State | None]) -> Run.State | None:
    """What fails after another worker took over is no failure of the run: then `LeaseLost`. An outage speaks for itself."""
    try:
        return train(session)
    except OUTAGES:
        raise
    except Exception:
        session.fence()
        raise


def _failed(run: Run, error: Exception) -> None:
    """Give up after `MAX_FAILURES` without progress between them, however long each took; until then it is tried again."""
    retries.run_attempt_failed(run=run, error=f"{type(error).__name__}: {error}"[:MAX_ERROR_LENGTH])


def _note(run: Run, message: str) -> None:
    try:
        Run.objects.filter(pk=run.pk).update(state=Run.State.QUEUED, error=message[:MAX_ERROR_LENGTH])
    except DjangoDatabaseError as error:
        logger.warning("run %s: its error could not be kept: %s", run.pk, error)
