"""The trainer's side of parameter sync: what training touched goes to the log, numbered, and is then forgotten.

Touched rows are acknowledged only after the append that carries them, so a failure or a crash sends them again. The
numbering continues from what the topic's last record says, so it survives restarts and changes of trainer.

A publisher begins by shutting out the trainers before it: in a log that keeps epochs they cannot append any more. In one that
does not it appends an empty delta of its epoch, and whatever of an older epoch comes to lie behind that is passed over by all
who read: replicas, and publishers looking for the last number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from engine.embedding.rows import TableDelta
from engine.embedding.store import EmbeddingStore
from engine.embedding.table import EmbeddingTable
from engine.errors import CorruptRecord, LogError
from engine.streams.fencing import append_fenced, begin_epoch, epoch_of, outdated
from engine.streams.log import EventLog, Record
from engine.sync.delta import (
    DeltaHeader,
    DeltaKind,
    TrainedThrough,
    Weights,
    decode_header,
    encode_delta,
    encode_rows,
    encode_weights,
)

PARTITION: Final = 0
MAX_APPEND_BYTES: Final = 64 * 2**20
_ROOM_FOR_HEADER_BYTES: Final = 8192
_MAX_ATTEMPTS: Final = 3
_NUM_LOOKED_AT: Final = 8


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What one call published: rows, deletes, bytes in the log, and the sequences it took (none when there was nothing to say).

    `rows_by_slot`: of the rows, how many are of each slot number.
    """

    num_rows: int = 0
    num_deletes: int = 0
    num_bytes: int = 0
    sequences: list[int] = field(default_factory=list)
    rows_by_slot: Counter[int] = field(default_factory=Counter)

    def __add__(self, other: PublishReport) -> PublishReport:
        return PublishReport(
            self.num_rows + other.num_rows,
            self.num_deletes + other.num_deletes,
            self.num_bytes + other.num_bytes,
            self.sequences + other.sequences,
            self.rows_by_slot + other.rows_by_slot,
        )


@dataclass(frozen=True, slots=True)
class _Draft:
    """A delta before it has a number. Without `trained_through` it is no newer than the last one, and says the same."""

    kind: DeltaKind
    trained_through: TrainedThrough | None
    body: bytes = b""
    table: str = ""
    num_upserts: int = 0
    num_deletes: int = 0
    snapshot: str | None = None
    digests: dict[str, int] = field(default_factory=dict)
    rows_by_slot: Counter[int] = field(default_factory=Counter)


