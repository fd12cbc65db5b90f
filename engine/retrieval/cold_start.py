"""A vector for the id of an item that nobody has acted on yet, from the ids of items that share its properties.

Without a row of its own the id counts as zeros, which no item had while the model learned: such an item's vector is drawn to what all
items have in common, and hardly anybody's list comes to it. The mean of like items' id vectors has the direction that theirs share, but
is shorter the less they agree, so it is given their mean length. What that is worth is measured in docs/retrieval-index.md.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from engine.embedding.store import ModelStore, table_name
from engine.features.encoded import EncodedBatch, FidArray, FloatArray
from engine.features.encoder import FeatureEncoder
from engine.models.stand_ins import StandIns
from engine.retrieval.fid_owners import FidOwners
from engine.retrieval.item_rows import Rows
from engine.spec.definition import Side

NUM_LIKE: Final = 16
"""So many like items stand in for one."""

SEARCHED_AT_ONCE: Final = 128
"""In one batch like items are searched for so many at most, those searched least before the others: some 10 ms."""

_MOST_SEARCHES: Final = 15

_OWNERS_OF_A_PROPERTY: Final = 128
"""Of a property that many items have, so many of them are looked at: it says little of any."""

Places = npt.NDArray[np.intp]


class ColdStart:
    """For one thread at a time. Items are known by catalogue row, like items by the FID of their id: a row may become another item's."""

    def __init__(self, encoder: FeatureEncoder, owners: FidOwners) -> None:
        slots = encoder.slots(Side.ITEM)
        own = next((slot for slot in slots if slot.source == "item.id"), None)
        self._own = None if own is None else own.name
        self._table = "" if own is None else table_name(own.dim)
        self._others = [slot.name for slot in slots if slot.source != "item.id"]
        self._owners = owners
        # Memory that is never touched is never taken: of items that have rows nothing is kept but the FID.
        self._fids = np.zeros(1024, np.uint64)
        self._like = np.zeros((1024, NUM_LIKE), np.uint64)
        self._num_asked = np.zeros(1024, np.uint16)
        self._num_searches = np.zeros(1024, np.uint8)

    def write(self, rows: Rows, batch: EncodedBatch) -> None:
        """Rows are new items, or their properties changed: `batch` (n rows, item side) has their FIDs."""
        if self._own is None or not rows.size:
            return
        self._make_room(int(rows.max()) + 1)
        values = batch.slots[self._own]
        has_id = values.lengths > 0
        self._fids[rows] = 0
        self._fids[rows[has_id]] = values.fids[values.offsets[:-1][has_id]]
        searched = rows[self._num_searches[rows] > 0]
        self._num_asked[searched] = self._num_searches[searched] = 0
        self._like[searched] = 0

    def forget(self, rows: Rows) -> None:
        """Items went; rows that were never written are no error."""
        self._fids[rows[rows < self._fids.size]] = 0

    def stand_ins(self, rows: Rows, batch: EncodedBatch, store: ModelStore) -> StandIns | None:
        """For those of the written `rows` int32[n], encoded as `batch`, whose id has no row in `store`; None when there are none."""
        if self._own is None:
            return None
        table = store.tables[self._table]
        cold = np.flatnonzero((self._fids[rows] != 0) & ~table.contains(self._fids[rows]))
        if not cold.size:
            return None
        self._search(rows, cold, batch, store)
        like = self._like[rows[cold]]
        fids, vectors = self._fids[rows[cold]], _in_their_place(table.lookup(like.ravel()).reshape(*like.shape, -1))
        found = np.flatnonzero(vectors.any(axis=1))
        order = found[np.argsort(fids[found])]
        return StandIns({self._table: (fids[order], vectors[order])}) if order.size else None

    def _search(self, rows: Rows, cold: Places, batch: EncodedBatch, store: ModelStore) -> None:
        """Look for items like those at `cold` that have few so far and whose turn it is."""
        missing = self._due(rows, cold)
        if not missing.size:
            return
        self._num_searches[rows[missing]] += 1
        asking, fids = self._properties_of(missing, batch)
        wanted, which = np.unique(fids, return_inverse=True)
        owned, owners, counts = self._owners.sample_of(wanted, _OWNERS_OF_A_PROPERTY)
        warm = store.tables[self._table].contains(self._fids[owners])
        owned, owners = owned[warm], owners[warm]
        rarity = np.log1p(self._fids.size / np.maximum(1, counts))
        # Every asker of a property with every owner of it.
        first, last = np.searchsorted(owned, which, "left"), np.searchsorted(owned, which, "right")
        lengths = last - first
        places = np.repeat(first - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
        pairs = np.repeat(asking, lengths) * np.int64(self._fids.size) + owners[places]
        both, pair_of = np.unique(pairs, return_inverse=True)
        likeness = np.bincount(pair_of, np.repeat(rarity[which], lengths), both.size).astype(np.float64)
        self._keep_best(rows[missing], both, likeness)

    def _due(self, rows: Rows, cold: Places) -> Places:
        """Those with few like items, each time they were asked for twice as often: more like items may have been learned meanwhile, and
        an item that is like nothing must not be searched for again and again."""
        asked = rows[cold]
        self._num_asked[asked] += self._num_asked[asked] < np.iinfo(np.uint16).max
        searches = self._num_searches[asked]
        due = (self._like[asked, -1] == 0) & (searches < _MOST_SEARCHES) & (self._num_asked[asked] >> searches > 0)
        missing: Places = cold[due][np.argsort(searches[due], kind="stable")[:SEARCHED_AT_ONCE]]
        return missing

    def _keep_best(self, rows: Rows, both: npt.NDArray[np.int64], likeness: npt.NDArray[np.float64]) -> None:
        """`both` has place in `rows` times the number of rows plus the like row, ascending."""
        askers, like = np.divmod(both, self._fids.size)
        order = np.lexsort((like, -likeness, askers))
        askers, like = askers[order], like[order]
        starts = np.searchsorted(askers, np.arange(len(rows)))
        ranks = np.arange(askers.size) - starts[askers]
        # Items that went since may have been all there were: their ids' rows still say what such an item is like.
        known = np.count_nonzero(self._like[rows], axis=1)
        better = np.minimum(NUM_LIKE, np.bincount(askers, minlength=len(rows))) >= np.maximum(1, known)
        self._like[rows[better]] = 0
        kept = (ranks < NUM_LIKE) & better[askers]
        self._like[rows[askers[kept]], ranks[kept]] = self._fids[like[kept]]

    def _properties_of(self, places: Places, batch: EncodedBatch) -> tuple[npt.NDArray[np.int64], FidArray]:
        """Who asks, as a place in `places`, and the FID of a property of it, one of each pair."""
        asking, fids = [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
        for name in self._others:
            values = batch.slots[name]
            starts, lengths = values.offsets[places], values.lengths[places]
            inside = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
            asking.append(np.repeat(np.arange(places.size), lengths))
            fids.append(values.fids[inside])
        return np.concatenate(asking), np.concatenate(fids)

    def _make_room(self, num_rows: int) -> None:
        size = self._fids.size
        if num_rows <= size:
            return
        capacity = max(num_rows, 2 * size)
        fids, like, asked, searches = self._fids, self._like, self._num_asked, self._num_searches
        self._fids = np.zeros(capacity, np.uint64)
        self._like = np.zeros((capacity, NUM_LIKE), np.uint64)
        self._num_asked = np.zeros(capacity, np.uint16)
        self._num_searches = np.zeros(capacity, np.uint8)
        self._fids[:size], self._num_asked[:size], self._num_searches[:size] = fids, asked, searches
        searched = np.flatnonzero(searches)
        self._like[searched] = like[searched]


def _in_their_place(like: FloatArray) -> FloatArray:
    """float32[n, dim] of `like` float32[n, m, dim], zeros where there is none: the mean, as long as those that it is of are on average."""
    lengths = np.linalg.norm(like, axis=2)
    num = np.maximum(1, (lengths > 0).sum(axis=1))
    total = like.sum(axis=1)
    length = np.linalg.norm(total, axis=1)
    scale = lengths.sum(axis=1) / num / np.maximum(length, 1e-12)
    stand_ins: FloatArray = (total * scale[:, np.newaxis]).astype(np.float32)
    return stand_ins
