"""Keeping the index of item vectors up with the catalogue and with the parameters, a bounded piece of work at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Protocol

import numpy as np

from engine.features.columns import columns_for_items
from engine.features.encoded import EncodedBatch, FidArray
from engine.features.encoder import FeatureEncoder
from engine.retrieval.catalogue import Catalogue, ItemChanges
from engine.retrieval.exact_index import ExactIndex, Vectors
from engine.retrieval.fid_owners import FidOwners
from engine.spec.architecture import is_retrieval
from engine.spec.definition import Side

BATCH_ITEMS = 512


class ItemTower(Protocol):
    """The item half of a retrieval model (`engine.models.forward.Predictor`)."""

    def item_vectors(self, batch: EncodedBatch) -> Vectors:
        """float32[n, output_dim], unit length."""


class ItemVectors:
    """An `ExactIndex` over a catalogue and what in it is out of date. Changes from one thread; searching the index from any.

    Items that are new, changed or themselves learned come first; items that only share a changed feature, and everything after
    new dense weights, are worked off behind them. Until then they are found by their older vectors.
    """

    def __init__(self, catalogue: Catalogue, encoder: FeatureEncoder, tower: ItemTower) -> None:
        architecture = encoder.definition.architecture
        if not is_retrieval(architecture):
            raise ValueError(f"architecture.kind: must be of retrieval, received {architecture.kind}")
        self.index = ExactIndex(architecture.output_dim)
        self._catalogue = catalogue
        self._encoder = encoder
        self._tower = tower
        self._sources = encoder.sources(Side.ITEM)
        self._own_slots = [slot.name for slot in encoder.slots(Side.ITEM) if slot.source == "item.id"]
        self._owners = FidOwners()
        self._unregistered: set[str] = set()
        # Dictionaries as ordered sets: first marked, first done.
        self._urgent: dict[str, None] = {}
        self._behind: dict[str, None] = {}
        self.mark_changed(ItemChanges(written=dict.fromkeys(catalogue.all_ids())))

    @property
    def num_waiting(self) -> int:
        """Items whose vector is missing or out of date."""
        return len(self._urgent) + len(self._behind)

    def mark_changed(self, changes: ItemChanges) -> None:
        """The catalogue changed: written items get a vector at the next `refresh`, deleted ones lose theirs now."""
        for item_id in changes.deleted:
            self._owners.forget(item_id)
            self._unregistered.discard(item_id)
            self._urgent.pop(item_id, None)
            self._behind.pop(item_id, None)
        self.index.apply(changes.deleted, [], np.empty((0, self.index.dim), np.float32))
        self._unregistered.update(changes.written)
        self._mark_urgent(changes.written)

    def mark_rows(self, fids: FidArray) -> None:
        """Embedding rows changed or went: `fids` uint64[n]."""
        owners = self._owners.items_of(fids)
        self._mark_urgent(owners.own)
        for item_id in owners.shared:
            if item_id not in self._urgent:
                self._behind.setdefault(item_id)

    def mark_all(self) -> None:
        """The dense weights changed, or all rows did: every vector is out of date."""
        for item_id in self._catalogue.all_ids():
            if item_id not in self._urgent:
                self._behind.setdefault(item_id)

    def refresh(self, max_items: int = BATCH_ITEMS) -> int:
        """Recompute the vectors of at most `max_items` waiting items; answers how many were taken up."""
        waiting = list(islice(chain(self._urgent, self._behind), max_items))
        item_ids = self._catalogue.present(waiting)
        if item_ids:
            batch = self._encode(item_ids)
            self._register(item_ids, batch)
            self.index.apply([], item_ids, self._tower.item_vectors(batch))
        # Only now: what failed stays waiting.
        for item_id in waiting:
            self._urgent.pop(item_id, None)
            self._behind.pop(item_id, None)
        return len(waiting)

    def refresh_urgent(self) -> int:
        """Recompute everything that is new, changed or itself learned; answers how many items."""
        count = 0
        while self._urgent:
            count += self.refresh(min(BATCH_ITEMS, len(self._urgent)))
        return count

    def _mark_urgent(self, item_ids: Iterable[str]) -> None:
        for item_id in item_ids:
            self._behind.pop(item_id, None)
            self._urgent.setdefault(item_id)

    def _encode(self, item_ids: Sequence[str]) -> EncodedBatch:
        properties = self._catalogue.item_properties(item_ids)
        columns = columns_for_items(item_ids, properties, self._sources)
        return self._encoder.encode(columns, len(item_ids), Side.ITEM)

    def _register(self, item_ids: Sequence[str], batch: EncodedBatch) -> None:
        """Note the FIDs of items whose properties are new; recomputing a vector changes no FID."""
        fresh = [item_id for item_id in item_ids if item_id in self._unregistered]
        if fresh:
            self._owners.write(fresh, batch if len(fresh) == len(item_ids) else self._encode(fresh), self._own_slots)
            self._unregistered.difference_update(fresh)
