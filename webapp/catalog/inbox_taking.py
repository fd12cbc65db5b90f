"""Taking dead letters out of `events.dead` into the inbox, each once, and no more than it holds."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

from django.db import transaction
from django.db.models import Count
from django.utils import timezone
from prometheus_client import Counter as Metric

from engine.errors import CorruptRecord, OffsetOutOfRange, UnknownTopic
from engine.spec.dead_letter import INBOX_GROUP, MAX_PROBLEMS, MAX_VALUE_BYTES, DeadLetter
from engine.spec.values import MAX_ID_LENGTH
from engine.streams import topics
from engine.streams.log import EventLog, StoredRecord
from webapp import environment
from webapp.accounts.models import Project
from webapp.catalog.inbox_models import DeadEvent, DeadEventCount, Inbox, storable, storable_problem
from webapp.core.log import event_log

Group = tuple[str, str]

TAKEN_AT_ONCE = 1000
MAX_TURNS = 10
# Whoever may write to `events` may write to `events.dead`; what comes from there is cut as the joiner cuts it.
MAX_RULE_CHARACTERS = 4000
MAX_VALUE_CHARACTERS = 4 * MAX_VALUE_BYTES
SAMPLES = 20
"""Of each reason and field so many are kept even when the inbox is full: a flood of one kind must not hide the others."""

MAX_COUNTS = 200
OTHERS: Group = ("other", "")
TRIMMED: Group = ("trimmed", "")
"""Letters that retention took from the topic before the inbox did."""

DEAD_EVENTS = Metric("freshet_dead_events", "Records of `events` that are no events.", ["project", "reason"])
LEFT_OUT = Metric("freshet_dead_events_left_out", "Of those, the ones counted and not kept.", ["project", "reason"])

logger = logging.getLogger(__name__)


class Tally(Protocol):
    """What a joiner says of one reason and field: how many records it counted instead of writing, and when, in ms."""

    num_records: int
    first_ms: int
    last_ms: int


def inbox_limit() -> int:
    """How many refused records of a project are kept: FRESHET_INBOX_LIMIT."""
    return environment.integer("FRESHET_INBOX_LIMIT", 10_000)


def inbox_room(*, project: Project) -> int:
    """How many more are kept."""
    return max(0, inbox_limit() - DeadEvent.objects.filter(project=project).count())


def inbox_take(*, project: Project) -> int:
    """Take in what has come since the last time; answers how many letters. Raises `LogError`.

    Offsets are kept in the transaction that keeps the letters. Who comes while another is at it takes nothing.
    """
    log, topic = event_log(), topics.events_dead(project.slug)
    num_taken = 0
    for _ in range(MAX_TURNS):
        try:
            num_now = _take_some(project, log, topic)
        except UnknownTopic:
            break
        num_taken += num_now
        if num_now == 0:
            break
    return num_taken


def inbox_note_unwritten(*, project: Project, counted: Mapping[Group, Tally]) -> None:
    """Keep what the joiner counted instead of writing: its counts since the project's first event."""
    if not counted:
        return
    with transaction.atomic():
        Inbox.objects.get_or_create(project=project)
        inbox = Inbox.objects.select_for_update().get(project=project)
        known = {(one.reason, one.field): one for one in DeadEventCount.objects.filter(project=project)}
        grown = 0
        for group, tally in counted.items():
            before = known.get(group)
            if before is not None and before.num_unwritten == tally.num_records:
                continue
            grown += max(0, tally.num_records - (before.num_unwritten if before else 0))
            count = before or DeadEventCount(project=project, reason=group[0], field=group[1])
            count.num_unwritten = tally.num_records
            count.first_at = min(_time(tally.first_ms), count.first_at or _time(tally.first_ms))
            count.last_at = max(_time(tally.last_ms), count.last_at or _time(tally.last_ms))
            count.save()
        _alert(inbox, grown)


def _take_some(project: Project, log: EventLog, topic: str) -> int:
    """One bite; 0 at the end."""
    ends = log.end_offsets(topic)
    Inbox.objects.get_or_create(project=project)
    with transaction.atomic():
        inbox = Inbox.objects.select_for_update(skip_locked=True).filter(project=project).first()
        if inbox is None:
            return 0
        offsets, lost, records = _read(log, topic, _offsets(inbox), ends)
        if not records and not lost and offsets == _offsets(inbox):
            _tell_joiner(log, topic, offsets)
            return 0
        letters = [letter for record in records if (letter := _letter(topic, record)) is not None]
        left_out = _keep(project, letters)
        if lost:
            left_out[TRIMMED] += lost
        _count(project, left_out, letters)
        inbox.next_offsets = {str(partition): offset for partition, offset in offsets.items()}
        inbox.save(update_fields=["next_offsets"])
        _alert(inbox, sum(left_out.values()))
    _tell_joiner(log, topic, offsets)
    return len(records) + lost


