"""Taking a stream apart so that what belongs to different keys is worked on at once and what belongs to one stays in order."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


def occurrence_ranks(keys: IntArray) -> IntArray:
    """int64[n]: how many equal keys stand before each of `keys` int64[n]."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if keys.size else np.empty(0, np.int64)
    ranks = np.empty(keys.size, np.int64)
    ranks[order] = np.arange(keys.size) - np.repeat(starts, np.diff(np.r_[starts, keys.size]))
    return ranks


def rounds(keys: IntArray) -> list[IntArray]:
    """The places of `keys` int64[n] in parts: part k has the k-th occurrence of every key that has so many."""
    if not keys.size:
        return []
    ranks = occurrence_ranks(keys)
    by_rank = np.argsort(ranks, kind="stable")
    bounds = np.r_[0, np.cumsum(np.bincount(ranks))].tolist()
    return [by_rank[start:end] for start, end in itertools.pairwise(bounds)]
