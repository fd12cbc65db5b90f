"""A determinantal point process, its mode approached greedily (Chen, Zhang and Zhou, Fast Greedy MAP Inference, NeurIPS 2018)."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.ranking.reranking.chooser import SHUT, relevance
from engine.ranking.reranking.pool import Scores

LEAST_RESIDUAL: Final = 1e-6
"""A likeness matrix has a rank: items that those chosen span already add no volume, and relevance alone decides among them."""


class Determinantal:
    """The item with which the determinant of the chosen's kernel diag(q) S diag(q) grows most.

    With q = exp(relevance (1 - strength) / (2 strength)). That determinant is Π q² · det S of the chosen, so that a Cholesky factor is
    kept, row by row, of S alone, and q enters by its logarithm, which cannot overflow. `scores` float32[m]; `likeness` S
    float32[m + p, m + p], p more items may be in the answer from elsewhere; at most `num_chosen` are.
    """

    def __init__(self, scores: Scores, strength: float, likeness: Scores, num_chosen: int) -> None:
        self._gain = relevance(scores) * ((1.0 - strength) / strength)
        self._likeness = likeness
        self._residual = np.diag(likeness).astype(np.float64)
        self._factor = np.empty((min(num_chosen, len(likeness)), len(likeness)))
        self._rank = 0

    def best(self) -> int:
        residual = self._residual[: self._gain.size]
        value = self._gain + np.log(np.maximum(residual, LEAST_RESIDUAL))
        number = int(value.argmax())
        return number if value[number] > SHUT else -1

    def shut(self, number: int) -> None:
        self._gain[number] = SHUT

    def add(self, number: int) -> None:
        left = self._residual[number]
        if left <= LEAST_RESIDUAL:
            return
        factor = self._factor[: self._rank]
        row = (self._likeness[number] - factor[:, number] @ factor) / np.sqrt(left)
        self._factor[self._rank] = row
        self._rank += 1
        self._residual -= row * row
