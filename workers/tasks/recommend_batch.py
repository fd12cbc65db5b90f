"""A batch of recommendations: users in parts, each part asked of the replicas, written and noted before the next."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from django.db import connection

from engine.errors import Interrupted, InvalidDocument, LeaseLost, ReplicaUnavailable
from engine.serving.degraded import Degraded
from webapp.batches import services
from webapp.batches.models import Batch
from webapp.catalog.models import User
from webapp.core.errors import AppError
from webapp.core.jobs import Job
from webapp.serving.asked import Asked
from webapp.serving.recommending import answer
from workers import sent
from workers.batch_files import BatchFiles, Row
from workers.celery_app import app
from workers.fresh_connection import drop_broken_connection
from workers.leases import HeldLease, held
from workers.runs import MAX_ERROR_LENGTH, OUTAGES
from workers.stopping import STOP

logger = logging.getLogger(__name__)

USERS_PER_PART = 500
NUM_AT_ONCE = 2
"""Requests under way. More would take the replicas from who waits for an answer."""

TIMEOUT_MS = 10_000
NOT_ANSWERED = frozenset((Degraded.NO_REPLICA.value, Degraded.DEADLINE.value))


@app.task(name=Job.RECOMMEND_BATCH.value)
def recommend_batch(batch_id: int) -> None:
    """Work under a lease. An interrupted batch stays wanted, so that `freshet.revive` sends it again."""
    found = Batch.objects.select_related("project").filter(pk=batch_id).first()
    if found is None:
        return
    with held(found.lease_name) as lease:
        found.refresh_from_db(fields=["wanted", "state", "num_parts", "num_done", "last_user_id"])
        if lease is None or not found.wanted or found.state in services.ENDED:
            return
        sent.forget_sent(Job.RECOMMEND_BATCH, found.pk)
        with STOP.watching() as should_end:
            _attempt(found, lease, should_end)


def _attempt(batch: Batch, lease: HeldLease, should_end: Callable[[], bool]) -> None:
    try:
        BatchWork(batch, lease, should_end).run()
    except LeaseLost as error:
        logger.warning("batch %s: %s; its new holder carries on", batch.pk, error)
    except Interrupted:
        if not Batch.objects.filter(pk=batch.pk, wanted=True).exists():
            services.batch_finished(batch=batch, state=Batch.State.STOPPED)
    except (InvalidDocument, AppError) as error:
        services.batch_finished(batch=batch, state=Batch.State.FAILED, error=error.message[:MAX_ERROR_LENGTH])
    except (ReplicaUnavailable, *OUTAGES) as error:
        logger.warning("batch %s: a server is away (%s); it will be tried again", batch.pk, error)
    except Exception as error:
        logger.exception("batch %s failed", batch.pk)
        message = f"{type(error).__name__}: {error}"[:MAX_ERROR_LENGTH]
        services.batch_finished(batch=batch, state=Batch.State.FAILED, error=message)


class BatchWork:
    """One attempt, which begins behind the parts that earlier ones have written."""

    def __init__(self, batch: Batch, lease: HeldLease, should_end: Callable[[], bool]) -> None:
        self._batch, self._lease, self._should_end = batch, lease, should_end
        self._files = BatchFiles(batch.folder, batch.format, batch.result)

    def run(self) -> None:
        """To the last user. Raises `Interrupted`, `LeaseLost`, and what a call raises."""
        batch = self._batch
        services.batch_started(batch=batch)
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
        services.batch_finished(batch=batch, state=Batch.State.SUCCEEDED, num_bytes=num_bytes)

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

    def _look(self) -> None:
        """Raises `Interrupted` when the batch is not wanted or the process is to end, `LeaseLost` when it is another's."""
        drop_broken_connection()
        self._lease.fence()
        if self._should_end() or not Batch.objects.filter(pk=self._batch.pk, wanted=True).exists():
            raise Interrupted("the batch is to stop")
