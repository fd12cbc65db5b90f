"""AUC within each user: how well one person's own list is ordered, whatever the differences between persons."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from engine.evaluation.auc import Floats


def grouped_auc(scores: Floats, labels: Floats, groups: npt.NDArray[Any]) -> float | None:
    """The mean of each group's AUC, weighted by its number of scores (Zhu et al., KDD 2017; Zhou et al., KDD 2018).

    `groups` [n] says whose each score is. Groups without both labels have no AUC and count for nothing; None when there is no other.
    """
    if not scores.size:
        return None
    order = np.lexsort((scores, groups))
    scores, positive, groups = scores[order], labels[order] > 0.5, groups[order]
    begins_group = np.r_[True, groups[1:] != groups[:-1]]
    group = np.cumsum(begins_group) - 1
    starts = np.flatnonzero(begins_group)
    begins_tie = begins_group | np.r_[True, scores[1:] != scores[:-1]]
    tie = np.cumsum(begins_tie) - 1
    firsts = np.flatnonzero(begins_tie)
    lasts = np.r_[firsts[1:], scores.size] - 1
    # ranks from 1 within the group; ties share the mean of theirs
    ranks = (firsts + lasts)[tie] / 2.0 - starts[group] + 1.0
    sizes = np.bincount(group).astype(np.float64)
    positives = np.bincount(group, weights=positive)
    rank_sums = np.bincount(group, weights=ranks * positive)
    pairs = positives * (sizes - positives)
    usable = pairs > 0
    if not usable.any():
        return None
    above = rank_sums[usable] - positives[usable] * (positives[usable] + 1.0) / 2.0
    return float(np.average(above / pairs[usable], weights=sizes[usable]))
