"""What a replica knows of a project beside its models: catalogue, users' recent histories, what others do, counters."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.errors import CorruptRecord
from engine.features.histories import History
from engine.joining.recent_ids import RecentIds
from engine.retrieval.asker import Asker
from engine.retrieval.catalogue import Catalogue, ItemChanges
from engine.retrieval.item_rows import Rows
from engine.retrieval.live_sources import LiveSources
from engine.retrieval.source import Action
from engine.serving.event_reading import read_event
from engine.serving.freshness_meter import Canaries, Canary
from engine.serving.live_counters import LiveCounters
from engine.serving.topic_tail import TopicTail
from engine.serving.user_state import UserLimits, UserState
from engine.serving.user_state_keeping import UserStateKeeper, restored
from engine.spec.canary import is_canary
from engine.spec.candidates import Candidates
from engine.spec.counter import Counter
from engine.spec.deployment import Seen
from engine.spec.erasure import Erased, erasure_of
from engine.spec.event import CatalogChange, Event
from engine.spec.intake import Intake
from engine.spec.schema import EventRole, Schema
from engine.spec.validation import EventValidator
from engine.streams import topics
from engine.streams.log import EventLog, StoredRecord

EVENTS_READ_AT_START: Final = 200_000
MAX_RECENT_EVENT_IDS: Final = 200_000
_EVENTS_AT_ONCE: Final = 64
"""Requests wait for as many at most: about a millisecond."""

_PAUSE_S: Final = 0.0001

logger = logging.getLogger(__name__)


class ProjectState:
    """Follows the project's `catalog` from its beginning, and `events` from where the state of users ends.

    What it knows of users is kept in `directory` (none: not at all) across restarts; what the sources follow is made anew of the last
    `EVENTS_READ_AT_START` events. `keep_*`, `note_catalogue` and `poll_events` from one thread at a time; `poll_catalogue` from one at a
    time, which may be another; everything else from any. `failure` says why it is not up to date. `joiner_directory` is where the
    project's joiner leaves its checkpoints, `clock` answers seconds since 1970; `pause` lets requests go first.
    """

    def __init__(
        self,
        log: EventLog,
        project: str,
        *,
        joiner_directory: Path | None,
        clock: Callable[[], float],
        directory: Path | None = None,
        limits: UserLimits | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Raises `LogError`."""
        self.project = project
        self.failure: str | None = None
        self.catalogue = Catalogue()
        self.live = LiveSources(self.catalogue)
        self._candidates = Candidates()
        self.num_corrupt = 0
        self._log = log
        self._catalog_tail = TopicTail(log, topics.catalog(project))
        self._joiner_directory = joiner_directory
        self._clock = clock
        self._pause = pause
        self._schema: Schema | None = None
        self._intake: Intake | None = None
        self._recent_event_ids = RecentIds(MAX_RECENT_EVENT_IDS)
        self.canaries = Canaries(clock)
        self.counters = self._new_counters({})
        self._keeper = None if directory is None else UserStateKeeper(directory, clock=clock)
        self.users = restored(
            lambda: UserState(self.catalogue, clock, limits),
            directory=directory,
            joiner_directory=joiner_directory,
            log=log,
            topic=topics.events(project),
        )
        self._events_tail = self._tail_of_events()

    def judge_by(self, schema: Schema) -> None:
        """Judge events that others write to the topic by this schema; before the first call they are passed over."""
        if schema != self._schema:
            self._schema, self._intake = schema, Intake(EventValidator(schema), self._clock)

    def keep_history(self, length: int) -> None:
        """Keep at least `length` items of each user from now on."""
        self.users.keep_items(length)

    def keep_types(self, event_types: Collection[str]) -> None:
        """Keep what users did by events of these types too, whatever their role; when some are new, the events are read again."""
        if self.users.watch(event_types):
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
        self.users.bring_back(candidates.unfinished)
        self.live.configure(candidates)
        self._read_events_again()

    def poll_catalogue(self) -> tuple[ItemChanges, int]:
        """Read on. Answers the items touched and how many records were read. Raises `LogError`."""
        records = self._catalog_tail.read()
        if not records:
            return ItemChanges(), 0
        return self.catalogue.apply(self._decoded_changes(records)), len(records)

    def note_catalogue(self, changes: ItemChanges) -> None:
        """Let what follows the events know what `poll_catalogue` answered, which another thread may have asked."""
        self.live.note_catalogue(changes)
        self.users.note_catalogue(changes)

    def catalogue_offsets(self) -> dict[int, int]:
        """For each partition of `catalog` the next offset that will be read."""
        return self._catalog_tail.next_offsets

    def poll_events(self) -> int:
        """Read on; answers how many records were read. Raises `LogError`."""
        records = self._events_tail.read()
        for start in range(0, len(records), _EVENTS_AT_ONCE):
            if start:
                self._pause(_PAUSE_S)
            self._record(records[start : start + _EVENTS_AT_ONCE])
        self.live.renew()
        if self._keeper is not None:
            self._keeper.keep_if_due(self.users)
        return len(records)

    def close(self) -> None:
        """Keep what is known of users for whoever comes next. From the thread that polls, or when none does any more."""
        if self._keeper is not None:
            self._keeper.keep(self.users)

    def history(self, user_id: str, length: int) -> History:
        """What the user acted on last, at most `length` items."""
        return self.users.history(user_id, length)

    def seen_rows(self, asker: Asker, rule: Seen, *, but_unfinished: bool = False) -> Rows:
        """As `UserState.seen_rows`."""
        return self.users.seen_rows(asker, rule, but_unfinished=but_unfinished)

    def impressions(self, rows: Rows) -> npt.NDArray[np.float64]:
        """How often the item of each row was shown, float64[n] of int32[n]."""
        return self.users.impressions.of(rows)

    @property
    def num_impressions(self) -> float:
        """How often items were shown."""
        return float(self.users.impressions.total)

    def _new_counters(self, counters: Mapping[str, Counter]) -> LiveCounters:
        return LiveCounters(
            counters,
            self._log,
            topics.events(self.project),
            joiner_directory=self._joiner_directory,
            clock=self._clock,
        )

    def _read_events_again(self) -> None:
        """What takes an event twice for two is emptied before; counters and the state of users know what they have noted."""
        self.live.clear()
        self._recent_event_ids = RecentIds(MAX_RECENT_EVENT_IDS)
        self._events_tail = self._tail_of_events()

    def _tail_of_events(self) -> TopicTail:
        return TopicTail(
            self._log,
            topics.events(self.project),
            last_records=EVENTS_READ_AT_START,
            from_offsets=_earlier(self.counters.next_offsets, self.users.next_offsets),
        )

    def _record(self, records: list[StoredRecord]) -> None:
        actions: list[Action] = []
        events: list[tuple[int, int, Event]] = []
        for record in records:
            try:
                event = read_event(record.value, record.timestamp_ms, self._intake)
            except CorruptRecord as error:
                self._note_corrupt(record, error)
                continue
            canary = Canary(record.partition, record.offset, event.timestamp_ms, event.received_ms)
            if is_canary(event):
                self.canaries.note(canary)
                continue
            # As the joiner drops what it saw lately: producers that write to the topic themselves send again after a doubt.
            if not self._recent_event_ids.note(event.event_id):
                continue
            events.append((record.partition, record.offset, event))
            if event.role is EventRole.ACTION and event.item_id is not None:
                # One dated later than it was received counts as of its receipt, lest it outweigh everything.
                actions.append(Action(event.user_id, event.item_id, min(event.timestamp_ms, event.received_ms)))
                self.canaries.note(canary)
        self.users.note(events)
        self.live.observe(actions)
        self._note_erasures(events, self.counters.note(events, self.catalogue))

    def _note_erasures(self, events: list[tuple[int, int, Event]], counted: Mapping[tuple[str, int], int]) -> None:
        """What is kept beside the state of users, for as long as this process lives; and how many counters went."""
        for _, _, event in events:
            erasure = erasure_of(event)
            if erasure is not None and erasure.kind == "user":
                self.live.forget_user(erasure.id)
        if counted:
            self.users.erased = [
                Erased(one.erasure, one.partition, {**one.counts, "counters": num})
                if (num := counted.get((one.erasure.token, one.partition))) is not None
                else one
                for one in self.users.erased
            ]

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


def _earlier(one: Mapping[int, int], other: Mapping[int, int]) -> dict[int, int]:
    """The lesser offset of each partition; that of the one which has it."""
    return {
        partition: min(offset for offset in (one.get(partition), other.get(partition)) if offset is not None)
        for partition in one.keys() | other.keys()
    }
