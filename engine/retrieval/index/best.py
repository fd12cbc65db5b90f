"""The best of many scores, without sorting or partitioning them all."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.retrieval.source import Found, Rows, Scores

_SAMPLE: Final = 2048
_SAMPLED_ABOVE: Final = 16
"""Scores looked at to guess where the best begin, and how many of them should lie above: the fewer, the rougher the guess. One pass of
comparing is then all that is done to the others.
"""


def best(rows: Rows, scores: Scores, num: int) -> Found:
    """The `num` of greatest score, greatest first, of equals the earlier in `rows`. Costs by n; scores must not be NaN."""
    if num <= 0:
        return Found.nothing()
    if num < scores.size:
        kept = np.flatnonzero(scores >= np.partition(scores, -num)[-num])
        rows, scores = rows[kept], scores[kept]
    order = np.argsort(-scores, kind="stable")[:num]
    return Found(rows[order], scores[order])


def likely_best(scores: Scores, num: int) -> tuple[Rows, float]:
    """Places of all scores from a bound on, lowest place first, and that bound; about `num` of them, when a sample of the scores is like
    the whole."""
    sample = scores[:: max(1, scores.size // max(_SAMPLE, _SAMPLED_ABOVE * scores.size // max(1, num)))]
    place = min(sample.size, max(1, num * sample.size // scores.size))
    bound = np.partition(sample, -place)[-place]
    return np.flatnonzero(scores >= bound).astype(np.int32), float(bound)
