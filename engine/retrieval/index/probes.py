"""How many lists a search must look through, found out by what exact searches answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from engine.retrieval.index.clusters import ClusterLists
from engine.retrieval.index.exact import search_all
from engine.retrieval.index.vector_rows import VectorRows, Vectors

NUM_USERS: Final = 64
CALIBRATED_NUM: Final = 200
"""Rows asked for when measuring; more of them lie in more lists."""

_USERS_A_STEP: Final = 4


class Calibration:
    """Measures with users' vectors, or, where too few have asked, with points between items."""

    def __init__(self, rows: VectorRows, lists: ClusterLists, recall: float) -> None:
        self._rows = rows
        self._lists = lists
        self._recall = recall
        self._ranks: list[np.ndarray] = []

    def in_steps(self, users: Sequence[Vectors], generator: np.random.Generator) -> Iterator[None]:
        """One exact search for each user; a few of them between two yields."""
        asked = list(users) if len(users) >= NUM_USERS // 4 else self._made_up(generator)
        for place, user in enumerate(asked):
            if place and place % _USERS_A_STEP == 0:
                yield
            self._ranks.append(self._ranks_of(user))

    def num_probes(self) -> int:
        """The least number of lists that hold the share `recall` of all that the exact searches found."""
        ranks = np.concatenate(self._ranks) if self._ranks else np.zeros(0, np.int64)
        return int(np.quantile(ranks, self._recall, method="higher")) + 1 if ranks.size else 1

    def _ranks_of(self, user: Vectors) -> np.ndarray:
        """int64[n]: which place in the order of looking through has the list of each row nearest to the user."""
        found = search_all(self._rows.view(), user, CALIBRATED_NUM, None).rows
        order = np.argsort(-(self._lists.centroids @ user), kind="stable")
        place_of = np.empty(len(order), np.int64)
        place_of[order] = np.arange(len(order))
        ranks: np.ndarray = place_of[self._lists.list_of[found[found < self._lists.num_rows]]]
        return ranks

    def _made_up(self, generator: np.random.Generator) -> list[Vectors]:
        vectors, present, _ = self._rows.view()
        rows = np.flatnonzero(present)
        if not rows.size:
            return []
        between = vectors[generator.choice(rows, (NUM_USERS, 2))].sum(axis=1)
        return list(between / np.maximum(np.linalg.norm(between, axis=1, keepdims=True), 1e-12))
