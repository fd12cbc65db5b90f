"""A long job under its lease: what each way to end leaves behind. Exports stand for all of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from engine.errors import Interrupted, LogError, ReplicaUnavailable
from webapp.accounts.models import Project
from webapp.core.errors import Conflict
from webapp.core.models import Lease
from webapp.core.services import lease_acquire
from webapp.exports.models import Export
from webapp.exports.services import export_start
from webapp.long_jobs.selectors import long_jobs_to_revive
from webapp.long_jobs.services import long_job_finished, long_job_started, long_job_stop, long_jobs_end_unwanted
from workers.long_job import Attempt, take_up

Work = Callable[[Attempt[Export]], None]


@pytest.fixture
def export(project: Project, monkeypatch: pytest.MonkeyPatch) -> Export:
    monkeypatch.setattr("webapp.core.jobs.send", lambda *_, **__: None)
    return export_start(project=project, what="users", format="jsonl")


def raising(error: Exception) -> Work:
    def work(attempt: Attempt[Export]) -> None:
        long_job_started(job=attempt.job)
        raise error

    return work


def left(export: Export, work: Work) -> tuple[str, bool, str]:
    take_up(Export, export.pk, work)
    export.refresh_from_db()
    return (export.state, export.wanted, export.error)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Conflict("no such type"), ("failed", False, "no such type")),
        (KeyError("a"), ("failed", False, "KeyError: 'a'")),
        (ReplicaUnavailable("nobody"), ("failed", False, "ReplicaUnavailable: nobody")),
        (LogError("away"), ("running", True, "")),
        (Interrupted("the worker ends"), ("running", True, "")),
    ],
)
def test_job_that_meets_an_error_ends_or_waits_as_the_error_says(
    export: Export, error: Exception, expected: tuple[str, bool, str]
) -> None:
    assert left(export, raising(error)) == expected
    assert long_jobs_to_revive(model=Export) == ([export.pk] if expected[1] else [])


def test_job_whose_errors_mean_something_else_says_which(export: Export) -> None:
    take_up(Export, export.pk, raising(ReplicaUnavailable("nobody")), outages=(ReplicaUnavailable,))
    assert Export.objects.get().wanted
    take_up(Export, export.pk, raising(ReplicaUnavailable("nobody")), refusals=(ReplicaUnavailable,))
    assert Export.objects.get().error == "nobody"


def test_job_that_is_stopped_while_at_work_ends_at_its_next_look(export: Export) -> None:
    def work(attempt: Attempt[Export]) -> None:
        attempt.look()
        assert long_job_stop(job=export).state == "queued"  # somebody holds it: it is asked to stop
        assert long_jobs_end_unwanted(model=Export) == 0
        attempt.look()

    assert left(export, work) == ("stopped", False, "")


def test_job_that_another_holds_or_has_taken_over_is_left_to_them(export: Export) -> None:
    def robbed(attempt: Attempt[Export]) -> None:
        Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert lease_acquire(name=export.lease_name, holder="another", ttl_s=60)
        attempt.look()

    assert left(export, robbed) == ("queued", True, "")
    assert left(export, lambda _: pytest.fail("two workers")) == ("queued", True, "")
    assert long_jobs_to_revive(model=Export) == []


def test_job_that_ended_is_not_taken_up_again(export: Export) -> None:
    long_job_finished(job=export, state=Export.DONE, num_bytes=7)
    assert left(export, lambda _: pytest.fail("it has ended")) == ("succeeded", False, "")
    assert (export.is_ended, export.share_done, export.num_bytes) == (True, 1.0, 7)
