"""Counting what became of what was shown: from the log, each event once, a bite at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from django.db import transaction

from engine.errors import CorruptRecord, OffsetOutOfRange, UnknownTopic
from engine.spec.event import Event
from engine.spec.intake import Intake, RefusedEvent
from engine.streams import topics
from engine.streams.log import EventLog, Position, StoredRecord
from webapp import environment
from webapp.accounts.models import Project
from webapp.core.clock import wall_ms
from webapp.core.log import event_log
from webapp.experiments import feedback_storage as storage
from webapp.experiments.feedback_counting import Sums, count_following, count_shown, followers, shown_in
from webapp.experiments.feedback_models import Feedback
from webapp.registry.selectors import event_validator

TAKEN_AT_ONCE = 2_000
_FEATURES = b',"features":{'
_SERVED = b',"served":{"deployment":'
MAX_TURNS = 25


def window_s() -> int:
    """How long after it was shown an item's actions count: FRESHET_FEEDBACK_WINDOW_S."""
    return environment.integer("FRESHET_FEEDBACK_WINDOW_S", 86_400)


def most_remembered() -> int:
    """How many recommendations of a project wait for actions at most: FRESHET_FEEDBACK_REMEMBERED."""
    return environment.integer("FRESHET_FEEDBACK_REMEMBERED", 500_000)


def feedback_take(*, project: Project, now_ms: Callable[[], int] = wall_ms) -> int:
    """Count what has come since the last time; answers how many records were read. Raises `LogError`.

    Offsets are kept in the transaction that keeps the counts. Who comes while another is at it counts nothing. The first time begins
    with what the window still reaches.
    """
    log, topic = event_log(), topics.events(project.slug)
    intake = Intake(event_validator(project=project), time.time)
    num_read = 0
    for _ in range(MAX_TURNS):
        try:
            num_now = _take_some(project, log, topic, intake, now_ms)
        except UnknownTopic:
            break
        num_read += num_now
        if num_now == 0:
            break
    if num_read:
        _forget(project)
    return num_read


def _take_some(project: Project, log: EventLog, topic: str, intake: Intake, now_ms: Callable[[], int]) -> int:
    """One bite; 0 at the end."""
    Feedback.objects.get_or_create(project=project)
    with transaction.atomic():
        feedback = Feedback.objects.select_for_update(skip_locked=True).filter(project=project).first()
        if feedback is None:
            return 0
        before = {int(partition): int(offset) for partition, offset in feedback.next_offsets.items()}
        after, records = _read(log, topic, before, now_ms() - 1000 * window_s())
        if after == before:
            return 0
        read = [(event, record) for record in records if (event := _event(intake, record)) is not None]
        places = {event.event_id: Position(record.partition, record.offset) for event, record in reversed(read)}
        _count(project, feedback, [event for event, _ in read], places)
        feedback.next_offsets = {str(partition): offset for partition, offset in after.items()}
        feedback.save()
    return len(records)


def _read(
    log: EventLog, topic: str, offsets: dict[int, int], since_ms: int
) -> tuple[dict[int, int], list[StoredRecord]]:
    """The next offsets, and the records: each partition's in order. What was trimmed unread is passed over."""
    ends, earliest = log.end_offsets(topic), log.earliest_offsets(topic)
    found: list[StoredRecord] = []
    places: dict[int, int] = {}
    for partition, end in ends.items():
        offset = offsets.get(partition)
        if offset is None:
            offset = log.offset_at(topic, partition, since_ms)
        elif offset > end:  # the topic was made anew
            offset = earliest[partition]
        try:
            records = log.read(topic, partition, offset, TAKEN_AT_ONCE)
        except OffsetOutOfRange as error:
            offset = int(error.extra["earliest"])
            records = log.read(topic, partition, offset, TAKEN_AT_ONCE)
        places[partition] = records[-1].offset + 1 if records else offset
        found += records
    return places, found


def _event(intake: Intake, record: StoredRecord) -> Event | None:
    short = without_features(record.value)
    if short is not None:
        try:
            return Event.from_bytes(short)
        except CorruptRecord:
            pass  # what was taken for a field was a key of something else
    try:
        return intake.read(record.value, record.timestamp_ms)
    except RefusedEvent:
        return None  # the joiner buries it, and the inbox shows it


def without_features(value: bytes) -> bytes | None:
    """An event without the features that were logged with it, which are most of its bytes; None where there are none to leave out.

    Quotes within strings are escaped, so that a match is a key; of an inner object the rest does not parse.
    """
    start = value.find(_FEATURES)
    end = value.rfind(_SERVED)
    return value[:start] + value[end:] if 0 <= start < end else None


def _count(project: Project, feedback: Feedback, events: list[Event], places: Mapping[str, Position]) -> None:
    found, sums = shown_in(events, places), Sums()
    fresh = storage.remember(project.pk, list(found.values()))
    count_shown((found[key] for key in fresh), sums)
    known = {key: found[key] for key in fresh}
    known |= storage.recall(project.pk, {key for _, key in followers(events)} - fresh)
    feedback.newest_ms = max([feedback.newest_ms, *(event.received_ms for event in events)])
    count_following(events, known, feedback.newest_ms - 1000 * window_s(), sums)
    storage.note(project.pk, [known[key] for key in sums.changed])
    storage.add_counts(project.pk, sums.counts)
    storage.add_users(project.pk, sums.users)
    storage.add_shadows(project.pk, sums.shadows)
    feedback.num_unattributed += sums.num_unattributed


def _forget(project: Project) -> None:
    with transaction.atomic():
        feedback = Feedback.objects.select_for_update(skip_locked=True).filter(project=project).first()
        if feedback is None:
            return
        before_ms = feedback.newest_ms - 1000 * window_s()
        num_let_go = storage.forget(project.pk, before_ms=before_ms, keep=most_remembered())
        if num_let_go:
            feedback.num_let_go += num_let_go
            feedback.save(update_fields=["num_let_go", "updated_at"])
