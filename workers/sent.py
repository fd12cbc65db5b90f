"""Which jobs were sent lately, and who makes room for others: short-lived notes in Redis."""

from __future__ import annotations

from webapp.core.jobs import QUEUES, Job
from webapp.core.redis_connection import redis_connection

SENT_FOR_S = 15
"""How long a message may wait for a worker. It expires then, and so does the note that it was sent."""
ROOM_TAKEN_WITHIN_S = 4
"""A new worker child is there and has taken the next message."""


def note_sent(job: Job, subject: int) -> bool:
    """True when no message of this job for this run or project is on its way; from now on one is."""
    return bool(redis_connection().set(_sent_key(job, subject), b"1", nx=True, ex=SENT_FOR_S))


def forget_sent(job: Job, subject: int) -> None:
    redis_connection().delete(_sent_key(job, subject))


def make_room(job: Job) -> bool:
    """True for the one that ends for those who wait; others are asked again when that place has been taken."""
    return bool(redis_connection().set(f"freshet:room:{job.value}", b"1", nx=True, ex=ROOM_TAKEN_WITHIN_S))


def num_waiting(job: Job) -> int:
    """Messages in the job's queue that no worker has taken."""
    return int(redis_connection().llen(QUEUES[job]))


def _sent_key(job: Job, subject: int) -> str:
    return f"freshet:sent:{job.value}:{subject}"
