"""What a replica knows of a project beside its models: catalogue, users' recent histories, what is trending."""

from __future__ import annotations

import logging
import threading

from engine.errors import CorruptRecord
from engine.features.histories import UserHistories
from engine.retrieval.catalogue import Catalogue, ItemChanges
from engine.retrieval.trending import TrendingItems
from engine.serving.topic_tail import TopicTail
from engine.spec.event import CatalogChange, Event
from engine.spec.schema import EventRole, Schema
from engine.streams import topics
from engine.streams.log import EventLog, StoredRecord

EVENTS_READ_AT_START = 200_000

logger = logging.getLogger(__name__)


class ProjectState:
    """Follows the project's `catalog` from its beginning and the tail of its `events`.

    `poll` from one thread at a time; everything else from any.
    """

    def __init__(self, log: EventLog, project: str, schema: Schema) -> None:
        self.project = project
        self.schema = schema
        self.catalogue = Catalogue()
        self.trending = TrendingItems()
        self.num_corrupt = 0
        self._histories = UserHistories(schema.history_length)
        self._histories_lock = threading.Lock()
        self._catalog_tail = TopicTail(log, topics.catalog(project))
        self._events_tail = TopicTail(log, topics.events(project), last_records=EVENTS_READ_AT_START)

    def poll(self) -> tuple[ItemChanges, int]:
        """Read on. Answers the items touched and how many records were read."""
        changes = self._catalog_tail.read()
        touched = self.catalogue.apply(self._decoded_changes(changes))
        for item_id in touched.deleted:
            self.trending.remove(item_id)
        events = self._events_tail.read()
        self._record(events)
        return touched, len(changes) + len(events)

    def history(self, user_id: str) -> tuple[str, ...]:
        """Item ids the user acted on last, oldest first."""
        with self._histories_lock:
            return self._histories.recent(user_id)

    def _record(self, records: list[StoredRecord]) -> None:
        for record in records:
            try:
                event = Event.from_bytes(record.value)
            except CorruptRecord as error:
                self._note_corrupt(record, error)
                continue
            if event.role is not EventRole.ACTION or event.item_id is None:
                continue
            with self._histories_lock:
                self._histories.record(event.user_id, event.item_id, event.timestamp_ms)
            self.trending.record(event.item_id, event.timestamp_ms, event.received_ms)

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
