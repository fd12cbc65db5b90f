"""The examples that an event led to: looked for in its user's partition, from the moments on at which the joiner makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from engine.errors import UnknownTopic
from engine.spec.event import Event
from engine.spec.schema import EventRole
from engine.streams import topics
from engine.streams.log import EventLog, StoredRecord
from engine.streams.partitioning import partition_of
from webapp.tracing.finding import FoundEvent
from webapp.tracing.seeking import bounds_of, first_behind, forwards
from webapp.tracing.windows import Window

SLACK_MS: Final = 3_000
LOOKED_AT: Final = 2_000
"""Records, each time and from each moment on. Who follows an event goes on with the next look where this one ended."""

SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class FoundExample:
    """An example and its place. `caused_by` is the place in `events` of what made it; `joined`: an impression was waiting for it."""

    partition: int
    offset: int
    example_id: str
    item_id: str
    labels: dict[str, float]
    origin: str
    weight: float
    corrects: str | None
    is_own: bool

    @property
    def place(self) -> str:
        return f"{self.partition}:{self.offset}"

    @property
    def is_positive(self) -> bool:
        return any(value > 0 for value in self.labels.values())


class ExampleScan:
    """Of one event. Each `look` reads on, a bounded number of records; what was found stays found."""

    def __init__(self, log: EventLog, project: str, found: FoundEvent, windows: Sequence[Window]) -> None:
        self._log, self._topic, self._found = log, topics.examples(project), found
        self._windows = windows
        event = found.event
        shown_ms = min(event.timestamp_ms, event.received_ms)
        is_shown = event.role is EventRole.IMPRESSION
        # Where to look: from the receipt on and, of an impression, from the end of each of its windows on.
        self._moments = [event.received_ms, *(shown_ms + one.window_ms for one in windows if is_shown)]
        self._cursors: list[int | None] = [None] * len(self._moments)
        self._needles = _needles(found)
        self._partition: int | None = None
        self.found: dict[int, FoundExample] = {}
        self.is_cut = False

    @property
    def is_done(self) -> bool:
        """Whether there is nothing more to come: an action makes one example."""
        return self._found.event.role is EventRole.ACTION and bool(self.found)

    def look(self, now_ms: int) -> None:
        """Raises `LogError`."""
        if self.is_done:
            self.is_cut = False
            return
        try:
            bounds = bounds_of(self._log, self._topic)
        except UnknownTopic:
            return
        self._partition = partition_of(self._found.event.user_id, len(bounds))
        held = bounds[self._partition]
        self.is_cut = False
        for number, moment_ms in enumerate(self._moments):
            if moment_ms <= now_ms:
                self._look_from(number, moment_ms, held)
        self.is_cut = self.is_cut and not self.is_done

    def _look_from(self, number: int, moment_ms: int, held: range) -> None:
        cursor = self._cursors[number]
        if cursor is None:
            cursor = self._first_made(moment_ms - SLACK_MS, held)
        assert self._partition is not None
        num_read = 0
        for record in forwards(self._log, self._topic, self._partition, max(cursor, held.start), LOOKED_AT):
            num_read += 1
            cursor = record.offset + 1
            if any(needle in record.value for needle in self._needles):
                self._take(record)
        self._cursors[number] = cursor
        self.is_cut = self.is_cut or num_read == LOOKED_AT

    def _first_made(self, since_ms: int, held: range) -> int:
        assert self._partition is not None
        return first_behind(
            self._log,
            self._topic,
            self._partition,
            held,
            lambda record: _is_made_after(record, since_ms, self._windows),
        )

    def _take(self, record: StoredRecord) -> None:
        example = _example(record, self._found)
        if example is not None and len(self.found) < 10 * SHOWN:
            self.found[record.offset] = example


def _needles(found: FoundEvent) -> tuple[bytes, ...]:
    """What the bytes of an example of this event have in them, as the joiner writes them."""
    cause = b'"cause":{"partition":%d,"offset":%d,' % (found.partition, found.offset)
    name = orjson.dumps(found.event.event_id)
    needles = [cause, b'"example_id":' + name, b'"example_id":' + name[:-1] + b":"]
    recommendation_id = found.event.recommendation_id
    if found.event.role is EventRole.ACTION and recommendation_id is not None:
        # An action that came before its impression is an example of that one's arrival.
        needles.append(b'"recommendation_id":' + orjson.dumps(recommendation_id))
    return tuple(needles)


def _example(record: StoredRecord, found: FoundEvent) -> FoundExample | None:
    raw = _document(record)
    if raw is None:
        return None
    cause = raw.get("cause") or {}
    labels = raw.get("labels") or {}
    is_own = (cause.get("partition"), cause.get("offset")) == (found.partition, found.offset)
    if not is_own and not _is_of(raw, labels, found.event):
        return None
    return FoundExample(
        record.partition,
        record.offset,
        str(raw.get("example_id", "")),
        str(raw.get("item_id", "")),
        {str(name): float(value) for name, value in labels.items()},
        str(raw.get("origin", "")),
        float(raw.get("weight", 1.0)),
        raw.get("corrects"),
        is_own,
    )


def _is_of(raw: dict[str, Any], labels: dict[str, Any], event: Event) -> bool:
    """Whether an example that another event caused is of this one: an action on what it showed, or it met its impression later."""
    example_id = str(raw.get("example_id", ""))
    if example_id == event.event_id or example_id.startswith(f"{event.event_id}:"):
        return True
    return (
        event.role is EventRole.ACTION
        and event.recommendation_id is not None
        and (raw.get("recommendation_id"), raw.get("item_id")) == (event.recommendation_id, event.item_id)
        and labels.get(event.type, 0) > 0
    )


def _is_made_after(record: StoredRecord, since_ms: int, windows: Sequence[Window]) -> bool | None:
    """A positive is made when its action comes; a negative, of an impression, when the window ends."""
    raw = _document(record)
    if raw is None:
        return None
    labels = raw.get("labels") or {}
    received_ms = int(raw["cause"]["received_ms"])
    if labels and not any(value > 0 for value in labels.values()):
        missed = set(labels)
        received_ms += max((one.window_ms for one in windows if missed & set(one.actions)), default=0)
    return received_ms >= since_ms


def _document(record: StoredRecord) -> dict[str, Any] | None:
    try:
        raw = orjson.loads(record.value)
    except ValueError:
        return None
    return raw if isinstance(raw, dict) and isinstance(raw.get("cause"), dict) else None


def recommendation_event_id(event: Event, example: FoundExample) -> str | None:
    """The id of the impression that an action's example is of: it begins the example's id; None of an action that stands alone."""
    if event.role is not EventRole.ACTION or example.origin != "impression":
        return None
    suffix = f":{example.item_id}:"
    head, found, _ = example.example_id.rpartition(suffix)
    return head if found else None
