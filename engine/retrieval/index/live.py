"""The index that serving uses: exact while that is fastest, through lists from then on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np

from engine.retrieval.index.best import best
from engine.retrieval.index.building import Build
from engine.retrieval.index.choice import DEFAULT_CHOICE, IndexChoice
from engine.retrieval.index.clusters import ClusterLists
from engine.retrieval.index.exact import allowed_rows, check_user, search_all, search_some
from engine.retrieval.index.probes import CALIBRATED_NUM, NUM_USERS, Calibration
from engine.retrieval.index.vector_rows import RowsView, VectorRows, Vectors
from engine.retrieval.source import Allowed, Found, Rows

_SPARE: Final = 1.25
"""So many times the rows asked for, by the share that lately was allowed, are taken out of the lists before asking what is allowed."""

_FEW_ALLOWED: Final = 0.25
_SHARE_MOMENTUM: Final = 0.05

_DEPTH: Final = 0.6
_GROWN: Final = 2.0
_DRIFTED: Final = 2.0


@dataclass(frozen=True, slots=True)
class _Clustered:
    """`num_probes` is by the last measurement, `num_probes_at_first` by the one that followed the making of the lists."""

    lists: ClusterLists
    num_probes: int
    num_probes_at_first: int
    num_vectors_at_first: int


class LiveIndex(VectorRows):
    """A `VectorIndex` that makes lists when it has grown, lets go of them when it has shrunk, and makes them anew when it has doubled or
    halved, or when its vectors have moved so far that a search must look through twice as many. All that is done by `maintain`, piece by
    piece, while searches go on with what there is.
    """

    def __init__(self, dim: int, choice: IndexChoice = DEFAULT_CHOICE, *, seed: int = 0) -> None:
        super().__init__(dim)
        self._choice = choice
        self._generator = np.random.default_rng(seed)
        self._clustered: _Clustered | None = None
        self._build: Build | None = None
        self._work: Iterator[None] | None = None
        self._num_written = 0
        self._recent_users: deque[Vectors] = deque(maxlen=NUM_USERS)
        # Which share of rows lately was allowed: it decides how many are looked at first, not which are found.
        self._allowed_share = 1.0

    @property
    def num_lists(self) -> int:
        """0 while every search looks at all vectors."""
        clustered = self._clustered
        return 0 if clustered is None else clustered.lists.num_lists

    @property
    def num_probes(self) -> int:
        """Lists that a search for a few hundred rows looks through; 0 without lists."""
        clustered = self._clustered
        return 0 if clustered is None else clustered.num_probes

    @property
    def memory_bytes(self) -> int:
        return super().memory_bytes + sum(lists.memory_bytes for lists in self._all_lists())

    def search(self, user: Vectors, num: int, allowed: Allowed | None = None) -> Found:
        """As `VectorIndex.search`."""
        check_user(user)
        if num <= 0:
            return Found.nothing()
        user = np.array(user, np.float32)
        self._recent_users.append(user)
        clustered = self._clustered
        if clustered is None:
            return search_all(self.view(), user, num, allowed)
        view = self.view()
        share = 1.0 if allowed is None else self._allowed_share
        if share > _FEW_ALLOWED:
            found = clustered.lists.find(user, ceil(_SPARE / share * num), _probes(clustered, num))
            rows = self._kept(found, view, allowed)
            if rows.size >= num:
                return _rescored(view, user, rows, num)
        return self._search_allowed(clustered, view, user, num, allowed)

    def write(self, rows: Rows, vectors: Vectors) -> None:
        """As `VectorIndex.write`."""
        super().write(rows, vectors)
        self._num_written += len(rows)
        self._tell_lists(rows)

    def remove(self, rows: Rows) -> None:
        """As `VectorIndex.remove`."""
        super().remove(rows)
        self._tell_lists(np.unique(rows[rows >= 0]))

    def maintain(self) -> bool:
        """As `VectorIndex.maintain`: pieces of up to some tens of milliseconds."""
        if self._work is None:
            self._work = self._next_work()
        if self._work is not None:
            for _ in self._work:
                return True
            self._work = None
        return False

    def _kept(self, found: Rows, view: RowsView, allowed: Allowed | None) -> Rows:
        """Those that have a vector and are allowed."""
        rows = found[found < view.present.size]
        rows = rows[view.present[rows]]
        if allowed is None or not rows.size:
            return rows
        kept = allowed.keep(rows)
        self._note_share(float(kept.mean()))
        return rows[kept]

    def _note_share(self, share: float) -> None:
        self._allowed_share += _SHARE_MOMENTUM * (share - self._allowed_share)

    def _search_allowed(
        self, clustered: _Clustered, view: RowsView, user: Vectors, num: int, allowed: Allowed | None
    ) -> Found:
        """Knowing all that is allowed: one by one when it is little, otherwise through so many more lists."""
        kept = allowed_rows(view.present, allowed)
        num_kept = int(np.count_nonzero(kept))
        if allowed is not None:
            self._note_share(num_kept / max(1, self.num_vectors))
        if num_kept > num and num_kept * self.dim > self._choice.few:
            num_probes = _probes(clustered, num * max(1.0, self.num_vectors / num_kept))
            if num_probes <= clustered.lists.num_lists // 2:
                rows = clustered.lists.find(user, num + num // 8, num_probes, kept)
                rows = rows[view.present[rows]]
                if rows.size >= num:
                    return _rescored(view, user, rows, num)
        return search_some(view, kept, user, num)

    def _tell_lists(self, rows: Rows) -> None:
        view = self.view()
        for lists in self._all_lists():
            lists.put(rows, view)
        if self._clustered is not None:
            self._clustered.lists.extend(view, len(view.present))

    def _all_lists(self) -> list[ClusterLists]:
        """Those searched, and those being made as far as they are."""
        lists = [] if self._clustered is None else [self._clustered.lists]
        if self._build is not None and self._build.lists is not None:
            lists.append(self._build.lists)
        return lists

    def _next_work(self) -> Iterator[None] | None:
        clustered, size = self._clustered, self.num_vectors * self.dim
        if clustered is None:
            return self._rebuilding() if size >= self._choice.lists_from else None
        if size < self._choice.exact_below:
            self._clustered = None
            return None
        change = self.num_vectors / clustered.num_vectors_at_first
        if change >= _GROWN or change <= 1 / _GROWN or clustered.num_probes > _DRIFTED * clustered.num_probes_at_first:
            return self._rebuilding()
        # Every vector has moved once, on average.
        return self._recalibrating(clustered) if self._num_written >= self.num_vectors else None

    def _rebuilding(self) -> Iterator[None]:
        num_vectors = self.num_vectors
        build = self._build = Build(self, self._generator)
        while (lists := build.step()) is None:
            yield
        calibration = Calibration(self, lists, self._choice.recall)
        yield from calibration.in_steps(tuple(self._recent_users), self._generator)
        lists.extend(self.view(), self.num_rows)
        num_probes = calibration.num_probes()
        self._clustered = _Clustered(lists, num_probes, num_probes, num_vectors)
        self._build, self._num_written = None, 0

    def _recalibrating(self, clustered: _Clustered) -> Iterator[None]:
        self._num_written = 0
        calibration = Calibration(self, clustered.lists, self._choice.recall)
        yield from calibration.in_steps(tuple(self._recent_users), self._generator)
        self._clustered = _Clustered(
            clustered.lists, calibration.num_probes(), clustered.num_probes_at_first, clustered.num_vectors_at_first
        )


def _probes(clustered: _Clustered, num: float) -> int:
    """More rows, or fewer that are allowed, lie in more lists; by which power was measured (docs/retrieval-index.md)."""
    scale: float = max(1.0, num / CALIBRATED_NUM) ** _DEPTH
    return min(clustered.lists.num_lists, ceil(clustered.num_probes * scale))


def _rescored(view: RowsView, user: Vectors, rows: Rows, num: int) -> Found:
    rows = np.sort(rows)
    return best(rows, view.vectors.take(rows, axis=0) @ user, num)
