"""What a person does with refused events: replay them by the schema of now, or discard them. Either settles what was only counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import orjson
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from engine.errors import OffsetOutOfRange, Problem, UnknownTopic
from engine.spec.dead_letter import MAX_PROBLEMS
from engine.spec.event import Event
from engine.spec.intake import Intake, RefusedEvent
from engine.spec.schema import Schema
from engine.spec.validation import EventValidator
from engine.streams import topics
from engine.streams.log import Record
from webapp.accounts.models import Project
from webapp.audit.services import audit_record
from webapp.catalog import storage
from webapp.catalog.arrivals import events_arrived
from webapp.catalog.inbox_models import DeadEvent, DeadEventCount, Inbox, storable, storable_problem
from webapp.catalog.inbox_selectors import Selection
from webapp.catalog.inbox_taking import MAX_RULE_CHARACTERS
from webapp.core.clock import wall_ms
from webapp.core.log import append, event_log
from webapp.registry.selectors import schema_current

AT_ONCE = 500
NOT_HELD = "not_held"

_OF_A_REFUSAL = ("reason", "field", "rule", "received", "problems", "replayed_at")


@dataclass(slots=True)
class Replayed:
    """`num_replayed` were appended to `events`; `num_repeated` had an event id that is there already; the rest stay, with a new reason."""

    num_replayed: int = 0
    num_repeated: int = 0
    num_refused: int = 0


@dataclass(frozen=True, slots=True)
class _Rules:
    """By which a replay judges."""

    project: Project
    intake: Intake
    now_ms: int


def dead_events_replay(*, project: Project, selection: Selection, clock_ms: Callable[[], int] = wall_ms) -> Replayed:
    """Judge the selected again, by the newest schema; those that pass go to `events` with their id, time and origin.

    Each bite of `AT_ONCE` is a transaction that ends with the append: a failing one (`LogError`) leaves its events in the inbox.
    """
    schema = Schema.parse(schema_current(project=project).document, "schema")
    rules = _Rules(project, Intake(EventValidator(schema), lambda: clock_ms() / 1000), clock_ms())
    done = Replayed()
    for ids in _bites(selection.of(project)):
        with transaction.atomic():
            _replay(rules, ids, done)
    _settle(project, selection)
    counts = {"replayed": done.num_replayed, "refused": done.num_refused}
    audit_record(project=project, action="dead_events_replay", target="inbox", details=counts)
    return done


def dead_events_discard(*, project: Project, selection: Selection) -> int:
    """Forget the selected; answers how many."""
    num_discarded = 0
    for ids in _bites(selection.of(project)):
        num_discarded += DeadEvent.objects.filter(project=project, pk__in=ids).delete()[0]
    _settle(project, selection)
    audit_record(project=project, action="dead_events_discard", target="inbox", details={"discarded": num_discarded})
    return num_discarded


def _bites(chosen: QuerySet[DeadEvent]) -> Iterator[list[int]]:
    """Ids of those there are now, ascending; what arrives meanwhile waits for the next time."""
    ids = list(chosen.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]


def _replay(rules: _Rules, ids: list[int], done: Replayed) -> None:
    """Call inside a transaction. The append comes last, so that nothing of ours can fail after the log has the events."""
    rows = list(DeadEvent.objects.select_for_update().filter(project=rules.project, pk__in=ids).order_by("pk"))
    passed: list[tuple[DeadEvent, Event]] = []
    refused_again: list[DeadEvent] = []
    for row in rows:
        try:
            passed.append((row, _judged(rules, row)))
        except RefusedEvent as refused:
            _note_refusal(row, refused)
            refused_again.append(row)
    # One statement of plain rows: `bulk_update` asks for each column of each row with a CASE, and takes seconds for it.
    DeadEvent.objects.bulk_create(
        refused_again, update_conflicts=True, unique_fields=["id"], update_fields=_OF_A_REFUSAL
    )
    done.num_refused += len(refused_again)
    if not passed:
        return
    fresh = storage.accept_event_ids(rules.project, {event.event_id for _, event in passed})
    first_of = {event.event_id: (row, event) for row, event in reversed(passed) if event.event_id in fresh}
    events = sorted(first_of.values(), key=lambda one: one[0].pk)
    DeadEvent.objects.filter(pk__in=[row.pk for row, _ in passed]).delete()
    events_arrived(project=rules.project, events=[event for _, event in events])
    done.num_replayed += len(events)
    done.num_repeated += len(passed) - len(events)
    records = [Record(event.user_id, _with_origin(event, row), event.timestamp_ms) for row, event in events]
    append(rules.project.slug, topics.events(rules.project.slug), records)


def _judged(rules: _Rules, row: DeadEvent) -> Event:
    """Received when it was received, so that it has the time and the derived id it would have had; but not later than now."""
    return rules.intake.read(_value(rules.project, row), min(row.timestamp_ms, rules.now_ms))


def _value(project: Project, row: DeadEvent) -> bytes:
    """What was received; what was too long to keep is read again in `events`, as long as that holds it. Raises `RefusedEvent`."""
    if row.is_whole:
        return row.value.encode()
    try:
        found = event_log().read(topics.events(project.slug), row.partition, row.offset, 1)
    except (OffsetOutOfRange, UnknownTopic):
        found = []
    if not found or found[0].offset != row.offset:
        rule = "is no longer in the topic, and was too long to be kept whole"
        raise RefusedEvent(NOT_HELD, [Problem("(record)", rule, f"{row.value_bytes} bytes")])
    return found[0].value


def _note_refusal(row: DeadEvent, refused: RefusedEvent) -> None:
    first = refused.problems[0]
    row.reason, row.field = refused.reason, storable(refused.field)[:300]
    row.rule, row.received = storable(first.rule), storable(first.received)
    row.problems = [
        storable_problem(problem.as_dict(), MAX_RULE_CHARACTERS) for problem in refused.problems[:MAX_PROBLEMS]
    ]
    row.replayed_at = timezone.now()


def _with_origin(event: Event, row: DeadEvent) -> bytes:
    """The event in the log's form, with the place it came from for whoever reads the topic by hand."""
    return orjson.dumps(orjson.loads(event.to_bytes()) | {"origin": f"{row.partition}:{row.offset}"})


def _settle(project: Project, selection: Selection) -> None:
    """What was only counted is dealt with when its reason is; with nothing left of that, the alert is over."""
    with transaction.atomic():
        inbox = Inbox.objects.select_for_update().filter(project=project).first()
        if inbox is None:
            return
        counts = DeadEventCount.objects.filter(project=project)
        if selection.is_whole:
            settled = counts
            if selection.reason is not None:
                settled = settled.filter(reason=selection.reason)
            if selection.field is not None:
                settled = settled.filter(field=selection.field)
            settled.update(num_settled=F("num_unwritten") + F("num_left_out"))
        if inbox.flooded_at is not None and not any(count.num_open for count in counts.all()):
            inbox.flooded_at = None
            inbox.save(update_fields=["flooded_at"])
