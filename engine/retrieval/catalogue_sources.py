"""Sources that need nothing but the catalogue: its newest items, and random ones."""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np

from engine.retrieval.asker import Asker
from engine.retrieval.catalogue import Catalogue, ItemChanges
from engine.retrieval.item_rows import Rows
from engine.retrieval.source import Allowed, Found, allowed_first

_READY: Final = 1024
_OVERDRAW: Final = 2


class NewestItems:
    """The items written first most recently. Scores are 0.0: what is new is not therefore good.

    `retrieve` from any thread, `note_catalogue` from one. The newest thousand are kept in an array that is brought up to date when the
    catalogue changes; only where fewer of them are allowed than asked for the whole catalogue is looked through.
    """

    name: Final = "latest"

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._ready, self._is_all = self._newest_of_all()

    def retrieve(self, asker: Asker, num_items: int, allowed: Allowed) -> Found:
        del asker  # what is new is new for everyone
        if num_items <= 0:
            return Found.nothing()
        ready, is_all = self._ready, self._is_all
        found = allowed_first(_unscored(ready), num_items, allowed)
        if len(found) < num_items and not is_all:
            return _unscored(self._newest(np.flatnonzero(allowed.mask()).astype(np.int32), num_items))
        return found

    def note_catalogue(self, changes: ItemChanges) -> None:
        """Bring the newest up to date."""
        if not (changes.written_rows.size or changes.deleted_rows.size):
            return
        servable, written_ms = self._catalogue.servable, self._catalogue.first_written_ms
        new = changes.written_rows[changes.written_rows >= 0]
        if not self._is_all and self._ready.size:
            # What is older than all of these may be older than others that are not among them.
            new = new[written_ms[new] > written_ms[self._ready[-1]]]
        rows = np.unique(np.concatenate([self._ready, new]))
        rows = rows[servable[rows]]
        if not self._is_all and rows.size < _READY // 2:
            self._ready, self._is_all = self._newest_of_all()
            return
        self._is_all = self._is_all and rows.size <= _READY
        self._ready = self._newest(rows, _READY)

    def _newest_of_all(self) -> tuple[Rows, bool]:
        num_rows = self._catalogue.num_rows
        rows = np.flatnonzero(self._catalogue.servable[:num_rows]).astype(np.int32)
        return self._newest(rows, _READY), rows.size <= _READY

    def _newest(self, rows: Rows, num_items: int) -> Rows:
        """Newest first; of those written at the same time the higher row."""
        written_ms = self._catalogue.first_written_ms[rows]
        if num_items < rows.size:
            near = written_ms >= np.partition(written_ms, rows.size - num_items)[rows.size - num_items]
            rows, written_ms = rows[near], written_ms[near]
        return rows[np.lexsort((-rows, -written_ms))[:num_items]]


class Everything:
    """As `latest`, said to be of the catalogue: what a small one is answered with when nothing better is known."""

    name: Final = "catalogue"

    def __init__(self, latest: NewestItems) -> None:
        self._latest = latest

    def retrieve(self, asker: Asker, num_items: int, allowed: Allowed) -> Found:
        return self._latest.retrieve(asker, num_items, allowed)


class RandomItems:
    """Items drawn uniformly, always the same for one user and catalogue. Scores are 0.0."""

    name: Final = "random"

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def retrieve(self, asker: Asker, num_items: int, allowed: Allowed) -> Found:
        """All that is allowed where that is no more than `num_items`."""
        num_rows = self._catalogue.num_rows
        if num_items <= 0 or not num_rows:
            return Found.nothing()
        generator = np.random.default_rng(zlib.crc32(asker.user_id.encode()))
        drawn = generator.integers(0, num_rows, _OVERDRAW * num_items, dtype=np.int32)
        _, first = np.unique(drawn, return_index=True)
        found = allowed_first(_unscored(drawn[np.sort(first)]), num_items, allowed)
        if len(found) == num_items:
            return found
        rows = np.flatnonzero(allowed.mask()).astype(np.int32)
        return _unscored(generator.permutation(rows)[:num_items])


def _unscored(rows: Rows) -> Found:
    return Found(rows, np.zeros(rows.size, np.float32))
