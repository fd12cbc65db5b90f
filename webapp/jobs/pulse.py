"""The pulse of workers: each process says every few seconds that it lives, and what came of each periodic task is noted. Kept in Redis.

`freshet:worker:<name>` holds a JSON document and ends by itself; the hash `freshet:periodic` has one for each task.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import redis

from webapp.core.jobs import QUEUES
from webapp.core.redis_connection import redis_connection

logger = logging.getLogger(__name__)

BEAT_EVERY_S = 5.0
FORGOTTEN_AFTER_S = 16
MAX_WORKERS = 500
_WORKER, _PERIODIC = "freshet:worker:", "freshet:periodic"


@dataclass(frozen=True, slots=True)
class Worker:
    """A Celery process: the queue it serves, with how many children, and since when."""

    name: str
    queue: str
    concurrency: int
    pid: int
    started_at: datetime
    heard_at: datetime


@dataclass(frozen=True, slots=True)
class LastRun:
    """What came of a periodic task the last time. `error` names the kind of exception, "" when there was none."""

    task: str
    ended_at: datetime
    took_s: float
    error: str
    worker: str


@dataclass(frozen=True, slots=True)
class Queue:
    """Messages that no worker has taken, and the workers that would."""

    name: str
    num_waiting: int
    workers: tuple[Worker, ...]

    @property
    def concurrency(self) -> int:
        return sum(one.concurrency for one in self.workers)


@dataclass(frozen=True, slots=True)
class Pulse:
    queues: list[Queue]
    last_runs: list[LastRun]


def worker_note(worker: Worker) -> None:
    """It lives. A Redis that is away is no reason to stop."""
    document = {
        "name": worker.name,
        "queue": worker.queue,
        "concurrency": worker.concurrency,
        "pid": worker.pid,
        "started_at": worker.started_at.isoformat(),
        "heard_at": worker.heard_at.isoformat(),
    }
    _quietly(lambda: redis_connection().set(_WORKER + worker.name, json.dumps(document), ex=FORGOTTEN_AFTER_S))


def worker_gone(name: str) -> None:
    _quietly(lambda: redis_connection().delete(_WORKER + name))


def periodic_note(run: LastRun) -> None:
    document = {
        "ended_at": run.ended_at.isoformat(),
        "took_s": round(run.took_s, 3),
        "error": run.error[:100],
        "worker": run.worker,
    }
    _quietly(lambda: redis_connection().hset(_PERIODIC, run.task, json.dumps(document)))


def pulse_now(connection: Callable[[], redis.Redis] = redis_connection) -> Pulse | None:
    """Queues and periodic tasks as they stand, in two round trips; None when Redis does not answer."""
    names = sorted(set(QUEUES.values()))
    try:
        found = connection()
        keys = [key for _, key in zip(range(MAX_WORKERS), found.scan_iter(f"{_WORKER}*", count=1000), strict=False)]
        with found.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.llen(name)
            pipeline.hgetall(_PERIODIC)
            for key in keys:
                pipeline.get(key)
            answers = pipeline.execute()
    except redis.RedisError as error:
        logger.warning("workers' pulse cannot be read: %s", error)
        return None
    workers = sorted((_worker(raw) for raw in answers[len(names) + 1 :] if raw), key=lambda one: (one.queue, one.name))
    queues = [
        Queue(name, int(length), tuple(one for one in workers if one.queue == name))
        for name, length in zip(names, answers[: len(names)], strict=True)
    ]
    last = [_last_run(task.decode(), raw) for task, raw in sorted(answers[len(names)].items())]
    return Pulse(queues, last)


def now_utc() -> datetime:
    return datetime.now(UTC)


def _worker(raw: bytes) -> Worker:
    said = json.loads(raw)
    times = {name: datetime.fromisoformat(said[name]) for name in ("started_at", "heard_at")}
    return Worker(said["name"], said["queue"], int(said["concurrency"]), int(said["pid"]), **times)


def _last_run(task: str, raw: bytes) -> LastRun:
    said = json.loads(raw)
    return LastRun(task, datetime.fromisoformat(said["ended_at"]), said["took_s"], said["error"], said["worker"])


def _quietly(tell: Callable[[], object]) -> None:
    try:
        tell()
    except redis.RedisError as error:
        logger.warning("a worker's pulse was not noted: %s", error)
