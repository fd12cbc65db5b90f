"""What a deployment showed over time, drawn: by source and hour, with what was acted on as a share of it."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from webapp.accounts.models import Project
from webapp.experiments.feedback_pictures import hours_of, traffic_pictures
from webapp.experiments.feedback_selectors import feedback_by_deployment
from webapp.experiments.models import FeedbackCount
from webapp.serving.models import Deployment
from webapp.serving.services import deployment_put

SOURCES = {"retrieval": {"sources": [{"kind": "latest", "quota": 20}]}}


def counted(project: Project, hours_ago: int, source: str, event_type: str, num: int, deployment: str = "main") -> None:
    hour = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours_ago)
    FeedbackCount.objects.create(
        project=project,
        hour=hour,
        deployment=deployment,
        revision=1,
        source=source,
        position=0,
        type=event_type,
        num=num,
    )


def deployed(project: Project) -> Deployment:
    return deployment_put(project=project, name="main", retrieval=None, ranking=None, document=SOURCES)


def test_it_stacks_sources_and_draws_shares_of_what_was_shown(project: Project) -> None:
    deployment = deployed(project)
    assert traffic_pictures(deployment=deployment, hours=24) is None
    for source, num in (("latest", 60), ("trending_1h", 40)):
        counted(project, 2, source, "", num)
    counted(project, 2, "latest", "click", 25)
    counted(project, 400, "latest", "", 999)
    drawn = traffic_pictures(deployment=deployment, hours=24)
    assert drawn is not None
    shown, acted = drawn
    assert [name.text for name in shown.names] == ["latest", "trending_1h"]
    assert len(shown.columns) == 24
    assert [row[1:] for row in shown.table.rows if row[1] != "0"] == [["60", "40"]]
    assert [row[1] for row in acted.table.rows if row[1] != "–"] == ["25"]


def test_it_draws_months_by_day(project: Project) -> None:
    deployment = deployed(project)
    counted(project, 400, "latest", "", 10)
    drawn = traffic_pictures(deployment=deployment, hours=720)
    assert drawn is not None and 29 <= len(drawn[0].columns) <= 31
    assert drawn[0].unit == "items shown each day"
    assert [hours_of(asked) for asked in ("720", "9", "", "x", "-24", "9" * 40)] == [720, 24, 24, 24, 24, 24]


def test_it_sums_each_deployment_once(project: Project, other_project: Project) -> None:
    counted(project, 1, "latest", "", 10)
    counted(project, 1, "latest", "click", 2)
    counted(project, 1, "latest", "", 7, deployment="next")
    counted(other_project, 1, "latest", "", 99)
    found = feedback_by_deployment(project=project)
    assert {name: (row["num_shown"], row["rates"]) for name, row in found.items()} == {
        "main": (10, {"click": 0.2}),
        "next": (7, {}),
    }
