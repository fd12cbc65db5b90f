"""The joiner at work on a log: reads `catalog` and `events`, appends `examples`, and survives being killed anywhere.

A checkpoint holds the state with the offsets it was reached at, and where `examples` ended then. What lies beyond that
end was emitted after the checkpoint, so a restart reads its ids there, joins the same events again, and leaves those out.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import orjson
import xxhash

from engine.checkpoint.folder import newest_folder, write_folder
from engine.checkpoint.manifest import read_manifest
from engine.errors import CorruptRecord, OffsetOutOfRange
from engine.features.counters import ALLOWED_SKEW_S
from engine.joining.dead_letters import DeadLetters
from engine.joining.joiner import Joiner
from engine.joining.state import JoinerCounters, JoinerSettings, JoinerState
from engine.joining.state_files import load_state, save_state, state_meta
from engine.spec.event import CatalogChange, Event
from engine.spec.example import Example
from engine.spec.intake import Intake, RefusedEvent
from engine.spec.schema import Schema
from engine.spec.validation import EventValidator
from engine.streams import topics
from engine.streams.log import EventLog, Record, StoredRecord

CONSUMER_GROUP: Final = "joiner"
MAX_RECORDS: Final = 2000
# A checkpoint of a large state takes long; at most this share of the time goes into writing them.
MAX_CHECKPOINT_SHARE: Final = 0.1

logger = logging.getLogger(__name__)


class JoinerProcess:
    """Joins one project. One process at a time: `fence` raises `LeaseLost` for one that must stop without emitting.

    `clock` gives seconds since the epoch. After any error the next `poll` starts again from the last checkpoint.
    `on_arrivals` gets the events that others wrote to the topic themselves, before they are joined, perhaps more than once each.
    """

    def __init__(
        self,
        log: EventLog,
        project: str,
        schema: Schema,
        directory: Path,
        clock: Callable[[], float],
        *,
        fence: Callable[[], None] = lambda: None,
        checkpoint_every_s: float = 5.0,
        settings: JoinerSettings | None = None,
        on_arrivals: Callable[[Sequence[Event]], None] = lambda _: None,
    ) -> None:
        self._log = log
        self._events, self._catalog = topics.events(project), topics.catalog(project)
        self._examples = topics.examples(project)
        self._intake, self._on_arrivals = Intake(EventValidator(schema), clock), on_arrivals
        self.dead = DeadLetters(log, project, clock)
        self._settings = settings if settings is not None else JoinerSettings.from_schema(schema)
        self._directory = directory
        self._clock = clock
        self._fence = fence
        self._checkpoint_every_s = checkpoint_every_s
        self._joiner: Joiner | None = None
        self._event_offsets: dict[int, int] = {}
        self._catalog_offsets: dict[int, int] = {}
        self._emitted: set[int] = set()
        self._checkpoint_number = 0
        self._checkpointed_at_s = clock()
        self._checkpoint_took_s = 0.0
        self._is_dirty = False
        self.num_suppressed = 0
        for topic in (self._events, self._catalog, self._examples):
            log.create_topic(topic)

    @property
    def counters(self) -> JoinerCounters:
        """Since the project's first event, restarts included."""
        return self._restored().state.counters

    @property
    def agreement(self) -> dict[str, dict[str, float]]:
        """By source how many values that serving logged were compared with what the log says, and how many differed."""
        return self._restored().state.agreement.to_json()

    @property
    def num_pending(self) -> int:
        """Shown items that wait for an action."""
        return len(self._restored().state.pending)

    @property
    def event_offsets(self) -> dict[int, int]:
        """For each partition of `events` the next offset to join."""
        self._restored()
        return dict(self._event_offsets)

    def poll(self, timeout_s: float = 0.0) -> int:
        """Join what is there, at most `MAX_RECORDS` events of each partition; answers how many records were read.

        Waits up to `timeout_s` for the first. Raises `LogError` (`OffsetOutOfRange`: the log is not the one that was read), `LeaseLost`,
        OSError when a checkpoint cannot be written.
        """
        try:
            return self._poll(timeout_s)
        except BaseException:
            # The state may be ahead of what was emitted.
            self._joiner = None
            raise

    def checkpoint(self) -> Path:
        """Write the state and its offsets; answers the folder. Raises `LeaseLost`, `LogError`, OSError.

        The fence is asked after the end of `examples` was, and again before the folder gets its name: with a successor's examples
        below that end, a later restart would emit them a second time.
        """
        joiner = self._restored()
        started_s = self._clock()
        meta = {
            "events": _json_offsets(self._event_offsets),
            "catalog": _json_offsets(self._catalog_offsets),
            "examples_end": _json_offsets(self._log.end_offsets(self._examples)),
            "dead": self.dead.meta(),
            "state": state_meta(joiner.state),
        }
        self._fence()
        self._checkpoint_number += 1
        name = f"{self._checkpoint_number:012d}"

        def fill(path: Path) -> None:
            save_state(joiner.state, path)
            self._fence()

        folder = write_folder(self._directory, name, fill, meta, keep=2)
        self._log.commit(CONSUMER_GROUP, self._events, self._event_offsets)
        self._checkpointed_at_s = self._clock()
        self._checkpoint_took_s = self._checkpointed_at_s - started_s
        self._is_dirty = False
        return folder

    def _poll(self, timeout_s: float) -> int:
        joiner = self._restored()
        num_changes = self._follow_catalog(joiner)
        batches = [self._read(self._events, self._event_offsets, partition) for partition in self._event_offsets]
        if timeout_s > 0 and not num_changes and not any(batches):
            share_s = timeout_s / len(self._event_offsets)
            batches = [self._read(self._events, self._event_offsets, one, share_s) for one in self._event_offsets]
        # Partitions advance together in event time, so that none of them runs ahead and ends the windows of the others.
        records = list(heapq.merge(*batches, key=lambda record: record.timestamp_ms))
        examples = self._join(joiner, records)
        if not records:
            examples = joiner.advance(int(self._clock() * 1000))
        self._emit(examples)
        self.dead.flush(self._fence)
        for record in records:
            self._event_offsets[record.partition] = record.offset + 1
        self._is_dirty |= bool(records or num_changes or examples)
        self._checkpoint_when_due()
        return len(records) + num_changes

    def _join(self, joiner: Joiner, records: Iterable[StoredRecord]) -> list[Example]:
        joiner.latest_countable_ms = int((self._clock() + ALLOWED_SKEW_S) * 1000)
        return joiner.process_batch(self._taken_in(records))

    def _taken_in(self, records: Iterable[StoredRecord]) -> list[tuple[int, int, Event]]:
        events: list[tuple[int, int, Event]] = []
        arrivals: list[Event] = []
        for record in records:
            if self.dead.has(record):
                continue
            try:
                event = self._intake.read(record.value, record.timestamp_ms, arrivals)
            except RefusedEvent as refused:
                self.dead.note(record, refused)
                continue
            events.append((record.partition, record.offset, event))
        if arrivals:
            self._on_arrivals(arrivals)
        return events

    def _emit(self, examples: list[Example]) -> None:
        if self._emitted:
            fresh = []
            for example in examples:
                number = _id_number(example.example_id)
                if number in self._emitted:
                    self._emitted.discard(number)
                    self.num_suppressed += 1
                else:
                    fresh.append(example)
            examples = fresh
        if examples:
            records = [Record(one.user_id, one.to_bytes(), one.event_time_ms) for one in examples]
            self._fence()
            self._log.append(self._examples, records)

    def _follow_catalog(self, joiner: Joiner) -> int:
        num_changes = 0
        for partition in self._catalog_offsets:
            while records := self._read(self._catalog, self._catalog_offsets, partition):
                for record in records:
                    try:
                        joiner.apply_catalog(CatalogChange.from_bytes(record.value))
                    except CorruptRecord as error:
                        logger.warning("%s/%d/%d skipped: %s", self._catalog, partition, record.offset, error)
                self._catalog_offsets[partition] = records[-1].offset + 1
                num_changes += len(records)
        return num_changes

    def _read(self, topic: str, offsets: dict[int, int], partition: int, timeout_s: float = 0.0) -> list[StoredRecord]:
        try:
            return self._log.read(topic, partition, offsets[partition], MAX_RECORDS, timeout_s)
        except OffsetOutOfRange as error:
            earliest = int(error.extra["earliest"])
            logger.warning("%s/%d: %d to %d were trimmed unread", topic, partition, offsets[partition], earliest)
            offsets[partition] = earliest
            return self._log.read(topic, partition, earliest, MAX_RECORDS, timeout_s)

    def _checkpoint_when_due(self) -> None:
        waited_s = self._clock() - self._checkpointed_at_s
        if self._is_dirty and waited_s >= max(self._checkpoint_every_s, self._checkpoint_took_s / MAX_CHECKPOINT_SHARE):
            self.checkpoint()

    def _restored(self) -> Joiner:
        if self._joiner is not None:
            return self._joiner
        state, meta = self._load()
        self._event_offsets = self._offsets(self._events, meta.get("events"))
        self._catalog_offsets = self._offsets(self._catalog, meta.get("catalog"))
        self.dead.restore(meta.get("dead"))
        self._emitted = set()
        for example_id in self._emitted_since(self._offsets(self._examples, meta.get("examples_end"))):
            self._emitted.add(_id_number(example_id))
        state.watermark.register(list(self._event_offsets))
        self._joiner = Joiner(self._settings, state)
        return self._joiner

    def _load(self) -> tuple[JoinerState, dict[str, Any]]:
        folder = newest_folder(self._directory)
        if folder is None:
            return JoinerState(self._settings), {}
        self._checkpoint_number = int(folder.name)
        try:
            meta = read_manifest(folder).meta
            return load_state(folder, meta["state"], self._settings), meta
        except (CorruptRecord, KeyError) as error:
            logger.warning("joining from the beginning, because the checkpoint is of no use: %s", error)
            return JoinerState(self._settings), {}

    def _offsets(self, topic: str, known: dict[str, int] | None) -> dict[int, int]:
        offsets = self._log.earliest_offsets(topic)
        for name, offset in (known or {}).items():
            offsets[int(name)] = offset
        for number, end in self._log.end_offsets(topic).items():
            if offsets[number] > end:
                raise OffsetOutOfRange(
                    f"{topic}/{number} ends at {end}, before offset {offsets[number]} where the checkpoint in "
                    f"{self._directory} stopped; the log was replaced. Move that folder away to join the log from its beginning."
                )
        return offsets

    def _emitted_since(self, offsets: dict[int, int]) -> Iterator[str]:
        for partition in offsets:
            while records := self._read(self._examples, offsets, partition):
                for record in records:
                    try:
                        example_id = str(orjson.loads(record.value)["example_id"])
                    except (ValueError, TypeError, KeyError) as error:
                        logger.warning("%s/%d/%d is no example: %s", self._examples, partition, record.offset, error)
                    else:
                        yield example_id
                offsets[partition] = records[-1].offset + 1


def _id_number(example_id: str) -> int:
    """128 bits that stand for an id, since remembering millions of them whole would cost more."""
    return xxhash.xxh3_128_intdigest(example_id.encode())


def _json_offsets(offsets: dict[int, int]) -> dict[str, int]:
    return {str(partition): offset for partition, offset in offsets.items()}
