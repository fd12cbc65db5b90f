"""What a replica knows of a project beside its models: catalogue, users' recent histories, what others do, counters."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from engine.errors import CorruptRecord
from engine.features.histories import History, UserHistories
from engine.retrieval.catalogue import Catalogue, ItemChanges
from engine.retrieval.live_sources import LiveSources
from engine.retrieval.source import Action
from engine.serving.freshness_meter import Canaries, Canary
from engine.serving.live_counters import LiveCounters
from engine.serving.topic_tail import TopicTail
from engine.spec.canary import is_canary
from engine.spec.candidates import Candidates
from engine.spec.counter import Counter
from engine.spec.event import CatalogChange, Event
from engine.spec.intake import Intake
from engine.spec.schema import EventRole, Schema
from engine.spec.validation import EventValidator
from engine.streams import topics
from engine.streams.log import EventLog, StoredRecord

EVENTS_READ_AT_START = 200_000
MAX_RECENT_EVENT_IDS = 200_000

logger = logging.getLogger(__name__)


class ProjectState:
    """Follows the project's `catalog` from its beginning and the tail of its `events`.

    `keep_history`, `keep_counters`, `keep_candidates` and `poll_events` from one thread at a time; `poll_catalogue` from one at a time,
    which may be another; everything else from any. `failure` says
    why it is not up to date. `joiner_directory` is where the project's joiner leaves its checkpoints, `clock` answers seconds since 1970.
    """

    def __init__(
        self, log: EventLog, project: str, *, joiner_directory: Path | None, clock: Callable[[], float]
    ) -> None:
        self.project = project
        self.failure: str | None = None
        self.catalogue = Catalogue()
        self.live = LiveSources(self.catalogue)
        self._candidates = Candidates()
        self.num_corrupt = 0
        self._log = log
        self._histories = UserHistories(1)
        self._histories_lock = threading.Lock()
        self._catalog_tail = TopicTail(log, topics.catalog(project))
        self._joiner_directory = joiner_directory
        self._clock = clock
        self._schema: Schema | None = None
        self._intake: Intake | None = None
        self._recent_event_ids: dict[str, None] = {}
        self.canaries = Canaries(clock)
        self.counters = self._new_counters({})
        self._events_tail = self._tail_of_events()

    def judge_by(self, schema: Schema) -> None:
        """Judge events that others write to the topic by this schema; before the first call they are passed over."""
        if schema != self._schema:
            self._schema, self._intake = schema, Intake(EventValidator(schema), self._clock)

    def keep_history(self, length: int) -> None:
        """Keep at least `length` items of each user; when that is more than before, the events are read again."""
        if length <= self._histories.length:
            return
        with self._histories_lock:
            self._histories = UserHistories(length)
        self._read_events_again()

    def keep_counters(self, counters: Mapping[str, Counter]) -> None:
        """Keep these counters and no others. When they are not those of before, they start anew, as `LiveCounters` says.

        Raises `LogError`; then nothing has changed.
        """
        if counters == self.counters.counters:
            return
        self.counters = self._new_counters(counters)
        self._read_events_again()

    def keep_candidates(self, candidates: Candidates) -> None:
        """Let the sources find candidates so; when that is not as before, they start anew and the events are read again."""
        if candidates == self._candidates:
            return
        self._candidates = candidates
        self.live.configure(candidates)
        self._read_events_again()

    def poll_catalogue(self) -> tuple[ItemChanges, int]:
        """Read on. Answers the items touched and how many records were read. Raises `LogError`."""
        records = self._catalog_tail.read()
        return self.catalogue.apply(self._decoded_changes(records)), len(records)

    def note_catalogue(self, changes: ItemChanges) -> None:
        """Let what follows the events know what `poll_catalogue` answered, which another thread may have asked."""
        self.live.note_catalogue(changes)

    def catalogue_offsets(self) -> dict[int, int]:
        """For each partition of `catalog` the next offset that will be read."""
        return self._catalog_tail.next_offsets

    def poll_events(self) -> int:
        """Read on; answers how many records were read. Raises `LogError`."""
        records = self._events_tail.read()
        self._record(records)
        self.live.renew()
        return len(records)

    def history(self, user_id: str, length: int) -> History:
        """What the user acted on last, at most `length` items."""
        with self._histories_lock:
            return self._histories.history(user_id).last(length)

    def _new_counters(self, counters: Mapping[str, Counter]) -> LiveCounters:
        return LiveCounters(
            counters,
            self._log,
            topics.events(self.project),
            joiner_directory=self._joiner_directory,
            clock=self._clock,
        )

    def _read_events_again(self) -> None:
        """What takes an event twice for two is emptied before; counters know what they have counted."""
        self.live.clear()
        self._recent_event_ids.clear()
        self._events_tail = self._tail_of_events()

    def _tail_of_events(self) -> TopicTail:
        return TopicTail(
            self._log,
            topics.events(self.project),
            last_records=EVENTS_READ_AT_START,
            from_offsets=self.counters.next_offsets,
        )

    def _record(self, records: list[StoredRecord]) -> None:
        actions: list[Action] = []
        events: list[tuple[int, int, Event]] = []
        for record in records:
            try:
                event = self._event(record)
            except CorruptRecord as error:
                self._note_corrupt(record, error)
                continue
            if is_canary(event):
                self.canaries.note(Canary(record.partition, record.offset, event.timestamp_ms, event.received_ms))
                continue
            if self._is_repeat(event):
                continue
            events.append((record.partition, record.offset, event))
            if event.role is not EventRole.ACTION or event.item_id is None:
                continue
            with self._histories_lock:
                # One dated later than it was received counts as of its receipt, lest it outweigh everything.
                time_ms = min(event.timestamp_ms, event.received_ms)
                self._histories.record(event.user_id, event.item_id, time_ms, event.type)
            actions.append(Action(event.user_id, event.item_id, time_ms))
            self.canaries.note(Canary(record.partition, record.offset, event.timestamp_ms, event.received_ms))
        self.live.observe(actions)
        self.counters.note(events, self.catalogue)

    def _event(self, record: StoredRecord) -> Event:
        if self._intake is None:
            return Event.from_bytes(record.value)
        return self._intake.read(record.value, record.timestamp_ms)

    def _is_repeat(self, event: Event) -> bool:
        """As the joiner drops what it saw lately: producers that write to the topic themselves send again after a doubt."""
        recent = self._recent_event_ids
        if event.event_id in recent:
            return True
        recent[event.event_id] = None
        if len(recent) > MAX_RECENT_EVENT_IDS:
            del recent[next(iter(recent))]
        return False

    def _decoded_changes(self, records: list[StoredRecord]) -> list[CatalogChange]:
        changes: list[CatalogChange] = []
        for record in records:
            try:
                changes.append(CatalogChange.from_bytes(record.value))
            except CorruptRecord as error:
                self._note_corrupt(record, error)
        return changes

    def _note_corrupt(self, record: StoredRecord, error: CorruptRecord) -> None:
        self.num_corrupt += 1
        logger.warning("%s: record %d/%d skipped: %s", self.project, record.partition, record.offset, error)
