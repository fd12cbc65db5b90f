"""Keeping the index of item vectors up with the catalogue and with the parameters, a bounded piece of work at a time."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np

from engine.embedding.store import ModelStore
from engine.features.encoded import EncodedBatch, FidArray
from engine.features.encoder import FeatureEncoder
from engine.models.stand_ins import StandIns
from engine.ranking.item_features import ItemFeatures
from engine.retrieval.catalogue import Catalogue, ItemChanges
from engine.retrieval.cold_start import ColdStart
from engine.retrieval.fid_owners import FidOwners
from engine.retrieval.index.live import LiveIndex
from engine.retrieval.index.protocol import VectorIndex
from engine.retrieval.index.vector_rows import Vectors
from engine.retrieval.item_rows import Rows
from engine.retrieval.waiting_rows import WaitingRows
from engine.spec.architecture import is_retrieval
from engine.spec.definition import Side

BATCH_ITEMS: Final = 2048


class ItemTower(Protocol):
    """The item half of a retrieval model (`engine.models.forward.Predictor`)."""

    @property
    def store(self) -> ModelStore: ...

    def item_vectors(self, batch: EncodedBatch, stand_ins: StandIns | None = None) -> Vectors:
        """float32[n, output_dim], unit length."""


class ItemVectors:
    """A `VectorIndex` over a catalogue and what in it is out of date. Changes from one thread; searching the index from any.

    Items that are new, changed or themselves learned come first; items that only share a changed feature, and everything after
    new dense weights, are worked off behind them. Until then they are found by their older vectors. Hidden items have no vector.
    The id of an item that is too new to have been learned is stood in for by those of items like it (`ColdStart`).
    """

    def __init__(self, catalogue: Catalogue, encoder: FeatureEncoder, tower: ItemTower) -> None:
        architecture = encoder.definition.architecture
        if not is_retrieval(architecture):
            raise ValueError(f"architecture.kind: must be of retrieval, received {architecture.kind}")
        self.index: VectorIndex = LiveIndex(architecture.output_dim)
        self._catalogue = catalogue
        self._tower = tower
        self._own_slots = [slot.name for slot in encoder.slots(Side.ITEM) if slot.source == "item.id"]
        self._owners = FidOwners()
        self._cold_start = ColdStart(encoder, self._owners)
        self._features = ItemFeatures(catalogue, encoder)
        self._unregistered = WaitingRows()
        self._waiting = WaitingRows()
        self._mark_written(catalogue.all_items().written_rows)

    @property
    def num_waiting(self) -> int:
        """Items whose vector is missing or out of date."""
        return len(self._waiting)

    @property
    def memory_bytes(self) -> int:
        """Of vectors, lists, encoded features and what says whose features they are."""
        return self.index.memory_bytes + self._features.memory_bytes + self._owners.memory_bytes

    def mark_changed(self, changes: ItemChanges) -> None:
        """The catalogue changed: written items get a vector at the next `refresh`, deleted ones lose theirs now."""
        self._features.mark_changed(changes)
        gone = changes.deleted_rows
        self._owners.forget(gone)
        self._cold_start.forget(gone)
        self._unregistered.remove(gone)
        self._waiting.remove(gone)
        self.index.remove(gone)
        self._mark_written(changes.written_rows)

    def mark_rows(self, fids: FidArray) -> None:
        """Embedding rows changed or went: `fids` uint64[n]."""
        owners = self._owners.rows_of(fids)
        self._waiting.add(owners.shared)
        self._waiting.add_urgent(owners.own)

    def mark_all(self) -> None:
        """The dense weights changed, or all rows did: every vector is out of date."""
        self._waiting.add(np.flatnonzero(self._catalogue.servable[: self._catalogue.num_rows]).astype(np.int32))

    def refresh(self, max_items: int = BATCH_ITEMS) -> int:
        """Recompute the vectors of at most `max_items` waiting items, and do a piece of the index's upkeep; how many were taken up."""
        waiting = self._waiting.first(max_items)
        servable = self._catalogue.servable[waiting]
        self.index.remove(waiting[~servable])
        rows = waiting[servable]
        if rows.size:
            batch = self._features.encoded(rows)
            self._register(rows, batch)
            stand_ins = self._cold_start.stand_ins(rows, batch, self._tower.store)
            self.index.write(rows, self._tower.item_vectors(batch, stand_ins))
        # Only now: what failed stays waiting.
        self._waiting.remove(waiting)
        self._features.refresh(max_items)
        self.index.maintain()
        return int(waiting.size)

    def refresh_urgent(self) -> int:
        """Recompute everything that is new, changed or itself learned; answers how many items."""
        count = 0
        while num_urgent := self._waiting.num_urgent:
            count += self.refresh(min(BATCH_ITEMS, num_urgent))
        return count

    def _mark_written(self, rows: Rows) -> None:
        self._unregistered.add(rows)
        self._waiting.add_urgent(rows)

    def _register(self, rows: Rows, batch: EncodedBatch) -> None:
        """Note the FIDs of items whose properties are new; recomputing a vector changes no FID."""
        fresh = self._unregistered.of(rows)
        if fresh.any():
            rows, batch = (rows, batch) if fresh.all() else (rows[fresh], self._features.encoded(rows[fresh]))
            self._owners.write(rows, batch, self._own_slots)
            self._cold_start.write(rows, batch)
            self._unregistered.remove(rows)
