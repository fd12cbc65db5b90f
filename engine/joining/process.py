"""The joiner at work on a log: reads `catalog` and `events`, appends `examples`, and survives being killed anywhere.

A checkpoint holds the state with the offsets it was reached at, and where `examples` ended then. Each step after it is in the log
before it is done, so a restart does the same steps again, and leaves out the examples that lie beyond that end.
"""

from __future__ import annotations

import logging
import shutil
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from engine.checkpoint.folder import newest_folder, write_folder
from engine.checkpoint.folder_fence import in_epoch, take_over
from engine.checkpoint.manifest import read_manifest
from engine.errors import CorruptRecord, OffsetOutOfRange
from engine.features.counters import ALLOWED_SKEW_S
from engine.joining.dead_letters import DeadLetters
from engine.joining.emission import Emission
from engine.joining.joiner import Joiner
from engine.joining.merging import PartitionMerge, merged
from engine.joining.spilled import SpilledImpressions
from engine.joining.state import JoinerCounters, JoinerSettings, JoinerState
from engine.joining.state_files import load_state, save_state, state_meta
from engine.joining.steps import Step, StepLog
from engine.spec.canary import is_canary
from engine.spec.erasure import Erased, is_erasure
from engine.spec.event import CatalogChange, Event
from engine.spec.intake import Intake, RefusedEvent
from engine.spec.schema import Schema
from engine.spec.validation import EventValidator
from engine.streams import topics
from engine.streams.log import EventLog, StoredRecord

CONSUMER_GROUP: Final = "joiner"
MAX_RECORDS: Final = 2000
# The folders that are kept: one that turns out damaged has another before it.
NUM_KEPT = 2
# A checkpoint of a large state takes long. So much of the time goes into writing them while a restart has little to do again, …
CHECKPOINT_SHARE: Final = 0.02
# … and at most so much where they would otherwise be further apart than this.
FAR_APART_S: Final = 60.0
MAX_CHECKPOINT_SHARE: Final = 0.1
# Canaries change nothing but offsets.
IDLE_CHECKPOINT_EVERY_S: Final = 60.0

logger = logging.getLogger(__name__)


