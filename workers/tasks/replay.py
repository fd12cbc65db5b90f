"""Logged traffic asked again of another deployment: under a lease, with its progress on the page."""

from __future__ import annotations

import itertools
import time

from engine.errors import EngineError, ReplicaUnavailable
from engine.serving.requests import RecommendReply, RecommendRequest
from engine.spec.intake import Intake
from engine.streams import topics
from webapp.core.jobs import Job
from webapp.core.log import event_log
from webapp.experiments.models import Replay
from webapp.experiments.replay_services import replay_note
from webapp.long_jobs.services import long_job_finished
from webapp.registry.selectors import event_validator, schema_document
from webapp.serving.clients import replica_client
from webapp.serving.selectors import replica_addresses
from workers.celery_app import app
from workers.long_job import Attempt, take_up
from workers.pacing import Pace
from workers.replaying_traffic import Look, Traffic, logged_answers, raise_unless, replayed

LOOK_EVERY_S = 1.0
TIMEOUT_S = 5.0
NOTHING = "No answer was logged with what served it in that time; only answers of a deployment with impressions are, from this release on."

_turns = itertools.count()


@app.task(name=Job.REPLAY.value)
def replay(replay_id: int) -> None:
    take_up(Replay, replay_id, _replay, parts=("project", "deployment"), refusals=(EngineError,))


def _replay(attempt: Attempt[Replay]) -> None:
    found, look = attempt.job, _look(attempt)
    schema = schema_document(project=found.project)
    traffic = Traffic(
        log=event_log(),
        topic=topics.events(found.project.slug),
        intake=Intake(event_validator(project=found.project), time.time),
        since_ms=time.time_ns() // 1_000_000 - 3_600_000 * found.hours,
        look=look,
    )
    answers = logged_answers(found, traffic)
    if not answers:
        long_job_finished(job=found, state=Replay.State.FAILED, error=NOTHING)
        return
    results = replayed(found, answers, schema, ask, look)
    replay_note(replay=found, num_answers=len(answers), num_done=len(answers))
    revision = results.pop("revision")
    long_job_finished(job=found, state=Replay.DONE, results=results, revision=revision)


def ask(request: RecommendRequest) -> RecommendReply:
    """Of living replicas in turns."""
    addresses = replica_addresses()
    if not addresses:
        raise ReplicaUnavailable("No replica is alive.")
    return replica_client(addresses[next(_turns) % len(addresses)]).recommend(request, timeout_s=TIMEOUT_S)


def _look(attempt: Attempt[Replay]) -> Look:
    pace = Pace(LOOK_EVERY_S)

    def look(num_answers: int, num_done: int) -> None:
        raise_unless(not attempt.should_end())
        if pace.is_due():
            raise_unless(replay_note(replay=attempt.job, num_answers=num_answers, num_done=num_done))

    return look
