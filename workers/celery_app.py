"""The Celery application: JSON only, early acknowledgement, one clean child process per long job.

A message only wakes a worker; what must be done is in PostgreSQL (`Run.wanted`, projects without a joiner). So a message
is acknowledged when its job starts, a lost message costs one beat of `freshet.revive`, and a killed job is found by its
lease running out.
"""

from __future__ import annotations

import logging
import os

from celery import Celery
from celery.signals import setup_logging, task_prerun, worker_process_init, worker_shutting_down
from django.conf import settings
from kombu import Queue

from webapp.core.jobs import QUEUES, Job
from workers.lasting_connections import keep_between_tasks
from workers.pulse import PulseStep
from workers.stopping import STOP, end_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")

REVIVE_EVERY_S = 2.0
PRUNE_EVERY_S = 300.0
FEEDBACK_EVERY_S = 10.0
ALERTS_EVERY_S = 15.0
ERASURES_EVERY_S = 5.0
COUNT_EVENTS_EVERY_S = 11.0
"""Not as often as feedback is counted: together they would take both of a small machine's cores from who is being answered."""
INSIGHTS_EVERY_S = 60.0

app = Celery("freshet")
app.steps["worker"].add(PulseStep)
task_prerun.connect(keep_between_tasks)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    result_backend=None,
    task_ignore_result=True,
    task_acks_late=False,
    task_queues=[Queue(name) for name in sorted(set(QUEUES.values()))],
    task_create_missing_queues=False,
    task_routes={job.value: {"queue": queue} for job, queue in QUEUES.items()},
    task_track_started=False,
    task_send_sent_event=False,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    worker_pool="prefork",
    worker_prefetch_multiplier=1,
    # a job of minutes must not hold back a message that another worker has room for
    worker_disable_prefetch=True,
    # TensorFlow is loaded by the child that trains and goes away with it
    worker_max_tasks_per_child=1,
    broker_connection_retry_on_startup=True,
    imports=["workers.tasks"],
    # kept in memory: both jobs are idempotent, and nothing of ours on a disk is a pickle
    beat_scheduler="celery.beat:Scheduler",
    beat_max_loop_interval=1,
    beat_schedule={
        "revive": {
            "task": Job.REVIVE.value,
            "schedule": REVIVE_EVERY_S,
            "options": {"expires": 2 * REVIVE_EVERY_S},
        },
        "prune": {"task": Job.PRUNE.value, "schedule": PRUNE_EVERY_S, "options": {"expires": PRUNE_EVERY_S}},
        "feedback": {
            "task": Job.FEEDBACK.value,
            "schedule": FEEDBACK_EVERY_S,
            "options": {"expires": FEEDBACK_EVERY_S},
        },
        "alerts": {"task": Job.ALERTS.value, "schedule": ALERTS_EVERY_S, "options": {"expires": ALERTS_EVERY_S}},
        "erasures": {
            "task": Job.ERASURES.value,
            "schedule": ERASURES_EVERY_S,
            "options": {"expires": ERASURES_EVERY_S},
        },
        "insights": {
            "task": Job.INSIGHTS.value,
            "schedule": INSIGHTS_EVERY_S,
            "options": {"expires": INSIGHTS_EVERY_S},
        },
        "count_events": {
            "task": Job.COUNT_EVENTS.value,
            "schedule": COUNT_EVENTS_EVERY_S,
            "options": {"expires": COUNT_EVENTS_EVERY_S},
        },
    },
)
if settings.CANARY_EVERY_S > 0:
    app.conf.beat_schedule["canary"] = {
        "task": Job.CANARY.value,
        "schedule": float(settings.CANARY_EVERY_S),
        "options": {"expires": float(settings.CANARY_EVERY_S)},
    }


@setup_logging.connect
def _log_as_settings_say(*, loglevel: int = logging.WARNING, **_: object) -> None:
    """Leaves logging to Django's settings: with a receiver Celery touches no logger. A line for every beat would drown the rest."""
    for name in ("celery", "kombu"):
        logging.getLogger(name).setLevel(loglevel)


@worker_process_init.connect
def _child_started(**_: object) -> None:
    end_with_parent()


@worker_shutting_down.connect
def _stop_jobs(**_: object) -> None:
    """A warm shutdown waits for its jobs, and ours only end when they are told to."""
    STOP.tell_children()
