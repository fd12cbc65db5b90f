"""A reader of a params topic for tests: it applies deltas to tables of its own and insists on their numbering."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.checkpoint.folder import open_folder
from engine.checkpoint.snapshot import load_snapshot
from engine.embedding.store import ServingStore
from engine.spec.definition import ModelDefinition
from engine.streams import topics
from engine.streams.log import EventLog
from engine.sync.delta import DeltaHeader, DeltaKind, decode_delta
from engine.training.state import SNAPSHOTS


class Follower:
    def __init__(self, definition: ModelDefinition, log: EventLog, directory: Path) -> None:
        self._definition = definition
        self._log = log
        self._directory = directory
        self._offset = 0
        self.store = ServingStore.for_definition(definition)
        self.weights: dict[str, np.ndarray] = {}
        self.headers: list[DeltaHeader] = []

    def follow(self) -> None:
        for record in self._log.read(topics.params("p", "m", 1), 0, self._offset, 100_000):
            self._offset = record.offset + 1
            delta = decode_delta(record.value)
            expected = self.headers[-1].sequence if self.headers else 0
            assert (delta.header.previous_sequence, delta.header.sequence) == (expected, expected + 1)
            self.headers.append(delta.header)
            if delta.header.kind is DeltaKind.SNAPSHOT:
                folder = self._directory / SNAPSHOTS / str(delta.header.snapshot)
                open_folder(folder)
                loaded = load_snapshot(folder, self._definition)
                self.store, self.weights = loaded.store, loaded.weights
            if delta.rows is not None:
                self.store.tables[delta.header.table].apply_delta(delta.rows)
            if delta.weights is not None:
                self.weights = delta.weights
