"""What a replica knows of a project beside its models: catalogue, users' recent histories, what others do."""

from __future__ import annotations

import logging
import threading

from engine.errors import CorruptRecord
from engine.features.histories import History, UserHistories
from engine.retrieval.catalogue import Catalogue, ItemChanges
from engine.retrieval.live_sources import LiveSources
from engine.retrieval.source import Action
from engine.serving.topic_tail import TopicTail
from engine.spec.event import CatalogChange, Event
from engine.spec.schema import EventRole
from engine.streams import topics
from engine.streams.log import EventLog, StoredRecord

EVENTS_READ_AT_START = 200_000

logger = logging.getLogger(__name__)


class ProjectState:
    """Follows the project's `catalog` from its beginning and the tail of its `events`.

    `keep_history` and the polls from one thread at a time; everything else from any. `failure` says why it is not up to date.
    """

    def __init__(self, log: EventLog, project: str) -> None:
        self.project = project
        self.failure: str | None = None
        self.catalogue = Catalogue()
        self.live = LiveSources()
        self.num_corrupt = 0
        self._log = log
        self._histories = UserHistories(1)
        self._histories_lock = threading.Lock()
        self._catalog_tail = TopicTail(log, topics.catalog(project))
        self._events_tail = self._tail_of_events()

    def keep_history(self, length: int) -> None:
        """Keep at least `length` items of each user; when that is more than before, the events are read again."""
        if length <= self._histories.length:
            return
        with self._histories_lock:
            self._histories = UserHistories(length)
        self.live.clear()
        self._events_tail = self._tail_of_events()

    def poll_catalogue(self) -> tuple[ItemChanges, int]:
        """Read on. Answers the items touched and how many records were read. Raises `LogError`."""
        records = self._catalog_tail.read()
        touched = self.catalogue.apply(self._decoded_changes(records))
        for item_id in touched.deleted:
            self.live.forget(item_id)
        return touched, len(records)

    def poll_events(self) -> int:
        """Read on; answers how many records were read. Raises `LogError`."""
        records = self._events_tail.read()
        self._record(records)
        return len(records)

    def history(self, user_id: str, length: int) -> History:
        """What the user acted on last, at most `length` items."""
        with self._histories_lock:
            return self._histories.history(user_id).last(length)

    def _tail_of_events(self) -> TopicTail:
        return TopicTail(self._log, topics.events(self.project), last_records=EVENTS_READ_AT_START)

    def _record(self, records: list[StoredRecord]) -> None:
        actions: list[Action] = []
        for record in records:
            try:
                event = Event.from_bytes(record.value)
            except CorruptRecord as error:
                self._note_corrupt(record, error)
                continue
            if event.role is not EventRole.ACTION or event.item_id is None:
                continue
            with self._histories_lock:
                # One dated later than it was received counts as of its receipt, lest it outweigh everything.
                time_ms = min(event.timestamp_ms, event.received_ms)
                self._histories.record(event.user_id, event.item_id, time_ms, event.type)
            actions.append(Action(event.user_id, event.item_id, time_ms))
        self.live.observe(actions)

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
