"""What the tail shows of an event, a refused row, or a call that brought repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from engine.errors import CorruptRecord
from engine.spec.canary import CANARY_TYPE
from engine.spec.event import Event
from engine.spec.intake import Intake
from engine.streams.log import StoredRecord
from webapp.catalog.models import DeadEvent, RejectedRow
from webapp.catalog.senders import Senders, Sending
from webapp.core.errors import Invalid
from webapp.tracing.finding import when

ITEMS_SHOWN = 2
MAX_FILTER_CHARACTERS = 512
TOPIC_WRITER = "wrote to the topic"


class Verdict(StrEnum):
    """`dead`: it was written to the log itself, and buried by the joiner."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    REJECTED = "rejected"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class TailFilter:
    """Only what is of this user, of this type, brought by this key (its name or prefix, or a part of them), or refused."""

    user_id: str = ""
    event_type: str = ""
    sender: str = ""
    only_refused: bool = False

    @classmethod
    def of_query(cls, query: Mapping[str, Any]) -> TailFilter:
        """Raises `Invalid`."""
        values = {name: str(query.get(name, "")).strip() for name in ("user", "type", "key")}
        for name, value in values.items():
            if len(value) > MAX_FILTER_CHARACTERS or "\x00" in value:
                raise Invalid.field(
                    name, f"must have at most {MAX_FILTER_CHARACTERS} characters and no NUL", repr(value[:80])
                )
        return cls(values["user"], values["type"], values["key"], query.get("verdict") == "refused")

    def __bool__(self) -> bool:
        return bool(self.user_id or self.event_type or self.sender or self.only_refused)

    @property
    def query(self) -> dict[str, str]:
        """As in an address."""
        values = {"user": self.user_id, "type": self.event_type, "key": self.sender}
        return {name: value for name, value in values.items() if value} | (
            {"verdict": "refused"} if self.only_refused else {}
        )

    def may_be(self, record: StoredRecord) -> bool:
        """Whether a record of `events` may be wanted, without reading what it says."""
        if self.user_id and record.key and record.key != self.user_id:
            return False
        if self.event_type:
            return self.event_type.encode() in record.value
        return b'"%b"' % CANARY_TYPE.encode() not in record.value

    def may_be_sent(self, record: StoredRecord, senders: Senders) -> bool:
        """Whether it may have been brought by whom is wanted, without reading what it says."""
        if not self.sender:
            return True
        call = senders.of(record.partition, record.offset)
        if call is not None:
            return self.sender.lower() in (call.who or call.source).lower()
        return b'"served":{' in record.value or b'"received_ms"' not in record.value

    def passes(self, row: TailRow) -> bool:
        if self.sender and self.sender.lower() not in row.sent_by.lower():
            return False
        if self.only_refused and row.verdict is Verdict.ACCEPTED:
            return False
        if row.verdict is Verdict.REPEATED:
            return not self.user_id and not self.event_type
        return self.user_id in ("", row.user_id) and self.event_type in ("", row.event_type)


@dataclass(frozen=True, slots=True)
class TailRow:
    """`place` is `partition:offset` of what is in the log; `sent_by` is empty where nobody noted it; `more` counts what is not named."""

    at_ms: int
    verdict: Verdict
    event_id: str = ""
    event_type: str = ""
    user_id: str = ""
    items: tuple[str, ...] = ()
    place: str = ""
    sent_by: str = ""
    problems: Sequence[Mapping[str, str]] = ()
    dead_id: int | None = None
    number: int = 1

    @property
    def at(self) -> datetime | None:
        return when(self.at_ms)

    @property
    def items_named(self) -> str:
        return ", ".join(self.items[:ITEMS_SHOWN])

    @property
    def more_items(self) -> int:
        return max(0, len(self.items) - ITEMS_SHOWN)


def event_row(record: StoredRecord, intake: Intake, senders: Senders) -> TailRow | None:
    """None of a record that is no event: the joiner buries it, and then it is shown as dead."""
    arrivals: list[Event] = []
    try:
        event = intake.read(record.value, record.timestamp_ms, arrivals)
    except CorruptRecord:
        return None
    return TailRow(
        event.received_ms,
        Verdict.ACCEPTED,
        event.event_id,
        event.type,
        event.user_id,
        event.item_ids,
        f"{record.partition}:{record.offset}",
        _sender(record, event, senders, is_foreign=bool(arrivals)),
    )


def _sender(record: StoredRecord, event: Event, senders: Senders, *, is_foreign: bool) -> str:
    if is_foreign:
        return TOPIC_WRITER
    if event.served is not None:
        return f"served by {event.served.deployment}"
    sending = senders.of(record.partition, record.offset)
    return "" if sending is None else sending.who or sending.source


def rejected_row(row: RejectedRow) -> TailRow:
    said = row.row if isinstance(row.row, dict) else {}
    door, _, key = row.source.partition(" · ")
    return TailRow(
        int(row.received_at.timestamp() * 1000),
        Verdict.REJECTED,
        _text(said, "event_id"),
        _text(said, "type"),
        _text(said, "user_id"),
        (_text(said, "item_id"),) if said.get("item_id") else (),
        sent_by=key or door,
        problems=row.problems,
    )


def dead_row(row: DeadEvent, said: Mapping[str, Any]) -> TailRow:
    """`said`: what the record says, of one that is JSON."""
    return TailRow(
        int(row.buried_at.timestamp() * 1000),
        Verdict.DEAD,
        _text(said, "event_id"),
        _text(said, "type"),
        _text(said, "user_id"),
        (_text(said, "item_id"),) if said.get("item_id") else (),
        f"{row.partition}:{row.offset}",
        TOPIC_WRITER,
        row.problems or [{"field": row.field, "rule": row.rule, "received": row.received}],
        row.pk,
    )


def repeats_row(sending: Sending) -> TailRow:
    return TailRow(sending.at_ms, Verdict.REPEATED, sent_by=sending.who or sending.source, number=sending.num_repeated)


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    return value[:256] if isinstance(value, str) else ""
