"""What is wanted and has nobody gets one message, whatever beat's rate; a real Redis holds them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from engine.spec.demo import demo_retriever, demo_schema
from webapp.accounts.models import Project
from webapp.core.jobs import QUEUES, Job
from webapp.core.redis_connection import redis_connection
from webapp.core.services import lease_acquire
from webapp.registry.services import model_publish, schema_publish
from webapp.training.models import JoinerProgress, Run
from workers import sent
from workers.runs import RunSession, work_on
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


def num_messages(job: Job) -> int:
    return int(redis_connection().llen(QUEUES[job]))


def test_wanted_run_gets_one_message_and_no_more_while_it_waits(run: Run) -> None:
    for _ in range(5):
        revive()
    assert num_messages(Job.TRAIN_ONLINE) == 1
    assert num_messages(Job.JOIN) == 1


def test_run_that_was_taken_up_and_lost_gets_another_message(run: Run) -> None:
    revive()
    sent.forget_sent(Job.TRAIN_ONLINE, run.pk)
    revive()
    assert num_messages(Job.TRAIN_ONLINE) == 2


def test_run_and_joiner_that_are_held_get_none(run: Run) -> None:
    lease_acquire(name=run.lease_name, holder="somebody", ttl_s=60)
    lease_acquire(name=f"joiner:{run.project_id}", holder="somebody", ttl_s=60)
    revive()
    assert (num_messages(Job.TRAIN_ONLINE), num_messages(Job.JOIN)) == (0, 0)


@pytest.mark.parametrize("state", [Run.State.STOPPED, Run.State.SUCCEEDED, Run.State.FAILED])
def test_run_that_ended_gets_none(run: Run, state: str) -> None:
    Run.objects.update(state=state, wanted=False)
    revive()
    assert num_messages(Job.TRAIN_ONLINE) == 0


def test_run_that_no_worker_has_room_for_says_so(run: Run) -> None:
    Run.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    lease_acquire(name="trainer:999", holder="somebody", ttl_s=60)
    revive()
    run.refresh_from_db()
    assert run.state == Run.State.QUEUED
    assert "1 leases trainer:*" in run.error
    assert "FRESHET_TRAINER_CONCURRENCY" in run.error


def test_joiner_that_no_worker_has_room_for_says_so(run: Run) -> None:
    JoinerProgress.objects.create(project=run.project)
    JoinerProgress.objects.update(updated_at=timezone.now() - timedelta(minutes=1))
    revive()
    assert "FRESHET_JOINER_CONCURRENCY" in JoinerProgress.objects.get(project=run.project).error


def work(run: Run, train: Any) -> Run:
    work_on(run.pk, Run.Mode.ONLINE, Job.TRAIN_ONLINE, train)
    run.refresh_from_db()
    return run


def test_run_whose_training_fails_at_once_is_tried_five_times(run: Run) -> None:
    def broken(session: RunSession) -> None:
        raise ValueError("the loss is not a number")

    for attempt in range(1, 6):
        done = work(run, broken)
        assert "ValueError: the loss is not a number" in done.error
        assert done.wanted is (attempt < 5)
    assert done.state == Run.State.FAILED
    assert done.num_restarts == 4


def test_run_that_meets_an_outage_is_never_given_up(run: Run) -> None:
    from engine.errors import LogError

    def away(session: RunSession) -> None:
        raise LogError("the log is away")

    for _ in range(7):
        done = work(run, away)
    assert (done.state, done.wanted) == (Run.State.QUEUED, True)
    assert "the log is away" in done.error


def test_run_that_is_stopped_ends_as_stopped(run: Run) -> None:
    def until_unwanted(session: RunSession) -> None:
        assert not session.should_stop()
        Run.objects.update(wanted=False)
        session._look._next_at = None  # a second later
        assert session.should_stop()

    done = work(run, until_unwanted)
    assert (done.state, done.wanted) == (Run.State.STOPPED, False)


def test_run_that_is_interrupted_stays_wanted(run: Run) -> None:
    done = work(run, lambda session: None)
    assert (done.state, done.wanted) == (Run.State.QUEUED, True)
    revive()
    assert num_messages(Job.TRAIN_ONLINE) == 1


def test_run_that_somebody_holds_is_left_to_them(run: Run) -> None:
    lease_acquire(name=run.lease_name, holder="somebody", ttl_s=60)
    work(run, lambda session: pytest.fail("two trainers"))


def test_run_whose_lease_is_taken_stops_without_a_word(run: Run) -> None:
    def robbed(session: RunSession) -> None:
        from webapp.core.models import Lease

        Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert lease_acquire(name=run.lease_name, holder="another", ttl_s=60)
        session.fence()

    done = work(run, robbed)
    assert (done.state, done.wanted, done.error) == (Run.State.RUNNING, True, "")


def test_what_fails_after_another_worker_took_over_is_not_counted_against_the_run(run: Run) -> None:
    def robbed(session: RunSession) -> None:
        from webapp.core.models import Lease

        Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert lease_acquire(name=run.lease_name, holder="another", ttl_s=60)
        raise FileNotFoundError("the new holder has cleared this away")

    done = work(run, robbed)
    assert (done.state, done.error, done.num_failures) == (Run.State.RUNNING, "", 0)


def test_run_whose_next_examples_were_trimmed_fails_at_once_and_says_what_to_do(run: Run) -> None:
    from engine.errors import OffsetOutOfRange

    def behind(session: RunSession) -> None:
        raise OffsetOutOfRange("shop.examples/0: offset 3 is no longer held; the earliest is 9", earliest=9)

    done = work(run, behind)
    assert (done.state, done.wanted) == (Run.State.FAILED, False)
    assert "the earliest is 9" in done.error
    assert "Start a batch run of this version" in done.error


def test_run_that_fails_without_progress_is_given_up_however_long_each_attempt_took(run: Run) -> None:
    def stuck(session: RunSession) -> None:
        Run.objects.update(num_examples=500)
        raise ValueError("always here")

    for attempt in range(1, 6):
        assert work(run, stuck).wanted is (attempt < 5)
    assert Run.objects.get().state == Run.State.FAILED


def test_run_that_gets_further_between_failures_is_not_given_up(run: Run) -> None:
    reached = 0

    def further(session: RunSession) -> None:
        nonlocal reached
        reached += 1
        Run.objects.update(num_examples=reached)
        raise ValueError("the disk was full for a moment")

    for _ in range(8):
        assert work(run, further).wanted


def test_run_that_was_to_stop_when_its_worker_was_lost_is_stopped(run: Run) -> None:
    from webapp.core.models import Lease

    Run.objects.update(state=Run.State.RUNNING, wanted=False)
    lease_acquire(name=run.lease_name, holder="killed", ttl_s=60)
    revive()
    assert Run.objects.get().state == Run.State.RUNNING
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    revive()
    assert Run.objects.get().state == Run.State.STOPPED
    assert Run.objects.get().finished_at is not None