class JoinerProcess:
    """Joins one project. One process at a time: `fence` raises `LeaseLost` for one that must stop without emitting.

    `clock` gives seconds since the epoch. After any error the next `poll` starts again from the last checkpoint.
    `on_arrivals` gets the events that others wrote to the topic themselves, before they are joined, perhaps more than once each;
    `on_erased` the last erasures that were carried out, each perhaps more than once, with the same counts.
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
        on_erased: Callable[[Sequence[Erased]], None] = lambda _: None,
    ) -> None:
        self._log = log
        self._events, self._catalog = topics.events(project), topics.catalog(project)
        self._emission = Emission(log, project, fence, clock)
        self._steps = StepLog(log, project)
        self._intake, self._on_arrivals = Intake(EventValidator(schema), clock), on_arrivals
        self.dead = DeadLetters(log, project, clock)
        self._on_erased = on_erased
        self._settings = settings if settings is not None else JoinerSettings.from_schema(schema)
        self._directory = directory
        self._clock = clock
        self._fence = fence
        self._checkpoint_every_s = checkpoint_every_s
        self._joiner: Joiner | None = None
        self._event_offsets: dict[int, int] = {}
        self._catalog_offsets: dict[int, int] = {}
        self._saved_offsets: dict[int, int] = {}
        # Folders that may hold what was erased since: so many new ones take their places, though nothing else happens.
        self._num_to_renew = 0
        self._spilled: SpilledImpressions | None = None
        self._merge = PartitionMerge(self._read_events, {}, MAX_RECORDS)
        self._to_redo: deque[Step] = deque()
        self._checkpoint_number = 0
        self._checkpointed_at_s = clock()
        self._checkpoint_took_s = 0.0
        self._is_dirty = False
        for topic in (self._events, self._catalog):
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
    def num_suppressed(self) -> int:
        """Examples that were made again after a restart, and had been emitted before it."""
        return self._emission.num_suppressed

    @property
    def num_pending(self) -> int:
        """Shown items that wait for an action."""
        return len(self._restored().state.pending)

    @property
    def waiting(self) -> dict[str, int]:
        """What waits: early actions, impressions' bytes in memory (about), and items and bytes on the disk."""
        state = self._restored().state
        spilled = state.pending.spilled
        return {
            "num_waiting_early": len(state.early),
            "memory_bytes": state.pending.num_bytes,
            "num_spilled": spilled.num_shown if spilled is not None else 0,
            "spilled_bytes": spilled.num_bytes if spilled is not None else 0,
        }

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing changes before the next event: nothing waits, and the last checkpoint has all of it."""
        waiting = self.waiting
        return not (
            self.num_pending
            or waiting["num_waiting_early"]
            or waiting["num_spilled"]
            or self._num_to_renew
            or self._is_dirty
        )

    @property
    def event_offsets(self) -> dict[int, int]:
        """For each partition of `events` the next offset to join."""
        self._restored()
        return dict(self._event_offsets)

    def poll(self, timeout_s: float = 0.0) -> int:
        """Join what is there, at most some `MAX_RECORDS` events of each partition; answers how many records were read.

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
        self._redo(joiner)
        started_s = self._clock()
        meta = {
            "events": _json_offsets(self._event_offsets),
            "catalog": _json_offsets(self._catalog_offsets),
            "examples_end": _json_offsets(self._log.end_offsets(self._emission.topic)),
            "epoch": self._emission.epoch,
            "steps": self._steps.to_json(),
            "dead": self.dead.meta(),
            "state": state_meta(joiner.state),
        }
        self._fence()
        self._checkpoint_number += 1
        name = f"{self._checkpoint_number:012d}"

        def fill(path: Path) -> None:
            save_state(joiner.state, path)
            self._fence()

        def placing() -> AbstractContextManager[None]:
            return in_epoch(self._directory, self._fence)

        folder = write_folder(self._directory, name, fill, meta, keep=NUM_KEPT, placing=placing)
        self._log.commit(CONSUMER_GROUP, self._events, self._event_offsets)
        self._forget_steps()
        self._checkpointed_at_s = self._clock()
        self._checkpoint_took_s = self._checkpointed_at_s - started_s
        self._saved_offsets = dict(self._event_offsets)
        self._is_dirty = False
        self._num_to_renew = max(0, self._num_to_renew - 1)
        return folder

    def close(self) -> None:
        """Let go of the state and of what it has on the disk; a later call begins with the last checkpoint."""
        self._joiner = None
        if self._spilled is not None:
            self._spilled.close()
            shutil.rmtree(self._waiting_folder, ignore_errors=True)
            self._spilled = None

    def _poll(self, timeout_s: float) -> int:
        joiner = self._restored()
        num_redone = self._redo(joiner)
        num_changes = self._follow_catalog(joiner)
        taken = self._merge.take(0.0 if num_changes or num_redone else timeout_s)
        now_ms = int(self._clock() * 1000)
        is_something = bool(taken) or joiner.is_due(now_ms)
        if is_something:
            places = {one: (records[0].offset, records[-1].offset + 1) for one, records in taken.items()}
            step = Step(now_ms, places, self._catalog_offsets)
            self._fence()
            self._steps.write(step)
            self._is_dirty |= self._do(joiner, step, merged(taken))
        self._is_dirty |= num_changes > 0
        self._checkpoint_when_due()
        return num_redone + num_changes + sum(map(len, taken.values()))

    def _redo(self, joiner: Joiner) -> int:
        """The steps done since the checkpoint, once more; answers how many events they had."""
        num_events = 0
        if self._to_redo:
            self._is_dirty = True
        while self._to_redo:
            step = self._to_redo.popleft()
            if any(first < self._event_offsets.get(one, 0) for one, (first, _) in step.events.items()):
                logger.warning(
                    "%s: %s does not follow on %s; joining anew from there", self._events, step, self._event_offsets
                )
                self._to_redo.clear()
                break
            self._follow_catalog(joiner, step.catalog)
            records = merged({one: self._between(one, *ends) for one, ends in step.events.items()})
            self._do(joiner, step, records)
            num_events += len(records)
        if num_events:
            self._merge = PartitionMerge(self._read_events, self._event_offsets, MAX_RECORDS)
        return num_events

    def _do(self, joiner: Joiner, step: Step, records: Sequence[StoredRecord]) -> bool:
        """Join the records of a step, or let time pass where it has none. False when they were canaries, and so nothing was joined."""
        joiner.latest_countable_ms = step.now_ms + int(ALLOWED_SKEW_S * 1000)
        events = self._taken_in(records)
        # First, so that what was refused once is known to be so when the step is done again.
        self.dead.flush(self._fence)
        for examples in joiner.stream(events) if step.events else joiner.stream_advance(step.now_ms):
            self._emission.emit(examples)
        for partition, (_, after) in step.events.items():
            self._event_offsets[partition] = after
        if any(is_erasure(event) for *_, event in events):
            self._num_to_renew = NUM_KEPT
            # Before there can be a checkpoint that is behind it.
            self._on_erased(joiner.state.erased)
        return len(events) < len(records) or not events or not all(is_canary(event) for *_, event in events)

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

    def _follow_catalog(self, joiner: Joiner, until: Mapping[int, int] | None = None) -> int:
        """Apply what was not yet, at most to before `until`; answers how many changes there were."""
        num_changes = 0
        for partition in self._catalog_offsets:
            while records := self._read(self._catalog, self._catalog_offsets, partition):
                if until is not None:
                    records = [record for record in records if record.offset < until.get(partition, 0)]
                for record in records:
                    try:
                        joiner.apply_catalog(CatalogChange.from_bytes(record.value))
                    except CorruptRecord as error:
                        logger.warning("%s/%d/%d skipped: %s", self._catalog, partition, record.offset, error)
                if not records:
                    break
                self._catalog_offsets[partition] = records[-1].offset + 1
                num_changes += len(records)
        return num_changes

    def _between(self, partition: int, first: int, after: int) -> list[StoredRecord]:
        offsets, found = {partition: first}, list[StoredRecord]()
        while offsets[partition] < after and (records := self._read_events(offsets, partition, 0.0)):
            found += [record for record in records if record.offset < after]
            offsets[partition] = records[-1].offset + 1
        return found

    def _read_events(self, offsets: dict[int, int], partition: int, timeout_s: float) -> list[StoredRecord]:
        return self._read(self._events, offsets, partition, timeout_s)

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
        every_s = max(self._checkpoint_every_s, _pause_s(self._checkpoint_took_s))
        if not (self._is_dirty or self._num_to_renew):
            every_s = max(every_s, IDLE_CHECKPOINT_EVERY_S)
        has_moved = self._is_dirty or self._event_offsets != self._saved_offsets
        if waited_s >= every_s and (has_moved or self._num_to_renew):
            self.checkpoint()

    def _forget_steps(self) -> None:
        """Those before the oldest checkpoint that a restart may begin with."""
        needed = []
        for folder in self._directory.iterdir():
            try:
                needed.append(int(read_manifest(folder).meta["steps"]["next"]))
            except (CorruptRecord, KeyError):  # damaged, or of before there were steps
                continue
        self._steps.forget_before(min(needed))

    def _restored(self) -> Joiner:
        if self._joiner is not None:
            return self._joiner
        take_over(self._directory, self._fence)
        state, meta = self._load()
        self._event_offsets = self._offsets(self._events, meta.get("events"))
        self._saved_offsets = dict(self._event_offsets)
        self._catalog_offsets = self._offsets(self._catalog, meta.get("catalog"))
        self.dead.restore(meta.get("dead"))
        ends = self._offsets(self._emission.topic, meta.get("examples_end"))
        self._emission.restore(ends, int(meta.get("epoch", 0)))
        self._to_redo = deque(self._steps.take_over(meta.get("steps")))
        self._merge = PartitionMerge(self._read_events, self._event_offsets, MAX_RECORDS)
        state.watermark.register(list(self._event_offsets))
        if state.erased:
            self._num_to_renew = NUM_KEPT
            # Whoever carried them out may have ended before it could say so.
            self._on_erased(state.erased)
        self._joiner = Joiner(self._settings, state)
        return self._joiner

    def _load(self) -> tuple[JoinerState, dict[str, Any]]:
        folder = newest_folder(self._directory)
        if folder is None:
            return JoinerState(self._settings, self._new_spilled()), {}
        self._checkpoint_number = int(folder.name)
        try:
            meta = read_manifest(folder).meta
            return load_state(folder, meta["state"], self._settings, self._new_spilled()), meta
        except (CorruptRecord, KeyError) as error:
            logger.warning("joining from the beginning, because the checkpoint is of no use: %s", error)
            return JoinerState(self._settings, self._new_spilled()), {}

    @property
    def _waiting_folder(self) -> Path:
        """Beside the checkpoints, so that their files can be linked, and not among them."""
        return self._directory.with_name(f".{self._directory.name}.waiting")

    def _new_spilled(self) -> SpilledImpressions:
        """An empty store. What another process has there, or had, is removed: it has lost its lease or its life."""
        self.close()
        shutil.rmtree(self._waiting_folder, ignore_errors=True)
        folder = self._waiting_folder / uuid.uuid4().hex
        self._spilled = SpilledImpressions(folder, self._settings.stages())
        return self._spilled

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


def _pause_s(took_s: float) -> float:
    """How long after a checkpoint that took so long there is none."""
    return max(min(took_s / CHECKPOINT_SHARE, FAR_APART_S), took_s / MAX_CHECKPOINT_SHARE)


def _json_offsets(offsets: dict[int, int]) -> dict[str, int]:
    return {str(partition): offset for partition, offset in offsets.items()}
