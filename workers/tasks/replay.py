"""Logged traffic asked again of another deployment: under a lease, with its progress on the page."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable

from engine.errors import EngineError, Interrupted, ReplicaUnavailable
from engine.serving.requests import RecommendReply, RecommendRequest
from engine.spec.intake import Intake
from engine.streams import topics
from webapp.core.jobs import Job
from webapp.core.log import event_log
from webapp.experiments.models import Replay
from webapp.experiments.replay_services import replay_finished, replay_note
from webapp.registry.selectors import event_validator, schema_document
from webapp.serving.clients import replica_client
from webapp.serving.selectors import replica_addresses
from workers import sent
from workers.celery_app import app
from workers.leases import held
from workers.pacing import Pace
from workers.replaying_traffic import Look, Traffic, logged_answers, raise_unless, replayed
from workers.runs import MAX_ERROR_LENGTH, OUTAGES
from workers.stopping import STOP

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
TIMEOUT_S = 5.0
NOTHING = "No answer was logged with what served it in that time; only answers of a deployment with impressions are, from this release on."

_turns = itertools.count()


@app.task(name=Job.REPLAY.value)
def replay(replay_id: int) -> None:
    """An interrupted replay stays wanted, so that `freshet.revive` sends it again."""
    found = Replay.objects.select_related("project", "deployment").filter(pk=replay_id).first()
    if found is None:
        return
    with held(found.lease_name) as lease:
        found.refresh_from_db(fields=["wanted", "state"])
        if lease is None or not found.wanted or not found.is_open:
            return
        sent.forget_sent(Job.REPLAY, found.pk)
        with STOP.watching() as should_end:
            _attempt(found, should_end)


def _attempt(found: Replay, should_end: Callable[[], bool]) -> None:
    try:
        _replay(found, _look(found, should_end))
    except Interrupted:
        if not Replay.objects.filter(pk=found.pk, wanted=True).exists():
            replay_finished(replay=found, state=Replay.State.STOPPED)
    except OUTAGES as error:
        logger.warning("replay %s: a server is away (%s); it will be tried again", found.pk, error)
    except EngineError as error:
        replay_finished(replay=found, state=Replay.State.FAILED, error=error.message[:MAX_ERROR_LENGTH])
    except Exception as error:
        logger.exception("replay %s failed", found.pk)
        message = f"{type(error).__name__}: {error}"[:MAX_ERROR_LENGTH]
        replay_finished(replay=found, state=Replay.State.FAILED, error=message)


def _replay(found: Replay, look: Look) -> None:
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
        replay_finished(replay=found, state=Replay.State.FAILED, error=NOTHING)
        return
    results = replayed(found, answers, schema, ask, look)
    replay_note(replay=found, num_answers=len(answers), num_done=len(answers))
    revision = results.pop("revision")
    replay_finished(replay=found, state=Replay.State.SUCCEEDED, results=results, revision=revision)


def ask(request: RecommendRequest) -> RecommendReply:
    """Of living replicas in turns."""
    addresses = replica_addresses()
    if not addresses:
        raise ReplicaUnavailable("No replica is alive.")
    return replica_client(addresses[next(_turns) % len(addresses)]).recommend(request, timeout_s=TIMEOUT_S)


def _look(found: Replay, should_end: Callable[[], bool]) -> Look:
    pace = Pace(LOOK_EVERY_S)

    def look(num_answers: int, num_done: int) -> None:
        raise_unless(not should_end())
        if pace.is_due():
            raise_unless(replay_note(replay=found, num_answers=num_answers, num_done=num_done))

    return look
