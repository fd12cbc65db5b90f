"""A batch of recommendations: users in parts, each part asked of the replicas, written and noted before the next."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from django.db import connection

from engine.errors import ReplicaUnavailable
from engine.serving.degraded import Degraded
from webapp.batches import services
from webapp.batches.models import Batch
from webapp.catalog.models import User
from webapp.core.jobs import Job
from webapp.long_jobs.services import long_job_finished, long_job_started
from webapp.serving.asked import Asked
from webapp.serving.recommending import answer
from workers.batch_files import BatchFiles, Row
from workers.celery_app import app
from workers.fresh_connection import drop_broken_connection
from workers.long_job import Attempt, take_up
from workers.runs import OUTAGES

USERS_PER_PART = 500
NUM_AT_ONCE = 2
"""Requests under way. More would take the replicas from who waits for an answer."""

TIMEOUT_MS = 10_000
NOT_ANSWERED = frozenset((Degraded.NO_REPLICA.value, Degraded.DEADLINE.value))


@app.task(name=Job.RECOMMEND_BATCH.value)
def recommend_batch(batch_id: int) -> None:
    take_up(Batch, batch_id, lambda attempt: BatchWork(attempt).run(), outages=(ReplicaUnavailable, *OUTAGES))


class BatchWork:
    """One attempt, which begins behind the parts that earlier ones have written."""

    def __init__(self, attempt: Attempt[Batch]) -> None:
        self._batch, self._look = attempt.job, attempt.look
        self._files = BatchFiles(self._batch.folder, self._batch.format, self._batch.result)

    def run(self) -> None:
        """To the last user. Raises `Interrupted`, `LeaseLost`, and what a call raises."""
        batch = self._batch
        long_job_started(job=batch)
        users = iter(self._users())
        with ThreadPoolExecutor(NUM_AT_ONCE, thread_name_prefix="batch") as pool:
            while part := list(islice(users, USERS_PER_PART)):
                self._look()
                rows = list(pool.map(self._asked, part))
                self._look()
                self._files.write_part(batch.num_parts, rows)
                num_degraded = sum(row.degraded is not None for row in rows)
                services.batch_part_done(
                    batch=batch, num_users=len(rows), num_degraded=num_degraded, last_user_id=part[-1]
                )
        num_bytes = self._files.join(batch.num_parts)
        long_job_finished(job=batch, state=Batch.DONE, num_bytes=num_bytes)

    def _users(self) -> Iterator[str]:
        """Those that are left."""
        if self._batch.user_ids is not None:
            yield from self._batch.user_ids[self._batch.num_done :]
            return
        last = self._batch.last_user_id
        while True:
            drop_broken_connection()
            rest = User.objects.filter(project_id=self._batch.project_id, external_id__gt=last).order_by("external_id")
            page = list(rest.values_list("external_id", flat=True)[:USERS_PER_PART])
            if not page:
                return
            yield from page
            last = page[-1]

    def _asked(self, user_id: str) -> Row:
        try:
            return self._row(user_id)
        finally:
            connection.close()

    def _row(self, user_id: str) -> Row:
        """Nobody is shown anything by this, so nothing is logged. An answer of a fallback is none: the replica comes back."""
        batch = self._batch
        asked = Asked(
            user_id=user_id,
            k=batch.k,
            deployment=batch.deployment,
            filter=batch.filter or None,
            parameters=batch.parameters,
            timeout_ms=TIMEOUT_MS,
            is_logged=False,
        )
        found: dict[str, Any] = answer(project=batch.project, asked=asked)
        degraded = found["degraded"]
        if degraded and NOT_ANSWERED & set(degraded.split(", ")):
            raise ReplicaUnavailable(f"no replica answered for user {user_id!r}: {degraded}")
        items = found["items"]
        return Row(user_id, [item["item_id"] for item in items], [item["score"] for item in items], degraded)
