"""What a person may ask of a run that is at work: a checkpoint now. Its trainer finds it in PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from webapp.audit.services import audit_record
from webapp.core.errors import Conflict
from webapp.training.models import Run
from webapp.training.run_models import RunOrder

NUM_SHOWN = 5
NUM_KEPT = 100
TOLD_FOR = timedelta(minutes=2)
OPEN_FOR = timedelta(minutes=10)
"""What nobody has done by then was meant for another situation."""


def checkpoint_order(*, run: Run, asked_by: str = "") -> RunOrder:
    """Have the run's trainer save its state now. One that waits already is answered. Raises `Conflict` when nobody trains it."""
    with transaction.atomic():
        found = Run.objects.select_for_update(no_key=True).get(pk=run.pk)
        if found.state != Run.State.RUNNING or not found.wanted:
            raise Conflict(f"Run {run.pk} is {found.state}, so nobody has a state to save.")
        waiting = orders_open(run=run).first()
        if waiting is not None:
            return waiting
        made = RunOrder.objects.create(run=run, kind=RunOrder.Kind.CHECKPOINT, asked_by=asked_by[:150])
        audit_record(project=found.project, action="run_checkpoint_order", target=f"run {run.pk}")
        kept = RunOrder.objects.filter(run=run).order_by("-id").values_list("pk", flat=True)
        RunOrder.objects.filter(run=run).exclude(pk__in=list(kept[:NUM_KEPT])).delete()
    return made


def orders_open(*, run: Run) -> QuerySet[RunOrder]:
    """What still waits to be done, oldest first."""
    return RunOrder.objects.filter(run=run, done_at=None, asked_at__gt=Now() - OPEN_FOR).order_by("id")


def order_taken(*, order: RunOrder) -> None:
    RunOrder.objects.filter(pk=order.pk, taken_at=None).update(taken_at=Now())


def order_done(*, order_id: int, num_examples: int) -> None:
    """A checkpoint that has learned so many examples is whole."""
    RunOrder.objects.filter(pk=order_id, done_at=None).update(done_at=Now(), num_examples=num_examples)


def order_told(*, run: Run) -> RunOrder | None:
    """The newest, while it is open or was done lately: what every page of the run says."""
    newest = RunOrder.objects.filter(run=run, asked_at__gt=Now() - OPEN_FOR).order_by("-id").first()
    is_told = newest is not None and (newest.done_at is None or timezone.now() - newest.done_at < TOLD_FOR)
    return newest if is_told else None


def orders_shown(*, run: Run) -> list[RunOrder]:
    """The newest `NUM_SHOWN`, newest first."""
    return list(RunOrder.objects.filter(run=run).order_by("-id")[:NUM_SHOWN])
