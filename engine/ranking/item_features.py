"""The item side of a model's inputs, encoded when items are written instead of at each request."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

import numpy as np

from engine.features.columns import columns_for_items
from engine.features.encoded import EncodedBatch
from engine.features.encoder import FeatureEncoder
from engine.features.records import RecordLayout, Records
from engine.ranking.record_memory import NONE, RecordMemory
from engine.retrieval.catalogue import Catalogue, ItemChanges
from engine.retrieval.item_rows import Rows
from engine.spec.definition import Side

PIECE_ROWS: Final = 512
"""Encoded at a time: some 2 ms, for which a request that finds a row missing may have to wait."""


class ItemFeatures:
    """What a model's item side is made of, by catalogue row: the FIDs of each slot and the dense inputs, as an encoder gives them.

    `records` and `encoded` from any thread; `mark_changed` and `refresh` from one. What changed is never answered from before: its record
    is gone with `mark_changed`, and encoded again by `refresh`, a piece at a time, or by the first request that needs it. Finding records
    takes no lock; encoding takes one, so that what a request encodes of older properties cannot outlive the change.
    """

    def __init__(self, catalogue: Catalogue, encoder: FeatureEncoder) -> None:
        """Every item that there is waits for `refresh`."""
        self.layout = RecordLayout(encoder.definition, Side.ITEM)
        self._catalogue = catalogue
        self._encoder = encoder
        self._sources = encoder.sources(Side.ITEM)
        self._memory = RecordMemory(self.layout)
        self._lock = threading.Lock()
        self._waiting: deque[Rows] = deque()
        self.mark_changed(catalogue.all_items())

    @property
    def num_waiting(self) -> int:
        """Rows that `refresh` has not come to, at most: some may have been encoded by a request."""
        return sum(len(rows) for rows in tuple(self._waiting))

    @property
    def memory_bytes(self) -> int:
        return self._memory.memory_bytes

    def mark_changed(self, changes: ItemChanges) -> None:
        """Items were written or deleted. O(rows), nothing is encoded."""
        with self._lock:
            self._memory.forget(changes.deleted_rows)
            self._memory.forget(changes.written_rows)
        if changes.written_rows.size:
            self._waiting.append(changes.written_rows)

    def refresh(self, max_rows: int = PIECE_ROWS) -> int:
        """Encode at most `max_rows` rows that wait; answers how many were taken up."""
        num_done = 0
        while self._waiting and num_done < max_rows:
            rows = self._waiting.popleft()
            taken, rest = rows[: max_rows - num_done], rows[max_rows - num_done :]
            if rest.size:
                self._waiting.appendleft(rest)
            num_done += len(taken)
            servable = self._catalogue.servable
            with self._lock:
                self._encode_missing(taken[servable[taken]])
        return num_done

    def records(self, rows: Rows) -> Records:
        """Of n rows, which may repeat; encoded now where there was none. Where the item has gone, of one without properties."""
        found = self._memory.find(rows)
        if found.starts.size and int(found.starts.min()) == NONE:
            with self._lock:
                self._encode_missing(rows)
                found = self._memory.find(rows)
        return found

    def encoded(self, rows: Rows) -> EncodedBatch:
        """The same as a batch of the item side, as `FeatureEncoder.encode` gives it."""
        return self.layout.unpack(self.records(rows))

    def _encode_missing(self, rows: Rows) -> None:
        missing = np.unique(rows[self._memory.find(rows).starts == NONE])
        if missing.size:
            item_ids, properties = self._catalogue.ids_of(missing), self._catalogue.properties_of_rows(missing)
            columns = columns_for_items(item_ids, properties, self._sources)
            batch = self._encoder.encode(columns, len(item_ids), Side.ITEM)
            self._memory.write(missing, self.layout.pack(batch))
