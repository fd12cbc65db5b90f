"""Which projects want a joiner, and how much there is for it."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from engine.errors import LogError, UnknownTopic
from engine.streams import topics
from webapp.accounts.models import Project
from webapp.core.log import event_log
from webapp.core.selectors import is_held
from webapp.training.selectors import joiner_progress

LONGEST_REST = timedelta(minutes=10)
"""Once in so long a resting project's joiner looks at the rest: changes of the catalogue, which it alone lets go of."""


def num_to_join(*, project: Project) -> int:
    """Events in the log that the joiner has not said it has joined. Raises `LogError`."""
    log, topic = event_log(), topics.events(project.slug)
    try:
        earliest, ends = log.earliest_offsets(topic), log.end_offsets(topic)
    except UnknownTopic:  # a new log: the first append makes its topics
        return 0
    progress = joiner_progress(project=project)
    joined = {} if progress is None else progress.events_offsets
    return sum(max(0, end - max(earliest[one], int(joined.get(str(one), 0)))) for one, end in ends.items())


def projects_to_join() -> list[Project]:
    """Those whose joiner nobody runs, without those that rest: they come when there is an event to join."""
    idle = Project.objects.exclude(is_held("joiner:")).order_by("id")
    rests = Q(joiner_progress__is_resting=True, joiner_progress__updated_at__gt=Now() - LONGEST_REST)
    resting = set(idle.filter(rests).values_list("pk", flat=True))
    return [one for one in idle if one.pk not in resting or _has_events(one)]


def _has_events(project: Project) -> bool:
    try:
        return num_to_join(project=project) > 0
    except LogError:
        return False  # nobody can join them now
