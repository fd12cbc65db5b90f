"""A batch run trains on everything that was acknowledged before it began, so it waits until the joiner has read that far."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from engine.streams import topics
from engine.streams.log import EventLog
from webapp.training.models import JoinerProgress, Run
from workers.runs import RunSession

LOOK_EVERY_S = 0.5


def await_joiner(session: RunSession, log: EventLog, sleep: Callable[[float], object] = time.sleep) -> bool:
    """True once the joiner has read every event that was in the log at the call; False when the run was interrupted.

    The run says meanwhile how many events are to go: training on a part of them in silence would be worse than waiting.
    """
    project = session.run.project
    wanted = log.end_offsets(topics.events(project.slug))
    while num_to_go := _num_to_go(wanted, _joined(project.pk)):
        if session.should_stop():
            return False
        Run.objects.filter(pk=session.run.pk).update(error=f"waiting for the joiner: {num_to_go:,} events to go")
        sleep(LOOK_EVERY_S)
    Run.objects.filter(pk=session.run.pk).update(error="")
    return True


def _joined(project_id: int) -> Mapping[str, int]:
    progress = JoinerProgress.objects.filter(project_id=project_id).first()
    return progress.events_offsets if progress is not None else {}


def _num_to_go(wanted: Mapping[int, int], joined: Mapping[str, int]) -> int:
    return sum(max(0, end - joined.get(str(partition), 0)) for partition, end in wanted.items())
