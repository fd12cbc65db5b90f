"""Candidates in columns, and three ways to make one list of what several sources found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.embedding.row_merge import merge_rows
from engine.retrieval.item_rows import Rows
from engine.retrieval.source import Found, Scores

Codes = npt.NDArray[np.int16]
_Findings = Sequence[tuple[str, Found]]

_FUSION_RANK: Final = 60.0


_Scoring = Callable[[Rows], Scores]


class Gathered:
    """n candidates, each once. `rows` int32[n]; `scores` float32[n] are retrieval's own; candidate i came from `names[codes[i]]`.

    Scores that are a function of the rows are worked out when they are asked for: most requests have a ranking model and never do. For one
    thread.
    """

    __slots__ = ("_scores", "codes", "names", "rows")

    def __init__(self, rows: Rows, scores: Scores | _Scoring, codes: Codes, names: tuple[str, ...]) -> None:
        self.rows = rows
        self.codes = codes
        self.names = names
        self._scores = scores

    @classmethod
    def nothing(cls) -> Gathered:
        return cls(np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.int16), ())

    def __len__(self) -> int:
        return self.rows.size

    @property
    def scores(self) -> Scores:
        scores = self._scores
        if callable(scores):
            scores = self._scores = scores(self.rows)
        return scores

    def first(self, num: int) -> Gathered:
        """The first `num` of them."""
        return self if num >= len(self) else self._part(slice(num))

    def at(self, places: npt.NDArray[np.int64]) -> Gathered:
        """Those at `places` int64[m], in that order."""
        return self._part(places)

    def _part(self, places: npt.NDArray[np.int64] | slice) -> Gathered:
        scores = self._scores
        some = scores if callable(scores) else scores[places]
        return Gathered(self.rows[places], some, self.codes[places], self.names)

    def with_rows(self, rows: Rows, name: str, scores: Scores) -> Gathered:
        """With more candidates `rows` int32[m], none of them one already, of `scores` float32[m], from the source `name`."""
        if not rows.size:
            return self
        return Gathered(
            np.concatenate([self.rows, rows]),
            np.concatenate([self.scores, scores]),
            np.concatenate([self.codes, np.full(rows.size, len(self.names), np.int16)]),
            (*self.names, name),
        )


def merged(found: _Findings, scored: _Scoring) -> Gathered:
    """The sources' items one after the other, each under the first source that brought it, with the scores that `scored` gives rows."""
    rows, codes = merge_rows([each.rows for _, each in found])
    return Gathered(rows, scored, codes, _names(found))


def mixed(found: _Findings, weights: Sequence[float]) -> Gathered:
    """As `merged`, with scores that mix the sources by `weights`.

    A source's own scores cannot be compared with another's, but each item's share of their sum can. So a source that is sure of a few
    items is heard before one that takes many for as good as each other.
    """
    rows, codes = _joined(found)
    shares = [_shares(each.scores) * weight for (_, each), weight in zip(found, weights, strict=True)]
    return _summed(rows, codes, shares, _names(found))


def fused(found: _Findings) -> Gathered:
    """Reciprocal rank fusion: an item's score is the mean over the lists of (1 + r) / (rank + r) with r = 60, 1 for what all have first
    (Cormack, Clarke and Büttcher, SIGIR 2009). Best first."""
    rows, codes = _joined(found)
    shares = [(1 + _FUSION_RANK) / (np.arange(1, len(each) + 1) + _FUSION_RANK) / len(found) for _, each in found]
    gathered = _summed(rows, codes, shares, _names(found))
    return gathered.at(np.argsort(-gathered.scores, kind="stable"))


def _joined(found: _Findings) -> tuple[Rows, Codes]:
    if not found:
        return np.empty(0, np.int32), np.empty(0, np.int16)
    rows = np.concatenate([each.rows for _, each in found])
    lengths = [len(each) for _, each in found]
    return rows, np.repeat(np.arange(len(found), dtype=np.int16), lengths)


def _summed(rows: Rows, codes: Codes, shares: Sequence[npt.NDArray[np.float64]], names: tuple[str, ...]) -> Gathered:
    _, first, number = np.unique(rows, return_index=True, return_inverse=True)
    parts = np.concatenate(shares) if shares else np.empty(0)
    totals = np.bincount(number, parts, first.size).astype(np.float32)
    order = np.argsort(first)
    first = first[order]
    return Gathered(rows[first], totals[order], codes[first], names)


def _shares(scores: Scores) -> npt.NDArray[np.float64]:
    total = float(scores.sum(dtype=np.float64))
    return scores.astype(np.float64) / max(total, 1e-30)


def _names(found: _Findings) -> tuple[str, ...]:
    return tuple(name for name, _ in found)