def _tell_joiner(log: EventLog, topic: str, offsets: dict[int, int]) -> None:
    """It leaves off writing when nothing is taken; the inbox itself goes by what is in PostgreSQL.

    Said again when nothing has come: the last commit may have failed, and Kafka forgets those of a quiet week.
    """
    if log.committed(INBOX_GROUP, topic) != offsets:
        log.commit(INBOX_GROUP, topic, offsets)


def _read(
    log: EventLog, topic: str, offsets: dict[int, int], ends: Mapping[int, int]
) -> tuple[dict[int, int], int, list[StoredRecord]]:
    """The next offsets, how many records were trimmed unread, and the records."""
    earliest = log.earliest_offsets(topic)
    found: list[StoredRecord] = []
    lost, places = 0, {}
    for partition, end in ends.items():
        offset = offsets.get(partition, earliest[partition])
        if offset > end:  # the topic was made anew
            offset = earliest[partition]
        try:
            records = log.read(topic, partition, offset, TAKEN_AT_ONCE)
        except OffsetOutOfRange as error:
            first = int(error.extra["earliest"])
            lost += first - offset
            offset, records = first, log.read(topic, partition, first, TAKEN_AT_ONCE)
        places[partition] = records[-1].offset + 1 if records else offset
        found += records
    return places, lost, found


def _letter(topic: str, record: StoredRecord) -> DeadLetter | None:
    try:
        return DeadLetter.from_bytes(record.value)
    except CorruptRecord as error:
        logger.warning("%s/%d/%d skipped: %s", topic, record.partition, record.offset, error)
        return None


def _keep(project: Project, letters: list[DeadLetter]) -> Counter[Group]:
    """Keep those there is room for; answers how many of each group were left out."""
    counted = DeadEvent.objects.filter(project=project).values_list("reason", "field").annotate(num=Count("id"))
    kept: Counter[Group] = Counter({(reason, field): num for reason, field, num in counted})
    num_kept, limit = kept.total(), inbox_limit()
    rows: list[DeadEvent] = []
    left_out: Counter[Group] = Counter()
    for letter in letters:
        group = _group(letter)
        if num_kept < limit or (kept[group] < SAMPLES and num_kept < limit + MAX_COUNTS * SAMPLES):
            rows.append(_row(project, letter))
            kept[group] += 1
            num_kept += 1
        else:
            left_out[group] += 1
    DeadEvent.objects.bulk_create(rows, ignore_conflicts=True)
    return left_out


def _group(letter: DeadLetter) -> Group:
    return storable(letter.reason)[:40], storable(letter.field)[:300]


def _row(project: Project, letter: DeadLetter) -> DeadEvent:
    reason, field = _group(letter)
    return DeadEvent(
        project=project,
        partition=letter.partition,
        offset=letter.offset,
        reason=reason,
        field=field,
        rule=storable(letter.rule)[:MAX_RULE_CHARACTERS],
        received=storable(letter.received)[:MAX_RULE_CHARACTERS],
        problems=[storable_problem(one, MAX_RULE_CHARACTERS) for one in letter.problems[:MAX_PROBLEMS]],
        key=storable(letter.key)[: 2 * MAX_ID_LENGTH],
        value=storable(letter.value)[:MAX_VALUE_CHARACTERS],
        value_bytes=letter.value_bytes,
        is_whole=letter.is_whole and "\x00" not in letter.value and len(letter.value) <= MAX_VALUE_CHARACTERS,
        timestamp_ms=letter.timestamp_ms,
        buried_at=_time(letter.buried_ms),
    )


def _count(project: Project, left_out: Counter[Group], letters: list[DeadLetter]) -> None:
    for reason, num in Counter(letter.reason for letter in letters).items():
        DEAD_EVENTS.labels(project.slug, reason).inc(num)
    if not left_out:
        return
    known = {(one.reason, one.field): one for one in DeadEventCount.objects.filter(project=project)}
    now = timezone.now()
    for group, num in left_out.items():
        LEFT_OUT.labels(project.slug, group[0]).inc(num)
        reason, field = group if group in known or len(known) < MAX_COUNTS else OTHERS
        count = known.setdefault(
            (reason, field), DeadEventCount(project=project, reason=reason, field=field, first_at=now, last_at=now)
        )
        count.num_left_out += num
        count.last_at = now
        count.save()


def _alert(inbox: Inbox, num_more: int) -> None:
    """Say once that a flood has begun; `webapp.catalog.inbox_services` says when it was dealt with."""
    if num_more and inbox.flooded_at is None:
        inbox.flooded_at = timezone.now()
        inbox.save(update_fields=["flooded_at"])
        logger.warning(
            "project %s: more bad messages arrive in %s than the inbox keeps (%d); further ones are counted",
            inbox.project.slug, topics.events(inbox.project.slug), inbox_limit(),
        )  # fmt: skip


def _offsets(inbox: Inbox) -> dict[int, int]:
    return {int(partition): int(offset) for partition, offset in inbox.next_offsets.items()}


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
