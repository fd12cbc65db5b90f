"""What the joiner made of an event, or what it waits for."""

from __future__ import annotations

from collections.abc import Sequence

from engine.spec.event import Event
from engine.spec.schema import EventRole, Schema
from webapp.accounts.models import Project
from webapp.tracing.examples import FoundExample
from webapp.tracing.finding import FoundEvent
from webapp.tracing.reached import joined_at_ms
from webapp.tracing.stages import Reach, Stage, counted, in_words
from webapp.tracing.windows import Window
from webapp.training.models import JoinerProgress


def joiner_stage(project: Project, found: FoundEvent, schema: Schema, examples: Sequence[FoundExample]) -> Stage:
    """Whether it has come to the event, when, and what it found."""
    event = found.event
    progress = JoinerProgress.objects.filter(project=project).first()
    next_offset = int(progress.events_offsets.get(str(found.partition), 0)) if progress else 0
    at_ms = joined_at_ms(project=project, partition=found.partition, offset=found.offset, since_ms=event.received_ms)
    if next_offset <= found.offset and at_ms is None and not examples:
        num_before = found.offset - next_offset + 1
        said = f"The joiner has yet to take {counted(num_before, 'event')} of this partition, this one included."
        return Stage("Joiner", Reach.WAITING, said, received_ms=event.received_ms)
    reach = Reach.REACHED if at_ms is not None else Reach.FORGOTTEN
    return Stage("Joiner", reach, _said(event, schema, examples), at_ms, received_ms=event.received_ms)


def window_stages(found: FoundEvent, windows: Sequence[Window], joined: Stage, now_ms: int) -> list[Stage]:
    """Of an impression the ends of its windows, in event time, which the wall clock follows while the stream stands still."""
    event = found.event
    if event.role is not EventRole.IMPRESSION or joined.reach is Reach.WAITING:
        return []
    shown_ms = min(event.timestamp_ms, event.received_ms)
    stages = []
    for window in windows:
        end_ms, actions = shown_ms + window.window_ms, " or ".join(window.actions)
        if end_ms > now_ms:
            said = f"Waits for {actions}; {in_words((end_ms - now_ms) / 1000)} left. What has not come by then is learned as such."
            stage = Stage("Window", Reach.WAITING, said, until_ms=end_ms, received_ms=event.received_ms)
        else:
            said = f"Waited {in_words(window.window_ms / 1000)} for {actions}; what had not come was learned as such."
            stage = Stage("Window ended", Reach.REACHED, said, end_ms, received_ms=event.received_ms)
        stages.append(stage)
    return stages


def _said(event: Event, schema: Schema, examples: Sequence[FoundExample]) -> str:
    if event.role is EventRole.OTHER:
        return (
            "Taken and not joined: events of this role are kept, counted where a counter says so, and make no example."
        )
    if event.role is EventRole.IMPRESSION:
        num_items = len(event.item_ids)
        return f"{counted(num_items, 'shown item')} began to wait for what the user does."
    own = next((one for one in examples if one.origin == "impression"), None)
    if own is not None:
        late = " It came late, and corrects what was learned as a negative." if own.corrects else ""
        return f"Met the impression that showed item {own.item_id}, with the features logged when it was shown.{late}"
    if any(one.origin == "action" for one in examples):
        return "No impression of this item was waiting: an example of its own, whose negatives are drawn."
    if event.recommendation_id is not None and schema.joining.early_wait_s:
        return f"Waits up to {in_words(schema.joining.early_wait_s)} for the impression that it names."
    return "Taken; its example was not found near the moment it was received. It may be a repeat, which makes none."