class Publisher:
    """Publishes one model version's parameters. One trainer at a time: `fence` raises `LeaseLost` for one that must stop.

    Not thread-safe. After any error but `LeaseLost` a call may simply be made again. Making one raises `LogError`, and `LeaseLost`
    when the topic is a later trainer's.
    """

    def __init__(
        self,
        log: EventLog,
        topic: str,
        *,
        project: str,
        model: str,
        version: int,
        store: EmbeddingStore,
        clock_ms: Callable[[], int],
        fence: Callable[[], None] = lambda: None,
        max_delta_bytes: int = 4 * 2**20,
    ) -> None:
        self._log = log
        self._topic = topic
        self._project = project
        self._model = model
        self._version = version
        self._store = store
        self._clock_ms = clock_ms
        self._fence = fence
        self._max_delta_bytes = max_delta_bytes
        self.epoch = epoch_of(fence) or 0
        self._epoch_seen = 0
        self._knows_end = False
        self._next_offset = 0
        self._sequence = 0
        self.last_published: DeltaHeader | None = None
        log.create_topic(topic)
        is_kept_by_log = begin_epoch(log, topic, fence)
        self._learn_end()
        self._refuse_newer()
        if self.epoch and not is_kept_by_log:
            self._claim()

    @property
    def sequence(self) -> int:
        """The number of the last delta in the topic; 0 before the first."""
        return self._sequence

    @property
    def next_offset(self) -> int:
        """Where the next delta will be: `params_offset` of a snapshot written now."""
        return self._next_offset

    def publish_rows(self, trained_through: TrainedThrough) -> PublishReport:
        """Publish every touched row and delete of every table.

        Only the last delta of a call carries `trained_through` and digests: before it, a replica has not yet got everything. With
        nothing touched one empty delta tells replicas how far training came, unless they know. Raises `LogError`,
        `LeaseLost`; then what was not appended is touched again.
        """
        report = PublishReport()
        until_now = self.last_published.trained_through if self.last_published else TrainedThrough()
        # Bounded by what is touched now, so that training beside us cannot keep this going for ever.
        left = {name: table.num_touched for name, table in self._store.tables.items()}
        try:
            while drafts := self._export(left, until_now):
                if not any(left.values()):
                    drafts[-1] = replace(drafts[-1], trained_through=trained_through, digests=self._digests())
                report += self._append(drafts)
                for table in self._store.tables.values():
                    table.acknowledge_delta()
            if not report.sequences and (trained_through != until_now or self.last_published is None):
                report += self._append([_Draft(DeltaKind.ROWS, trained_through, digests=self._digests())])
        except BaseException:
            for table in self._store.tables.values():
                table.restore_delta()
            raise
        return report

    def publish_dense(self, weights: Weights, trained_through: TrainedThrough) -> PublishReport:
        """Publish all dense weights (float32 arrays by name) as one delta. Raises ValueError for another dtype."""
        return self._append([_Draft(DeltaKind.DENSE, trained_through, encode_weights(weights))])

    def publish_snapshot(self, folder: Path, trained_through: TrainedThrough) -> PublishReport:
        """Tell replicas that `folder` replaces everything they hold, because rows or weights changed beyond what deltas say.

        Replicas that follow need this only after such a change; a snapshot for those still to start needs no delta.
        """
        return self._append([_Draft(DeltaKind.SNAPSHOT, trained_through, snapshot=folder.name)])

    def trim_before(self, offset: int) -> None:
        """Let the log forget deltas before `offset` (the oldest kept snapshot's `params_offset`), never the last one.

        The last record is where the next publisher learns the sequence from.
        """
        self._log.trim(self._topic, PARTITION, min(offset, self._next_offset - 1))

    def _claim(self) -> None:
        """Where this epoch begins: an empty delta that says what the last one said."""
        self._append([_Draft(DeltaKind.ROWS, None)])

    def _digests(self) -> dict[str, int]:
        """The tables' digests, when replicas will have just what the tables have now; {} when something was touched meanwhile."""
        digests = {name: table.digest() for name, table in self._store.tables.items()}
        return {} if self._store.num_touched else digests

    def _export(self, left: dict[str, int], trained_through: TrainedThrough) -> list[_Draft]:
        """Take what one append may carry out of the tables, counting `left` down; empty when nothing is left."""
        drafts: list[_Draft] = []
        num_bytes = 0
        for name, table in self._store.tables.items():
            max_rows = _max_rows(table, self._max_delta_bytes)
            while left[name] > 0 and num_bytes < MAX_APPEND_BYTES:
                delta = table.export_delta(min(max_rows, left[name]))
                left[name] = left[name] - len(delta) if len(delta) else 0
                if len(delta):
                    body = encode_rows(delta)
                    num_bytes += len(body)
                    counts = len(delta.fids), len(delta.deleted)
                    by_slot = _rows_by_slot(delta)
                    drafts.append(_Draft(DeltaKind.ROWS, trained_through, body, name, *counts, rows_by_slot=by_slot))
        return drafts

    def _append(self, drafts: list[_Draft]) -> PublishReport:
        for _ in range(_MAX_ATTEMPTS):
            if not self._knows_end:
                self._learn_end()
            self._refuse_newer()
            headers, records = self._number(drafts)
            # Until the append answers, it is not known whether these numbers are taken.
            self._knows_end = False
            positions = append_fenced(self._log, self._topic, records, self._fence)
            if positions[0].offset != self._next_offset and self._are_taken(positions[0].offset):
                # A trainer that lost its lease slipped a delta in: replicas took its numbers and will ignore ours.
                continue
            self._knows_end = True
            self._next_offset = positions[-1].offset + 1
            self._sequence, self.last_published = headers[-1].sequence, headers[-1]
            self._epoch_seen = headers[-1].epoch
            return PublishReport(
                sum(draft.num_upserts for draft in drafts),
                sum(draft.num_deletes for draft in drafts),
                sum(len(record.value) for record in records),
                [header.sequence for header in headers],
                sum((draft.rows_by_slot for draft in drafts), Counter()),
            )
        raise LogError(f"another trainer keeps publishing to {self._topic!r}", topic=self._topic)

    def _are_taken(self, offset: int) -> bool:
        """Whether deltas between the end we knew and `offset` may have taken our numbers. Raises `LeaseLost`.

        With an epoch they have only if that is no older than the one which readers have seen.
        """
        sequence = self._sequence
        self._look_at(range(self._next_offset, offset))
        self._refuse_newer()
        return not self.epoch or self._sequence != sequence

    def _number(self, drafts: list[_Draft]) -> tuple[list[DeltaHeader], list[Record]]:
        last = self.last_published
        until_now, since_ms = (last.trained_through, last.created_ms) if last else (TrainedThrough(), self._clock_ms())
        created_ms = self._clock_ms() if drafts[0].trained_through is not None else since_ms
        headers = [
            DeltaHeader(
                project=self._project,
                model=self._model,
                version=self._version,
                kind=draft.kind,
                sequence=sequence,
                previous_sequence=sequence - 1,
                trained_through=draft.trained_through or until_now,
                created_ms=created_ms,
                table=draft.table,
                num_upserts=draft.num_upserts,
                num_deletes=draft.num_deletes,
                digests=draft.digests,
                epoch=self.epoch or self._epoch_seen,
                snapshot=draft.snapshot,
            )
            for sequence, draft in enumerate(drafts, self._sequence + 1)
        ]
        records = [
            Record(header.kind.value, encode_delta(header, draft.body), created_ms)
            for header, draft in zip(headers, drafts, strict=True)
        ]
        return headers, records

    def _learn_end(self) -> None:
        """Find the highest number taken by the records not seen yet, of those that can be read.

        A record that cannot be read took a number too. Several are looked at, because two trainers that wrote at the
        same time may have taken numbers out of order.
        """
        earliest = self._log.earliest_offsets(self._topic)[PARTITION]
        end = self._log.end_offsets(self._topic)[PARTITION]
        num_unreadable = self._look_at(range(max(earliest, self._next_offset, end - self._num_looked_at()), end))
        self._sequence = self._sequence + num_unreadable if self.last_published else max(self._sequence, end)
        self._next_offset, self._knows_end = end, True

    def _refuse_newer(self) -> None:
        if self.epoch and self._epoch_seen > self.epoch:
            raise outdated(self._topic, self.epoch, self._epoch_seen)

    def _look_at(self, offsets: range) -> int:
        """Take note of the numbers at these offsets; answers how many records in a row cannot be read at their end."""
        num_unreadable = 0
        for offset in offsets:
            stored = self._log.read(self._topic, PARTITION, offset, max_records=1)
            try:
                header = decode_header(stored[0].value)
            except CorruptRecord:
                num_unreadable += 1
                continue
            if header.epoch < self._epoch_seen:
                continue
            num_unreadable = 0
            self._epoch_seen = header.epoch
            # Of two with one number the first counts, as it does for replicas.
            if header.sequence > self._sequence or self.last_published is None:
                self._sequence, self.last_published = max(self._sequence, header.sequence), header
        return num_unreadable

    def _num_looked_at(self) -> int:
        """As many as one append of a trainer that lost its lease may have put behind the last delta that counts."""
        return _NUM_LOOKED_AT + MAX_APPEND_BYTES // self._max_delta_bytes if self.epoch else _NUM_LOOKED_AT


def _rows_by_slot(delta: TableDelta) -> Counter[int]:
    counts = np.bincount(delta.slots)
    slots = np.flatnonzero(counts)
    return Counter(dict(zip(slots.tolist(), counts[slots].tolist(), strict=True)))


def _max_rows(table: EmbeddingTable, max_delta_bytes: int) -> int:
    row_bytes = 4 * table.dim + 8 + 2
    return max(1, (max_delta_bytes - _ROOM_FOR_HEADER_BYTES) // row_bytes)
