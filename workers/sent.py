"""Which jobs were sent lately, and which keep failing: short-lived notes in Redis."""

from __future__ import annotations

from webapp.core.jobs import QUEUES, Job
from webapp.core.redis_connection import redis_connection

SENT_FOR_S = 15
"""How long a message may wait for a worker. It expires then, and so does the note that it was sent."""

FAILURES_FOR_S = 86_400
MAX_FAILURES = 5
"""So many failures without progress between them, none `FAILURES_FOR_S` after the one before, and a run is given up."""


def note_sent(job: Job, subject: int) -> bool:
    """True when no message of this job for this run or project is on its way; from now on one is."""
    return bool(redis_connection().set(_sent_key(job, subject), b"1", nx=True, ex=SENT_FOR_S))


def forget_sent(job: Job, subject: int) -> None:
    redis_connection().delete(_sent_key(job, subject))


def num_waiting(job: Job) -> int:
    """Messages in the job's queue that no worker has taken."""
    return int(redis_connection().llen(QUEUES[job]))


def note_failure(subject: str, reached: int) -> int:
    """Count a failure; one that had `reached` further than every failure before it begins the count anew."""
    key, server = _failure_key(subject), redis_connection()
    known = server.hget(key, "reached")
    came_further = known is None or int(known) < reached
    with server.pipeline() as pipeline:
        if came_further:
            pipeline.hset(key, mapping={"reached": reached, "count": 0})
        pipeline.hincrby(key, "count", 1)
        pipeline.expire(key, FAILURES_FOR_S)
        *_, count, _ = pipeline.execute()
    return int(count)


def forget_failures(subject: str) -> None:
    redis_connection().delete(_failure_key(subject))


def _sent_key(job: Job, subject: int) -> str:
    return f"freshet:sent:{job.value}:{subject}"


def _failure_key(subject: str) -> str:
    return f"freshet:failures:{subject}"
