"""What becomes of a run whose attempt ended badly: tried again, later each time, and given up when it gets no further."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from webapp.training.models import Run
from webapp.training.selectors import run_was_well, runs_lost
from webapp.training.services import run_finished

MAX_FAILURES = 5
"""So many attempts in a row that ended badly, none of which got further than those before it, and a run is given up."""

FIRST_DELAY_S = 5
DELAY_GROWS = 4

LOST = (
    "The worker was lost without a word: killed from outside, or by the system because memory ran out (the system's log says). "
    "Less memory: a memory budget, higher admission counts or shorter expiry in the definition, or a smaller batch."
)


def delay_s(num_failures: int) -> int:
    """How long to wait after so many failures: not at all after the first, since most are a restart; then 5 s, 20 s, 80 s."""
    return 0 if num_failures < 2 else FIRST_DELAY_S * DELAY_GROWS ** (num_failures - 2)


def run_attempt_failed(*, run: Run, error: str) -> bool:
    """Count it, and have the run tried again after a while; False when it was given up instead."""
    with transaction.atomic():
        kept = Run.objects.select_for_update().get(pk=run.pk)
        came_further = kept.num_examples > kept.failed_at_examples
        kept.num_failures = 1 if came_further else kept.num_failures + 1
        kept.failed_at_examples = max(kept.failed_at_examples, kept.num_examples)
        wait_s = delay_s(kept.num_failures)
        is_given_up = kept.num_failures >= MAX_FAILURES
        if is_given_up:
            error = f"Given up after {kept.num_failures} attempts that got no further than {kept.num_examples} examples. {error}"
        Run.objects.filter(pk=run.pk).update(
            num_failures=kept.num_failures,
            failed_at_examples=kept.failed_at_examples,
            retry_at=Now() + timedelta(seconds=wait_s) if wait_s and not is_given_up else None,
            state=Run.State.QUEUED,
            error=error,
        )
        if is_given_up:
            run_finished(run=kept, state=Run.State.FAILED, error=error)
    run.refresh_from_db()
    return not is_given_up


def run_attempt_ended(*, run: Run) -> None:
    """It ended well, or was told to end: what failed before is forgotten."""
    Run.objects.filter(pk=run.pk).update(num_failures=0, failed_at_examples=-1, retry_at=None)


def runs_note_lost() -> int:
    """Count an attempt as failed whose worker is gone and said nothing, unless it had nothing left to learn; answers how many."""
    lost = runs_lost()
    for run in lost:
        if run_was_well(run=run):
            Run.objects.filter(pk=run.pk, state=Run.State.RUNNING).update(state=Run.State.QUEUED)
        else:
            run_attempt_failed(run=run, error=LOST)
    return len(lost)
