"""Which projects want a joiner: all but those that are held, and those that rest with nothing to join."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from webapp.accounts.models import Project
from webapp.catalog.services import events_ingest
from webapp.core.services import lease_acquire
from webapp.training.joining import num_to_join, projects_to_join
from webapp.training.models import JoinerProgress
from webapp.training.services import joiner_report

CLICK = {"type": "click", "user_id": "u", "item_id": "jam"}


def test_it_joins_projects_whose_joiner_nobody_runs(project: Project, other_project: Project) -> None:
    lease_acquire(name=f"joiner:{project.pk}", holder="worker", ttl_s=60)
    assert projects_to_join() == [other_project]


def test_it_leaves_a_resting_project_alone_until_there_is_an_event(project: Project, other_project: Project) -> None:
    joiner_report(project=project, is_resting=True)
    assert projects_to_join() == [other_project]
    events_ingest(project=other_project, rows=[CLICK], source="test")
    assert projects_to_join() == [other_project]
    events_ingest(project=project, rows=[CLICK], source="test")
    assert projects_to_join() == [project, other_project]
    joiner_report(project=project, events_offsets={0: 1}, is_resting=True)
    assert projects_to_join() == [other_project]


def test_it_looks_at_a_resting_project_now_and_then(project: Project) -> None:
    joiner_report(project=project, is_resting=True)
    JoinerProgress.objects.update(updated_at=timezone.now() - timedelta(minutes=11))
    assert projects_to_join() == [project]


def test_it_counts_what_was_received_and_not_joined(project: Project) -> None:
    assert num_to_join(project=project) == 0
    events_ingest(project=project, rows=[CLICK | {"item_id": name} for name in "abc"], source="test")
    assert num_to_join(project=project) == 3
    joiner_report(project=project, events_offsets={0: 2})
    assert num_to_join(project=project) == 1
