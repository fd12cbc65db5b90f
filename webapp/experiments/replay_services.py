"""Replays are asked for, stopped, and noted by the worker that is at them."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.db.models.functions import Coalesce, Now

from engine.spec.schema import EventRole
from webapp.accounts.models import Project
from webapp.audit.services import audit_record
from webapp.core.errors import Conflict, Invalid
from webapp.experiments.models import Replay
from webapp.long_jobs.selectors import long_job_is_wanted, long_jobs_open
from webapp.long_jobs.services import long_job_send, long_job_stop
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
    """Ask for a replay. Raises `Invalid`, `Conflict` while another of the project is at work."""
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
        open_replays = long_jobs_open(model=Replay).filter(project=deployment.project_id)
        at_work = open_replays.filter(wanted=True).first()
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
        audit_record(project=replay.project, action="replay_start", target=str(replay), details=details)
        long_job_send(job=replay)
    return replay


def replay_stop(*, replay: Replay) -> Replay:
    """As `long_job_stop`."""
    return long_job_stop(job=replay)


def replay_note(*, replay: Replay, num_answers: int, num_done: int) -> bool:
    """A worker is at it; answers whether it is still wanted."""
    Replay.objects.filter(pk=replay.pk).update(
        state=Replay.State.RUNNING,
        started_at=Coalesce("started_at", Now()),
        num_answers=num_answers,
        num_done=num_done,
    )
    return long_job_is_wanted(job=replay)
