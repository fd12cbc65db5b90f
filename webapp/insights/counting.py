"""Events counted as they come, from the log: by type, for each minute and hour of their receipt, each event once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import Final

from django.db import transaction

from engine.errors import CorruptRecord, OffsetOutOfRange, UnknownTopic
from engine.serving.event_reading import read_event
from engine.spec.event import Event
from engine.spec.intake import Intake
from engine.streams import topics
from engine.streams.log import EventLog, StoredRecord
from webapp.accounts.models import Project
from webapp.core.log import event_log
from webapp.insights import counts_storage as storage
from webapp.insights.counts_storage import CountKey
from webapp.insights.models import EventCounting
from webapp.insights.seen_lately import SeenLately
from webapp.registry.selectors import event_validator

TAKEN_AT_ONCE: Final = 2_000
MAX_TURNS: Final = 25
MINUTE_S: Final = 60
HOUR_S: Final = 3600
KEPT_S: Final = {MINUTE_S: 2 * 86_400, HOUR_S: 90 * 86_400}
OWN_TYPES: Final = "freshet."
"""Types that nobody's users did (canaries, shadows) begin with it; a schema cannot declare one."""

_seen_lately = SeenLately()


def events_count(*, project: Project) -> int:
    """Count what has come since the last time; answers how many records were read. Raises `LogError`.

    The first time begins with the oldest record held. At most `MAX_TURNS` bites; what is left waits for the next call. Who comes while
    another is at it counts nothing.
    """
    log, topic = event_log(), topics.events(project.slug)
    intake = Intake(event_validator(project=project), time.time)
    num_read, is_behind = 0, True
    for _ in range(MAX_TURNS):
        try:
            num_now = _count_some(project, log, topic, intake)
        except UnknownTopic:
            num_now = 0
        num_read += num_now
        is_behind = num_now > 0
        if not is_behind:
            break
    EventCounting.objects.filter(project=project).exclude(is_behind=is_behind).update(is_behind=is_behind)
    return num_read


def counts_prune() -> None:
    """Let go of minutes and hours that no page shows any more."""
    for span_s, kept_s in KEPT_S.items():
        storage.forget_counts(span_s, kept_s)


def _count_some(project: Project, log: EventLog, topic: str, intake: Intake) -> int:
    """One bite; 0 at the end."""
    EventCounting.objects.get_or_create(project=project)
    with transaction.atomic():
        counting = EventCounting.objects.select_for_update(skip_locked=True).filter(project=project).first()
        if counting is None:
            return 0
        before = {int(partition): int(offset) for partition, offset in counting.next_offsets.items()}
        after, records = _read(log, topic, before)
        if after == before:
            return 0
        events = [event for record in records if (event := _event(intake, record)) is not None]
        storage.add_counts(project.pk, counts_of(events))
        _mark_seen(project, events)
        counting.next_offsets = {str(partition): offset for partition, offset in after.items()}
        counting.save()
    return len(records)


def _mark_seen(project: Project, events: Iterable[Event]) -> None:
    seen = {item_id for event in events for item_id in event.item_ids}
    unmarked = _seen_lately.without_known(project.pk, seen)
    storage.mark_seen(project.pk, unmarked)
    transaction.on_commit(lambda: _seen_lately.note(project.pk, unmarked))


def counts_of(events: Iterable[Event]) -> Counter[CountKey]:
    counts: Counter[CountKey] = Counter()
    for event in events:
        for span_s in KEPT_S:
            counts[CountKey(span_s, event.received_ms - event.received_ms % (1000 * span_s), event.type)] += 1
    return counts


def _read(log: EventLog, topic: str, offsets: dict[int, int]) -> tuple[dict[int, int], list[StoredRecord]]:
    """The next offsets, and the records. What was trimmed unread is passed over."""
    ends, earliest = log.end_offsets(topic), log.earliest_offsets(topic)
    found: list[StoredRecord] = []
    places: dict[int, int] = {}
    for partition, end in ends.items():
        offset = offsets.get(partition, earliest[partition])
        if offset > end:  # the topic was made anew
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
    try:
        event = read_event(record.value, record.timestamp_ms, intake)
    except CorruptRecord:
        return None  # the joiner buries it, and the inbox shows it
    return None if event.type.startswith(OWN_TYPES) else event
