"""The replica's side of parameter sync: start from a snapshot, apply deltas in order, resync by itself when that fails."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.checkpoint.folder import newest_folder, open_folder
from engine.checkpoint.manifest import Manifest, read_manifest
from engine.embedding.rows import TableDelta
from engine.embedding.store import ServingStore
from engine.errors import CorruptRecord, EngineError, OffsetOutOfRange, SequenceGap, UnknownTopic
from engine.streams.log import EventLog, StoredRecord
from engine.sync.delta import Delta, DeltaHeader, DeltaKind, TrainedThrough, Weights, decode_delta
from engine.sync.snapshot import LoadedSnapshot, SnapshotMeta
from engine.sync.status import ApplyReport, ReplicaStatus, ResyncCause

PARTITION: Final = 0
MAX_RECORDS: Final = 16
MAX_BEHIND: Final = 256
"""A replica so many deltas behind, because it was slow or away, takes a snapshot that spares it half of them, if there is one."""


@dataclass(frozen=True, slots=True)
class _Blocked:
    """Deltas cannot be applied any further; a snapshot that reaches both places frees the way."""

    cause: ResyncCause
    min_sequence: int
    min_offset: int


def _ignore(*_: object) -> None:
    """Nobody wants to know."""


class _Different(EngineError):
    """The replica's tables are not the trainer's, though every delta was applied."""

    code = "digest_differs"


class Applier:
    """Keeps a store equal to the trainer's, and sees by digests that it is.

    `poll` is called by one thread; `store` and `status` may be read by any, and any may ask for a resync.

    `make_store` makes empty tables; `load_snapshot(folder)` reads a verified folder. After the tables changed `on_rows(table,
    rows)` is called, for dense weights `on_dense(weights)`, and `on_snapshot(loaded)` when `store` was replaced whole.
    """

    def __init__(
        self,
        log: EventLog,
        topic: str,
        *,
        make_store: Callable[[], ServingStore],
        snapshots_directory: Path,
        load_snapshot: Callable[[Path], LoadedSnapshot],
        clock_ms: Callable[[], int],
        on_rows: Callable[[str, TableDelta], None] = _ignore,
        on_dense: Callable[[Weights], None] = _ignore,
        on_snapshot: Callable[[LoadedSnapshot], None] = _ignore,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._log = log
        self._topic = topic
        self._make_store = make_store
        self._snapshots_directory = snapshots_directory
        self._load_snapshot = load_snapshot
        self._clock_ms = clock_ms
        self._on_rows = on_rows
        self._on_dense = on_dense
        self._on_snapshot = on_snapshot
        self._sleep = sleep
        self.store = make_store()
        self._is_started = False
        self._offset = 0
        self._sequence = 0
        self._epoch = 0
        self._trainer_sequence = 0
        self._trained_through = TrainedThrough()
        self._created_ms: int | None = None
        self._loaded: Manifest | None = None
        self._seen_when_behind: frozenset[tuple[str, int]] = frozenset()
        self._blocked: _Blocked | None = None
        self._tried: tuple[frozenset[tuple[str, int]], _Blocked | None] | None = None
        self._is_resync_asked = False
        self._totals = ApplyReport()
        self._resyncs: Counter[str] = Counter()
        self._verified_sequence = 0
        self._last_error: str | None = None

    def poll(self, timeout_s: float = 0.0) -> ApplyReport:
        """Apply what is there, at most `MAX_RECORDS` deltas; wait up to `timeout_s` when there is none. Raises `LogError`.

        Corruption, gaps and trimmed records are no errors of this call: they lead to a resync, or to waiting for one.
        """
        report = ApplyReport()
        try:
            if (self._blocked or not self._is_started) and not self._start_or_resync(report):
                self._note_trainer()
                self._sleep(timeout_s)
                return report
            if self._is_resync_asked:
                self._resync_as_asked(report)
            if self._trainer_sequence - self._sequence > MAX_BEHIND:
                self._skip_ahead(report)
            records = self._log.read(self._topic, PARTITION, self._offset, MAX_RECORDS, timeout_s)
        except UnknownTopic:
            self._sleep(timeout_s)
            return report
        except OffsetOutOfRange as error:
            self._block(ResyncCause.TRIMMED, error, min_offset=int(error.extra["earliest"]))
            records = []
        for record in records:
            if not self._take(record, report):
                break
        is_resynced = self._blocked is not None and self._start_or_resync(report)
        report.has_more = self._blocked is None and (is_resynced or len(records) == MAX_RECORDS)
        self._note_trainer()
        self._add_up(report)
        return report

    def ask_resync(self) -> None:
        """Let the next poll load the newest snapshot there is, whatever is served now; counted when it was done."""
        self._is_resync_asked = True

    def status(self) -> ReplicaStatus:
        age_s = None if self._created_ms is None else max(0, self._clock_ms() - self._created_ms) / 1000
        return ReplicaStatus(
            is_ready=self._is_started and (self._sequence > 0 or self._loaded is not None),
            sequence=self._sequence,
            trainer_sequence=max(self._trainer_sequence, self._sequence),
            trained_through=self._trained_through,
            age_s=age_s,
            num_deltas_applied=self._totals.num_deltas,
            num_rows_applied=self._totals.num_rows,
            num_deletes_applied=self._totals.num_deletes,
            num_bytes_applied=self._totals.num_bytes,
            num_repeats=self._totals.num_repeats,
            num_resyncs=self._totals.num_resyncs,
            num_fenced=self._totals.num_fenced,
            resyncs_by_cause=dict(self._resyncs),
            verified_sequence=self._verified_sequence,
            waiting_for_snapshot=self._blocked.cause.value if self._blocked else None,
            last_error=self._last_error,
        )

    def _take(self, record: StoredRecord, report: ApplyReport) -> bool:
        """Apply one record and step over it, or block at it."""
        try:
            delta = decode_delta(record.value)
            header = delta.header
            if header.epoch < self._epoch:
                report.num_fenced += 1
            elif header.sequence <= self._sequence:
                self._epoch = header.epoch
                report.num_repeats += 1
            else:
                self._epoch = header.epoch
                if header.kind is not DeltaKind.SNAPSHOT and header.previous_sequence != self._sequence:
                    raise SequenceGap(
                        f"delta {header.sequence} follows {header.previous_sequence}; this replica is at {self._sequence}"
                    )
                self._apply(delta)
                self._count(header, len(record.value), report)
                self._compare(header)
        except SequenceGap as error:
            self._block(ResyncCause.GAP, error, min_sequence=header.previous_sequence)
            return False
        except _Different as error:
            self._block(ResyncCause.DIGEST, error, min_sequence=delta.header.sequence, min_offset=record.offset + 1)
            return False
        except CorruptRecord as error:
            self._block(ResyncCause.CORRUPT, error, min_offset=record.offset + 1)
            return False
        self._offset = record.offset + 1
        return True

    def _apply(self, delta: Delta) -> None:
        header = delta.header
        if header.snapshot is not None:
            self._apply_snapshot(header, header.snapshot)
        elif delta.weights is not None:
            try:
                self._on_dense(delta.weights)
            except (ValueError, KeyError) as error:
                raise CorruptRecord(f"delta {header.sequence}: the weights do not fit the model: {error}") from error
        elif delta.rows is not None:
            table = self.store.tables.get(header.table)
            if table is None:
                raise CorruptRecord(f"delta {header.sequence} is for {header.table}, a table this model does not have")
            try:
                table.apply_delta(delta.rows)
            except (ValueError, TypeError) as error:
                raise CorruptRecord(f"delta {header.sequence} does not fit {header.table}: {error}") from error
            self._on_rows(header.table, delta.rows)

    def _compare(self, header: DeltaHeader) -> None:
        """Whether the tables are the trainer's, in constant time."""
        for name, digest in header.digests.items():
            own = self.store.tables[name].digest() if name in self.store.tables else 0
            if own != digest:
                raise _Different(
                    f"after delta {header.sequence} the digest of {name} is {own:016x}; the trainer's is {digest:016x}"
                )
        if header.digests:
            self._verified_sequence = header.sequence

    def _apply_snapshot(self, header: DeltaHeader, name: str) -> None:
        manifest = open_folder(self._snapshots_directory / name)
        if manifest == self._loaded and header.previous_sequence == self._sequence:
            return
        meta = SnapshotMeta.from_manifest(manifest.meta)
        if meta.sequence < header.previous_sequence:
            raise CorruptRecord(
                f"snapshot {name} is at {meta.sequence}, but its delta follows {header.previous_sequence}"
            )
        self._load(manifest)

    def _count(self, header: DeltaHeader, num_bytes: int, report: ApplyReport) -> None:
        self._sequence = header.sequence
        self._trained_through = header.trained_through
        self._created_ms = header.created_ms
        report.num_deltas += 1
        report.num_rows += header.num_upserts
        report.num_deletes += header.num_deletes
        report.num_bytes += num_bytes

    def _start_or_resync(self, report: ApplyReport) -> bool:
        """Load the newest snapshot if it leads on; without one, a topic that still has its first delta will do at start."""
        found = self._find_snapshot()
        if found is None:
            self._is_started = self._is_started or self._can_start_empty()
            return self._is_started and self._blocked is None
        manifest, meta = found
        try:
            self._load(manifest)
        except CorruptRecord as error:
            self._last_error = str(error)
            return False
        self._sequence, self._offset = meta.sequence, meta.params_offset
        self._epoch = max(self._epoch, meta.epoch)
        self._trained_through, self._created_ms = meta.trained_through, meta.created_ms
        if self._blocked is not None:
            self._resyncs[self._blocked.cause.value] += 1
            report.num_resyncs += 1
        self._is_started, self._blocked = True, None
        return True

    def _skip_ahead(self, report: ApplyReport) -> None:
        """Go on from a snapshot when that is the shorter way; each is looked at once, because to verify one takes long."""
        seen = _fingerprint(self._snapshots_directory)
        if seen == self._seen_when_behind:
            return
        self._seen_when_behind = seen
        self._blocked = _Blocked(ResyncCause.BEHIND, self._sequence + MAX_BEHIND // 2, 0)
        if not self._start_or_resync(report):
            self._blocked = None

    def _resync_as_asked(self, report: ApplyReport) -> None:
        """From the newest snapshot back to where this replica was: it claims no lower sequence meanwhile. Without one, at a later poll."""
        was = self._sequence
        self._blocked = _Blocked(ResyncCause.ASKED, 0, 0)
        if not self._start_or_resync(report):
            self._blocked = None
            return
        self._is_resync_asked = False
        while self._sequence < was and self._blocked is None:
            records = self._log.read(self._topic, PARTITION, self._offset, MAX_RECORDS)
            if not records or not all(self._take(record, report) for record in records):
                break

    def _can_start_empty(self) -> bool:
        # An empty topic is not enough: a batch run may be about to write the snapshot that the first delta builds on.
        if self._log.end_offsets(self._topic)[PARTITION] == 0:
            return False
        if self._log.earliest_offsets(self._topic)[PARTITION] > 0:
            self._last_error = "the first deltas were trimmed and there is no snapshot yet"
            return False
        return True

    def _find_snapshot(self) -> tuple[Manifest, SnapshotMeta] | None:
        """The newest snapshot if it reaches beyond what blocks; looked at again only when the directory has changed."""
        tried = (_fingerprint(self._snapshots_directory), self._blocked)
        if self._tried == tried:
            return None
        folder = newest_folder(self._snapshots_directory)
        if folder is not None:
            try:
                manifest = read_manifest(folder)
                meta = SnapshotMeta.from_manifest(manifest.meta)
            except CorruptRecord as error:
                self._last_error = str(error)
            else:
                if self._leads_on(meta):
                    return manifest, meta
        self._tried = tried
        return None

    def _leads_on(self, meta: SnapshotMeta) -> bool:
        if self._blocked is None:
            return True
        return meta.sequence >= self._blocked.min_sequence and meta.params_offset >= self._blocked.min_offset

    def _load(self, manifest: Manifest) -> None:
        try:
            loaded = self._load_snapshot(manifest.folder)
        except OSError as error:
            raise CorruptRecord(f"snapshot {manifest.folder.name} could not be read: {error}") from error
        # First: what is served and what deltas are applied to must stay one, if the snapshot is refused.
        self._on_snapshot(loaded)
        self.store, self._loaded = loaded.store, manifest

    def _block(self, cause: ResyncCause, error: Exception, *, min_sequence: int = 0, min_offset: int = 0) -> None:
        self._last_error = str(error)
        self._blocked = _Blocked(cause, min_sequence, min_offset)

    def _note_trainer(self) -> None:
        """Each record takes one number, so what is left to read tells the trainer's place without reading it."""
        left = self._log.end_offsets(self._topic)[PARTITION] - self._offset
        self._trainer_sequence = self._sequence + max(0, left)

    def _add_up(self, report: ApplyReport) -> None:
        totals = self._totals
        totals.num_deltas += report.num_deltas
        totals.num_rows += report.num_rows
        totals.num_deletes += report.num_deletes
        totals.num_bytes += report.num_bytes
        totals.num_repeats += report.num_repeats
        totals.num_resyncs += report.num_resyncs
        totals.num_fenced += report.num_fenced


def _fingerprint(directory: Path) -> frozenset[tuple[str, int]]:
    """Which folders are there: a rewritten one has another inode."""
    if not directory.is_dir():
        return frozenset()
    with os.scandir(directory) as entries:
        return frozenset((entry.name, entry.inode()) for entry in entries)
