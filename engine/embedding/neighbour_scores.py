"""What goes best with a history, by counts of what came together: the sums of the C++ core."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import engine_cc
from engine.embedding.rows import Floats


class Neighbours(NamedTuple):
    """Of n items: the first `used` int32[n] of its cells are an item's neighbours, `targets` int32[n, w] below n or negative for none, with
    `weights` float32[n, w]; `counts` float32[n]; who is not alive, bool[n], is nobody's neighbour. All C-contiguous."""

    targets: NDArray[np.int32]
    weights: Floats
    used: NDArray[np.int32]
    counts: Floats
    is_alive: NDArray[np.bool_]


class NeighbourRule(NamedTuple):
    """Of a history the last `max_sources` entries count. One that is `back` entries from the end scores each of its neighbours
    weight · to_now · source_decay^back / (s^(1 - power) · n^power), where s and n are count · to_now + shrinkage of the one and the other.
    """

    to_now: float
    shrinkage: float
    power: float
    source_decay: float
    max_sources: int


def best_neighbours(  # noqa: PLR0917 - what there is, who asks, how it is scored, what is answered
    neighbours: Neighbours,
    history: NDArray[np.int64],
    rule: NeighbourRule,
    names: NDArray[np.int32],
    allowed: NDArray[np.bool_] | None,
    num: int,
) -> tuple[NDArray[np.int32], Floats]:
    """The at most `num` names int32[k] of the items that go best with `history` int64[m] and are not in it, and the sums of their scores,
    float32[k], above 0: the greatest first, of equals the lower name.

    `history` is the oldest first, negative where there is no item; of one that comes several times the last counts. Item i is called
    names[i]; one called by a negative name, or by one for which `allowed` bool[r] does not hold or that is beyond it, is not answered.
    Raises ValueError for an item of the history that there is not.
    """
    return engine_cc.best_neighbours(neighbours, history, rule, names, allowed, num)
