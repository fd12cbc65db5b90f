"""Baselines: what scores items for users without a model of ours."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from engine.evaluation.factorisation import fitted
from engine.evaluation.lists.task import Codes, ListTask

Scores = npt.NDArray[np.float32]

_NEIGHBOURS: Final = 200
_ITEMS_AT_ONCE: Final = 1024


class Recommender(ABC):
    """Learns from a task's training clicks, once; then scores."""

    @abstractmethod
    def scores(self, users: Codes) -> Scores:
        """float32[m, num_items], higher is better."""

    def candidate_scores(self, users: Codes, candidates: Codes) -> Scores:
        """float32[m, c]: the scores of each user's own candidates int32[m, c]."""
        return np.take_along_axis(self.scores(users), candidates.astype(np.int64), axis=1)


class MostPopular(Recommender):
    """The same for everyone: how often an item was clicked, within the last `window_ms` of training where given."""

    def __init__(self, task: ListTask, window_ms: int | None = None) -> None:
        """Raises ValueError for a window of clicks without times."""
        items = task.train.items
        if window_ms is not None:
            times_ms = task.train.times_ms
            if times_ms is None:
                raise ValueError("the clicks have no times")
            items = items[times_ms >= times_ms[-1] - window_ms]
        self._counts = np.bincount(items, minlength=task.num_items).astype(np.float32)

    def scores(self, users: Codes) -> Scores:
        return np.broadcast_to(self._counts, (users.size, self._counts.size))


class CoOccurrence(Recommender):
    """score(u, j) = Σ_{i of u} c_ij / √(n_i n_j): cosine of the items' users, the `_NEIGHBOURS` highest of each item."""

    def __init__(self, task: ListTask) -> None:
        self._clicked = task.clicked()
        counts = np.asarray(self._clicked.sum(axis=0)).ravel()
        scaled = (self._clicked @ sp.diags_array(1.0 / np.sqrt(np.maximum(counts, 1.0)))).tocsc()
        blocks = [
            _highest((scaled.T @ scaled[:, start : start + _ITEMS_AT_ONCE]).tocsc(), start)
            for start in range(0, task.num_items, _ITEMS_AT_ONCE)
        ]
        self._similar = sp.hstack(blocks, format="csr").astype(np.float32)

    def scores(self, users: Codes) -> Scores:
        found: Scores = (self._clicked[users] @ self._similar).toarray()
        return found


class Factorisation(Recommender):
    """`als` or `bpr` of implicit."""

    def __init__(self, task: ListTask, kind: str, seed: int) -> None:
        self._users, self._items = fitted(kind, task.clicked(), seed)

    def scores(self, users: Codes) -> Scores:
        found: Scores = self._users[users] @ self._items.T
        return found


def _highest(block: Any, start: int) -> Any:
    """A CSC block of columns `start` … with the diagonal gone and the highest `_NEIGHBOURS` of each column kept."""
    columns = []
    for place in range(block.shape[1]):
        begin, end = block.indptr[place], block.indptr[place + 1]
        rows, values = block.indices[begin:end], block.data[begin:end]
        kept = rows != start + place
        rows, values = rows[kept], values[kept]
        if values.size > _NEIGHBOURS:
            best = np.argpartition(-values, _NEIGHBOURS)[:_NEIGHBOURS]
            rows, values = rows[best], values[best]
        columns.append((rows, values))
    indptr = np.cumsum([0] + [rows.size for rows, _ in columns])
    rows = np.concatenate([rows for rows, _ in columns])
    values = np.concatenate([values for _, values in columns])
    return sp.csc_matrix((values, rows, indptr), shape=block.shape)
