"""A model version in a replica: its parameters, kept up with the trainer's, and where they stand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from engine.checkpoint.snapshot import load_snapshot
from engine.embedding.rows import TableDelta
from engine.embedding.store import ServingStore
from engine.features.encoded import FidArray
from engine.features.encoder import FeatureEncoder
from engine.models.forward import Predictor
from engine.serving.deployment import ModelRef
from engine.serving.freshness_meter import GIVE_UP_S, FreshnessMeter
from engine.serving.requests import ModelPosition, ModelStatus, Role
from engine.serving.travel_log import TravelLog
from engine.streams import topics
from engine.streams.log import EventLog
from engine.sync.applier import Applier
from engine.sync.delta import Weights
from engine.sync.snapshot import LoadedSnapshot
from engine.sync.status import ReplicaStatus

_NO_FIDS: Final = np.empty(0, np.uint64)


@dataclass(frozen=True, slots=True)
class ParameterChanges:
    """What a poll changed: FIDs of rows written or deleted, uint64[n], and whether everything else may have changed too."""

    fids: FidArray
    everything: bool


class ServedModel:
    """`poll` from one thread at a time; everything else from any."""

    def __init__(
        self,
        log: EventLog,
        project: str,
        ref: ModelRef,
        *,
        snapshots_directory: Path,
        clock: Callable[[], float],
    ) -> None:
        self.ref = ref
        self.title = f"{ref.name} v{ref.version}"
        self.encoder = FeatureEncoder(ref.definition)
        self.failure: str | None = None
        self.freshness = FreshnessMeter(clock, give_up_s=max(GIVE_UP_S, 3 * ref.definition.sync.interval_s))
        self.travel = TravelLog(clock)
        self._clock = clock
        self._changed_fids: list[FidArray] = []
        self._everything_changed = False
        self._has_caught_up = False
        self._is_served = False
        self._applier = Applier(
            log,
            topics.params(project, ref.name, ref.version),
            make_store=lambda: ServingStore.for_definition(ref.definition),
            snapshots_directory=snapshots_directory,
            load_snapshot=lambda folder: load_snapshot(folder, ref.definition),
            clock_ms=lambda: int(clock() * 1000),
            on_rows=self._note_rows,
            on_dense=self._take_weights,
            on_snapshot=self._take_snapshot,
        )
        self.predictor = Predictor(ref.definition, self._applier.store)
        self._served = (self._applier.status(), clock())

    @property
    def problem(self) -> str | None:
        """Why the model does not answer as it should, or None. It may still answer, from older parameters (`can_answer`)."""
        status = self._served[0]
        if self.failure is not None:
            return f"model {self.title} cannot be brought up to date: {self.failure}"
        if status.waiting_for_snapshot is not None:
            return f"model {self.title} waits for a snapshot: {status.last_error}"
        return None if self.can_answer else f"model {self.title} has no parameters yet"

    @property
    def can_answer(self) -> bool:
        """Whether what is served has parameters."""
        return self._is_served

    @property
    def has_parameters(self) -> bool:
        """Whether everything that was published when the model was loaded has been applied, and it was something.

        A trainer that has seen no example publishes its first weights all the same; without a row they say nothing.
        """
        return self._has_caught_up and self._applier.store.num_rows > 0

    def poll(self) -> tuple[int, ParameterChanges]:
        """Apply deltas that have arrived. Answers how many were read, and what they changed. Raises `LogError`."""
        report = self._applier.poll()
        changes = ParameterChanges(np.concatenate([_NO_FIDS, *self._changed_fids]), self._everything_changed)
        self._changed_fids, self._everything_changed = [], False
        if self._applier.status().is_ready and not report.has_more:
            self._has_caught_up = True
        return report.num_deltas + report.num_resyncs + report.num_repeats, changes

    def resync(self) -> None:
        """Let the next poll load the newest snapshot; what is there answers until then."""
        self._applier.ask_resync()

    def mark_served(self) -> None:
        """From now on answers come from what the last `poll` applied: only now may the model claim its sequence."""
        self._served = (self._applier.status(), self._clock())
        self.travel.note(self._served[0])
        self._is_served = self.has_parameters
        if self._is_served:
            self.freshness.look(self._served[0].trained_through.events)

    def position(self, role: Role) -> ModelPosition:
        status, age_s = self._status()
        through = status.trained_through
        return ModelPosition(
            role=role,
            name=self.ref.name,
            version=self.ref.version,
            sequence=status.sequence,
            age_s=age_s,
            trained_through_event_time_ms=through.event_time_ms,
            events_through=dict(through.events),
        )

    def status(self, role: Role) -> ModelStatus:
        status, age_s = self._status()
        store = self._applier.store
        return ModelStatus(
            role=role,
            name=self.ref.name,
            version=self.ref.version,
            sequence=status.sequence,
            trainer_sequence=status.trainer_sequence,
            age_s=age_s,
            events_through=dict(status.trained_through.events),
            examples_through=dict(status.trained_through.examples),
            num_rows=store.num_rows,
            num_bytes_applied=status.num_bytes_applied,
            num_rows_applied=status.num_rows_applied,
            num_deletes_applied=status.num_deletes_applied,
            num_resyncs=status.num_resyncs,
            last_error=self.failure or status.last_error,
            digest=f"{store.digest():016x}" if store.num_rows else "",
            table_bytes=store.memory_bytes,
        )

    def _status(self) -> tuple[ReplicaStatus, float]:
        status, taken_s = self._served
        return status, 0.0 if status.age_s is None else status.age_s + max(0.0, self._clock() - taken_s)

    def _note_rows(self, table: str, rows: TableDelta) -> None:
        del table  # a FID is a hash of its slot too, and a slot has one table
        self._changed_fids += [rows.fids, rows.deleted]

    def _take_weights(self, weights: Weights) -> None:
        self.predictor.load_dense_weights(weights)
        self._everything_changed = True

    def _take_snapshot(self, loaded: LoadedSnapshot) -> None:
        self.predictor.replace(loaded.store, loaded.weights)
        self._everything_changed = True
