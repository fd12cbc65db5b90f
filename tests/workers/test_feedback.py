"""The job that counts feedback: from events in the log to a guardrail that stops an arm, with nobody looking."""

from __future__ import annotations

from typing import Any

from engine.errors import LogUnavailable
from engine.spec.event import Event, ShownItem
from engine.spec.schema import EventRole
from engine.spec.served import Served
from engine.streams import topics
from engine.streams.log import EventLog, Record
from tests.webapp.client import DEFINITION, PATIENT
from webapp.accounts.models import Project
from webapp.accounts.services import project_create
from webapp.core.clock import wall_ms
from webapp.experiments.feedback_taking import feedback_take
from webapp.experiments.models import Arm, Experiment, Feedback
from webapp.experiments.services import Design, Rail, experiment_start
from webapp.registry.services import model_publish
from webapp.serving.services import deployment_put
from workers.tasks import feedback as job

NOW_MS = wall_ms()
NUM_USERS = 150


def shown(arm: str, number: int) -> Event:
    user = f"{arm}-{number}"
    return Event(
        f"shown-{user}", "impression", EventRole.IMPRESSION, user, None, NOW_MS, NOW_MS, f"r-{user}",
        (ShownItem("a"), ShownItem("b", 1)),
        served=Served(arm, 1, ("latest", "latest"), (1.0, 1.0), "first", arm),
    )  # fmt: skip


def click(arm: str, number: int) -> Event:
    user = f"{arm}-{number}"
    return Event(f"click-{user}", "click", EventRole.ACTION, user, "b", NOW_MS + 1, NOW_MS + 1, f"r-{user}")


def split(project: Project) -> Experiment:
    version = model_publish(project=project, name="retrieval", document=DEFINITION)
    deployments = [
        deployment_put(project=project, name=name, retrieval=version, ranking=None, document=PATIENT)
        for name in ("old", "new")
    ]
    return experiment_start(
        project=project,
        name="first",
        arms=[(deployment, 5000) for deployment in deployments],
        design=Design(guardrails=[Rail("click_rate", tolerance=0.05, min_users=100)]),
    )


def write(log: EventLog, project: Project, events: list[Event]) -> None:
    records = [Record(event.user_id, event.to_bytes(), event.received_ms) for event in events]
    log.append(topics.events(project.slug), records)


def test_job_counts_makes_results_and_stops_the_worse_arm(project: Project, log: EventLog) -> None:
    experiment = split(project)
    events = [shown(arm, number) for arm in ("old", "new") for number in range(NUM_USERS)]
    events += [click("old", number) for number in range(NUM_USERS) if number % 10]
    events += [click("new", number) for number in range(NUM_USERS) if number % 10 == 0]
    write(log, project, events)
    job.feedback()
    experiment.refresh_from_db()
    old, new = experiment.results["arms"]
    assert (old["num_users"], old["metrics"]["click_rate"]["value"]) == (NUM_USERS, 0.45)
    assert new["metrics"]["click_rate"]["value"] == 0.05
    stopped = Arm.objects.get(experiment=experiment, name="new")
    assert stopped.stopped_why["metric"] == "click_rate"
    assert not Arm.objects.get(experiment=experiment, name="old").is_stopped


def test_job_goes_on_with_the_others_when_one_project_fails(project: Project, log: EventLog, monkeypatch: Any) -> None:
    other = project_create(slug="rival", name="Rival")
    for each in (project, other):
        write(log, each, [shown("old", 1)])

    def fails_for_one(*, project: Project) -> int:
        if project.slug == "shop":
            raise LogUnavailable("away")
        return feedback_take(project=project)

    monkeypatch.setattr(job, "feedback_take", fails_for_one)
    job.feedback()
    assert [feedback.project.slug for feedback in Feedback.objects.all()] == ["rival"]
