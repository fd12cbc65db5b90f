"""The chance that Thompson sampling gives the order that it gave.

Scores are independent normals X_i. That the items 1, 2, … j come first in this order, before all the others, has the chance
∫ A_j(x) Π_{others} P(X_r < x) dx with A_1 = the density of X_1 and A_j(x) = the density of X_j at x times ∫_{y > x} A_{j-1}(y) dy. An
item that a cap takes out of play after place s only has to lie below the s-th: its P(X_r < x) belongs into A_s. The integrals are sums
over cells between quantiles of the items shown. A chance is off by about 1 % of itself.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.ranking.reranking.normal import normal_cdf
from engine.ranking.reranking.pool import Doubles, Places, Scores

NEVER: Final = np.iinfo(np.int64).max
_MAX_EDGES: Final = 512
_EDGES: Final = 256
_EDGES_OF_ITEM: Final = (4, 96)
_REACH: Final = 4.5
_LEAST_SPREAD: Final = 1e-6
_LEAST_CHANCE: Final = 1e-30


def order_chances(means: Doubles, spreads: Doubles, chosen: Places, closed_after: Places) -> Doubles:
    """float64[c]: the chance of each of `chosen` int64[c] after those before it.

    Of m items drawn: `means` and `spreads` float64[m]; `closed_after` int64[m] is the number (from 0) of the choice after which a cap
    took an item out of play, `NEVER` if none did. All are 1 where nothing spreads.
    """
    widest = float(spreads.max(initial=0.0))
    if widest == 0.0 or not chosen.size:
        return np.ones(chosen.size)
    spreads = np.maximum(spreads, _LEAST_SPREAD * widest)
    below = _chance_below(means, spreads, _edges(means[chosen], spreads[chosen]))
    is_chosen = np.zeros(means.size, np.bool_)
    is_chosen[chosen] = True
    still_open = ~is_chosen & (closed_after >= chosen.size)
    own = below[chosen].astype(np.float64)
    ending, masses = own, np.diff(own, axis=1)
    if np.count_nonzero(still_open) + chosen.size < means.size:
        closed = [(closed_after == step) & ~is_chosen for step in range(chosen.size)]
        closing = np.stack([below[each].prod(axis=0) for each in closed])
        ending, masses = own * closing, masses * _middle(closing)
    return _chain(masses, _middle(_products_after(ending) * below[still_open].prod(axis=0)))


def _chain(masses: Doubles, ahead: Doubles) -> Doubles:
    """float64[c] of the chosen's masses in each cell, with what closes after each, and of the chance that all who are left are below,
    float64[c, cells] each."""
    chances = np.ones(len(masses))
    tail = np.ones(masses.shape[1])
    for step, mass in enumerate(masses):
        density = mass * tail
        chances[step] = max(float(density @ ahead[step]), _LEAST_CHANCE)
        density /= chances[step]
        # Of two in one cell either may be the greater.
        tail = np.cumsum(density[::-1])[::-1] - 0.5 * density
    return np.minimum(chances, 1.0)


def _edges(means: Doubles, spreads: Doubles) -> Doubles:
    """Quantiles of every item shown, so that the narrowest is as finely cut as the widest."""
    num = int(np.clip(_EDGES // means.size, *_EDGES_OF_ITEM))
    edges = np.sort((means[:, np.newaxis] + spreads[:, np.newaxis] * np.linspace(-_REACH, _REACH, num)).ravel())
    if edges.size > _MAX_EDGES:
        edges = edges[np.linspace(0, edges.size - 1, _MAX_EDGES).astype(np.int64)]
    return edges


def _chance_below(means: Doubles, spreads: Doubles, edges: Doubles) -> Scores:
    """float32[m, edges]: most of the time goes into it, and what it is off by is little beside the cells' width."""
    return normal_cdf(((edges - means[:, np.newaxis]) / spreads[:, np.newaxis]).astype(np.float32))


def _products_after(factors: Doubles) -> Doubles:
    """float64[c, edges]: of each row the product of all rows behind it."""
    products = np.ones_like(factors)
    products[:-1] = np.cumprod(factors[:0:-1], axis=0)[::-1]
    return products


def _middle(at_edges: Doubles) -> Doubles:
    result: Doubles = 0.5 * (at_edges[:, 1:] + at_edges[:, :-1])
    return result
