"""What a record of the `events` topic is: an event, or the reason why it is none. Every reader of the topic asks here.

Two kinds of documents arrive. The REST API appends events it has validated, in the log's own form, with `role` and `received_ms`.
Others write to the topic themselves, one document a record, in the form that the REST API takes in a request; those are judged by
the API's own rules and given what the API would have added. The record's timestamp stands for the time of receipt: it is the same
for every reader and at every reading, so that an event without a time or an id gets the same ones each time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from engine.errors import CorruptRecord, Problem
from engine.spec.document import shorten
from engine.spec.event import Event
from engine.spec.strict_json import BrokenJson, read_json
from engine.spec.validation import EARLIEST_EVENT_MS, EventValidator
from engine.spec.values import BrokenRule, check_timestamp

NOT_JSON: Final = "not_json"
NOT_AN_EVENT: Final = "not_an_event"
UNKNOWN_TYPE: Final = "unknown_type"
MISSING_FIELD: Final = "missing_field"
UNDECLARED_FIELD: Final = "undeclared_field"
INVALID_VALUE: Final = "invalid_value"
CLOCK_AHEAD: Final = "clock_ahead"

MAX_AHEAD_MS: Final = 300_000
"""How far the clock of a producer may be ahead; counters allow as much."""

_LOG_FORM: Final = frozenset(("role", "received_ms"))
_NUMBERED: Final = re.compile(r"\.\d+(?=\.|$)")


class RefusedEvent(CorruptRecord):
    """A record that is no event by the rules in force: a stable `reason` and every broken rule, the first of which it is filed under."""

    code = "refused_event"

    def __init__(self, reason: str, problems: list[Problem]) -> None:
        first = problems[0]
        super().__init__(f"not an event: {first.field}: {first.rule} (received {first.received})")
        self.reason = reason
        self.problems = problems

    @property
    def field(self) -> str:
        """Where the first rule was broken, with `*` for a place in a list, so that equal faults have equal names."""
        return _NUMBERED.sub(".*", self.problems[0].field)


class Intake:
    """Judges records by one version of a project's schema. `clock` answers seconds since 1970. Safe to share between threads."""

    def __init__(self, validator: EventValidator, clock: Callable[[], float]) -> None:
        self._validator = validator
        self._clock = clock

    def read(self, value: bytes, timestamp_ms: int, arrivals: list[Event] | None = None) -> Event:
        """The event of a record with this value and time; one that the API has not seen is appended to `arrivals` too.

        Raises `RefusedEvent`.
        """
        try:
            return Event.from_bytes(value)
        except CorruptRecord as error:
            # Asked only now, for nearly every record is the API's.
            event = self._from_others(value, timestamp_ms, error)
        if arrivals is not None:
            arrivals.append(event)
        return event

    def judge(self, row: object, received_ms: int) -> Event:
        """The event in a document of the REST API's form, received at this time. Raises `RefusedEvent`."""
        result = self._validator.validate([row], received_ms=received_ms)
        if result.rejected:
            problems = list(result.rejected[0].problems)
            raise RefusedEvent(_reason(problems[0]), problems)
        return result.events[0]

    def _from_others(self, value: bytes, timestamp_ms: int, error: CorruptRecord) -> Event:
        try:
            row = read_json(value)
        except BrokenJson as broken:
            raise RefusedEvent(
                NOT_JSON, [Problem("(record)", f"must be JSON: {broken}", shorten(value[:80]))]
            ) from None
        if isinstance(row, dict) and row.keys() >= _LOG_FORM:
            raise RefusedEvent(NOT_AN_EVENT, [Problem("(record)", error.message, shorten(row))]) from None
        return self.judge(row, self._received_ms(row, timestamp_ms))

    def _received_ms(self, row: object, timestamp_ms: int) -> int:
        """The record's own time, or the document's when its producer gives records none.

        It may not be ahead of the clock: it would end the windows of everybody's impressions.
        """
        field, received_ms = "(record).timestamp", timestamp_ms
        if timestamp_ms < EARLIEST_EVENT_MS:
            field, received_ms = "timestamp", _own_time_ms(row)
        if received_ms > int(self._clock() * 1000) + MAX_AHEAD_MS:
            rule = f"must not be more than {MAX_AHEAD_MS // 1000} s ahead of the clock of whoever reads it"
            raise RefusedEvent(CLOCK_AHEAD, [Problem(field, rule, str(received_ms))])
        return received_ms


def received_ms_of(value: bytes, timestamp_ms: int) -> int:
    """When a record of the topic was received, whatever its worth. Raises `CorruptRecord` when nothing says so."""
    try:
        return Event.from_bytes(value).received_ms
    except CorruptRecord:
        if timestamp_ms < EARLIEST_EVENT_MS:
            raise
        return timestamp_ms


def _own_time_ms(row: object) -> int:
    """The time that the document gives; whether it is a good one is for the rules of events. Raises `RefusedEvent` when it gives none."""
    given: Any = row.get("timestamp") if isinstance(row, dict) else None
    if given is None and isinstance(row, dict):
        rule = "is required, for the record itself has no time"
        raise RefusedEvent(MISSING_FIELD, [Problem("timestamp", rule, "nothing")])
    try:
        return max(check_timestamp(given), EARLIEST_EVENT_MS)
    except BrokenRule:
        return EARLIEST_EVENT_MS


def _reason(problem: Problem) -> str:
    if problem.field == "(row)":
        return NOT_AN_EVENT
    if problem.received == "nothing" or problem.rule == "is required":
        return MISSING_FIELD
    if problem.rule.startswith(("is not declared", "is not a field")):
        return UNDECLARED_FIELD
    return UNKNOWN_TYPE if problem.field == "type" else INVALID_VALUE
