"""How much there is: events, examples, replicas."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import LogError, UnknownTopic
from engine.streams import topics
from webapp.accounts.models import Project
from webapp.core.log import event_log
from webapp.serving import selectors as serving
from webapp.training import selectors as training
from webapp.training.models import JoinerProgress


@dataclass(frozen=True)
class Totals:
    """`age_s` is that of the oldest parameters any live replica answers with; `num_waiting` events are not joined yet."""

    num_events: int
    num_examples: int
    num_waiting: int | None
    num_live_replicas: int
    age_s: float | None


def totals_of(*, project: Project) -> Totals:
    progress = training.joiner_progress(project=project)
    try:
        num_events = events_appended(project=project, progress=progress)
    except LogError:  # what the joiner had taken is known all the same
        num_events = progress.num_events if progress else 0
    return Totals(
        num_events=num_events,
        num_examples=progress.num_examples if progress else 0,
        num_waiting=progress.lag_records if progress else None,
        num_live_replicas=serving.replicas_alive().count(),
        age_s=serving.oldest_age_s(project=project),
    )


def events_appended(*, project: Project, progress: JoinerProgress | None) -> int:
    """Those that the joiner has taken, which are no canaries, and all that lies behind them in the topic. Raises `LogError`."""
    try:
        ends = event_log().end_offsets(topics.events(project.slug))
    except UnknownTopic:
        return 0
    if progress is None:
        return sum(ends.values())
    unread = (end - int(progress.events_offsets.get(str(partition), 0)) for partition, end in ends.items())
    return progress.num_events + sum(max(0, one) for one in unread)
