"""A run whose worker dies again and again is tried later each time, and given up with a reason when it gets no further."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from engine.spec.demo import demo_retriever, demo_schema
from webapp.accounts.models import Project
from webapp.core.jobs import QUEUES, Job
from webapp.core.models import Lease
from webapp.core.redis_connection import redis_connection
from webapp.core.services import lease_acquire
from webapp.registry.services import model_publish, schema_publish
from webapp.training import retries, services
from webapp.training.models import Run
from webapp.training.selectors import runs_to_revive
from workers.tasks.revive import revive


@pytest.fixture(autouse=True)
def _empty_queues() -> Iterator[None]:
    redis_connection().flushdb()
    yield
    redis_connection().flushdb()


@pytest.fixture
def run(project: Project) -> Run:
    schema_publish(project=project, document=demo_schema())
    version = model_publish(project=project, name="retriever", document=demo_retriever())
    return Run.objects.create(project=project, model_version=version, mode=Run.Mode.ONLINE)


def killed(run: Run, *, num_examples: int = 0, lag_records: int | None = None) -> Run:
    """An attempt that got so far, was killed with SIGKILL, and whose lease has run out since."""
    assert lease_acquire(name=run.lease_name, holder=f"killed-{timezone.now()}", ttl_s=60)
    services.run_started(run=run)
    if lag_records is not None:
        values = {"num_examples": num_examples, "lag_records": lag_records}
        services.run_report(run=run, values=values, num_examples=num_examples, event_time=None)
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    revive()
    run.refresh_from_db()
    return run


def test_first_loss_is_taken_up_again_at_once(run: Run) -> None:
    done = killed(run)
    assert (done.state, done.wanted, done.num_failures, done.retry_at) == (Run.State.QUEUED, True, 1, None)
    assert "memory ran out" in done.error
    assert int(redis_connection().llen(QUEUES[Job.TRAIN_ONLINE])) == 1


def test_next_losses_wait_longer_each_time_and_the_fifth_is_the_last(run: Run) -> None:
    waits = []
    for _ in range(4):
        before = timezone.now()
        done = killed(run)
        waits.append(0 if done.retry_at is None else round((done.retry_at - before).total_seconds()))
    assert waits == [0, 5, 20, 80] == [retries.delay_s(number) for number in (1, 2, 3, 4)]
    assert runs_to_revive() == []
    Run.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
    assert runs_to_revive() == [run]
    done = killed(run)
    assert (done.state, done.wanted, done.retry_at) == (Run.State.FAILED, False, None)
    assert done.error.startswith("Given up after 5 attempts that got no further than 0 examples. The worker was lost")
    assert done.finished_at is not None
    assert runs_to_revive() == []


def test_run_that_gets_further_each_time_is_never_given_up(run: Run) -> None:
    for number in range(1, 9):
        done = killed(run, num_examples=100 * number, lag_records=1000)
        assert (done.wanted, done.num_failures, done.retry_at) == (True, 1, None)


def test_run_that_falls_back_to_its_checkpoint_and_dies_at_the_same_place_is_given_up(run: Run) -> None:
    for num_examples in (500, 480, 500, 499, 500):
        done = killed(run, num_examples=num_examples, lag_records=1000)
    assert done.state == Run.State.FAILED
    assert "no further than 500 examples" in done.error


def test_run_that_had_nothing_left_to_learn_is_not_to_blame_for_its_machine(run: Run) -> None:
    for _ in range(8):
        done = killed(run, num_examples=500, lag_records=0)
    assert (done.state, done.wanted, done.num_failures) == (Run.State.QUEUED, True, 0)


def test_run_that_is_held_is_not_lost(run: Run) -> None:
    lease_acquire(name=run.lease_name, holder="at work", ttl_s=60)
    services.run_started(run=run)
    revive()
    run.refresh_from_db()
    assert (run.state, run.num_failures) == (Run.State.RUNNING, 0)


def test_orderly_end_forgives_what_was_before(run: Run) -> None:
    killed(run)
    killed(run)
    retries.run_attempt_ended(run=run)
    assert killed(run).num_failures == 1
