"""Replays are asked for, stopped, and noted by the worker that is at them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models.functions import Coalesce, Now

from engine.spec.schema import EventRole
from webapp.accounts.models import Project
from webapp.audit.services import audit_record
from webapp.core import jobs
from webapp.core.errors import Conflict, Invalid
from webapp.core.selectors import lease_holder
from webapp.experiments.models import Replay
from webapp.experiments.replay_selectors import OPEN, unheld_replays
from webapp.registry.selectors import schema_document
from webapp.serving.models import Deployment

MAX_HOURS = 24 * 30
MAX_ANSWERS = 50_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to replay: answers of `logged` ("": of every deployment) in the last `hours`, the newest `max_answers`; `event_type` (None: the
    schema's first action) is what an answer is to earn."""

    event_type: str | None = None
    logged: str = ""
    hours: int = 24
    max_answers: int = 5_000


def replay_start(*, deployment: Deployment, wanted: Wanted, by: str = "") -> Replay:
    """Ask for a replay. Raises `Invalid`, `Conflict` while another of the project is at work.

    The job is sent after the commit; should Redis be away just then, `freshet.revive` sends it later.
    """
    actions = [
        name
        for name, declared in schema_document(project=deployment.project).events.items()
        if declared.role is EventRole.ACTION
    ]
    event_type = wanted.event_type or (actions[0] if actions else "")
    if event_type not in actions:
        rule = f"must be an action of the schema: {', '.join(actions) or 'it declares none'}"
        raise Invalid.field("event_type", rule, repr(event_type))
    for name, value, most in (("hours", wanted.hours, MAX_HOURS), ("max_answers", wanted.max_answers, MAX_ANSWERS)):
        if not 1 <= value <= most:
            raise Invalid.field(name, f"must be from 1 to {most}", str(value))
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=deployment.project_id)
        at_work = Replay.objects.filter(project=deployment.project_id, wanted=True, state__in=OPEN).first()
        if at_work is not None:
            raise Conflict(f"Replay {at_work.pk} is at work; stop it first.", replay=at_work.pk)
        replay = Replay.objects.create(
            project=deployment.project,
            deployment=deployment,
            logged=wanted.logged,
            event_type=event_type,
            hours=wanted.hours,
            max_answers=wanted.max_answers,
            created_by=by,
        )
        details = {"deployment": deployment.name}
        audit_record(project=replay.project, action="replay_start", target=f"replay {replay.pk}", details=details)
        transaction.on_commit(lambda: jobs.send(jobs.Job.REPLAY, replay_id=replay.pk), robust=True)
    return replay


def replay_stop(*, replay: Replay) -> Replay:
    """Ask for its end. Its worker stops at its next look; with no worker on it, it is stopped now."""
    open_replays = Replay.objects.filter(pk=replay.pk, state__in=OPEN)
    with transaction.atomic():
        if open_replays.filter(wanted=True).update(wanted=False):
            audit_record(project=replay.project, action="replay_stop", target=f"replay {replay.pk}")
    if lease_holder(name=replay.lease_name) is None:
        open_replays.update(state=Replay.State.STOPPED, finished_at=Now())
    replay.refresh_from_db()
    return replay


def replay_note(*, replay: Replay, num_answers: int, num_done: int) -> bool:
    """A worker is at it; answers whether it is still wanted."""
    Replay.objects.filter(pk=replay.pk).update(
        state=Replay.State.RUNNING,
        started_at=Coalesce("started_at", Now()),
        num_answers=num_answers,
        num_done=num_done,
    )
    return Replay.objects.filter(pk=replay.pk, wanted=True).exists()


def replay_finished(
    *, replay: Replay, state: str, error: str = "", results: Mapping[str, Any] | None = None, revision: int = 0
) -> None:
    """It ended as `state` (stopped, succeeded or failed), and is wanted no more."""
    Replay.objects.filter(pk=replay.pk).update(
        state=state, wanted=False, error=error, results=dict(results or {}), revision=revision, finished_at=Now()
    )


def replays_end_unwanted() -> int:
    """Replays that were to stop and whose worker was lost meanwhile are stopped now; answers how many."""
    return unheld_replays().filter(wanted=False).update(state=Replay.State.STOPPED, finished_at=Now())
