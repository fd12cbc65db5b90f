"""The web app names jobs; the workers do them: the two lists are one."""

from __future__ import annotations

import subprocess
import sys

from webapp.core.jobs import QUEUES, Job
from workers.__main__ import DEFAULT_CONCURRENCY, arguments_for
from workers.celery_app import app


def test_tasks_are_the_jobs_that_the_web_app_names() -> None:
    import workers.tasks  # noqa: F401

    assert {name for name in app.tasks if not name.startswith("celery.")} == {job.value for job in Job}


def test_every_queue_has_a_process_that_serves_it() -> None:
    assert set(QUEUES.values()) == set(DEFAULT_CONCURRENCY)


def test_beat_sends_only_jobs_that_exist() -> None:
    assert {entry["task"] for entry in app.conf.beat_schedule.values()} <= {job.value for job in Job}


def test_concurrency_comes_from_the_environment(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("FRESHET_TRAINER_CONCURRENCY", "7")
    assert "--concurrency=7" in arguments_for("trainer", "WARNING")
    assert "--queues=trainer" in arguments_for("trainer", "WARNING")


def test_worker_parent_never_loads_tensorflow() -> None:
    """A forked TensorFlow hangs; and each long job's child must be able to give its memory back."""
    script = (
        "import django, sys; import workers.celery_app; django.setup(); import workers.tasks\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'tensorflow', 'keras'}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
