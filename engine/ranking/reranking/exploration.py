"""Exploration by scores: drawn anew (Thompson) or raised where little is known (upper confidence)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.ranking.reranking.order import best_places
from engine.ranking.reranking.pool import Doubles, Mask, Places, Pool, Scores
from engine.ranking.reranking.trace import Trace
from engine.spec.deployment import Exploration, ThompsonSampling, UpperConfidence


@dataclass(frozen=True, slots=True)
class Lineup:
    """Candidates in the order in which they are up for choice. `places` int64[r] of the pool, best first; `scores` float32[n] of the whole
    pool, of which the first of `places` may be drawn: those have `means` and `spreads` float64[d], d <= r, else both are empty."""

    places: Places
    scores: Scores
    means: Doubles
    spreads: Doubles


_NOTHING: Doubles = np.empty(0)


def line_up(
    exploration: Exploration,
    scores: Scores,
    free: Mask | None,
    pool: Pool,
    *,
    generator: np.random.Generator,
    num: int | None = None,
    trace: Trace | None = None,
) -> Lineup:
    """The candidates of `free` bool[n] (None: all) by `scores` float32[n], those in play of Thompson's and of upper confidence anew.

    At least the first `num` of them (None: all).
    """
    ranked = _ranked(scores, free, num)
    if not isinstance(exploration, ThompsonSampling | UpperConfidence):
        return Lineup(ranked, scores, _NOTHING, _NOTHING)
    if num is not None and num < exploration.among:
        ranked = _ranked(scores, free, exploration.among)
    among, rest = ranked[: exploration.among], ranked[exploration.among :]
    means = scores[among].astype(np.float64)
    shown = np.zeros(among.size) if pool.impressions is None else pool.impressions[among]
    if isinstance(exploration, ThompsonSampling):
        spreads = np.abs(means) * exploration.scale / np.sqrt(1.0 + shown / exploration.prior_impressions)
        drawn = means + spreads * generator.standard_normal(among.size)
    else:
        spreads = _NOTHING
        drawn = _raised(means, shown, pool.num_impressions, exploration.scale)
    changed = scores.copy()
    changed[among] = drawn
    by_draw = np.argsort(-drawn, kind="stable")
    if trace is not None:
        trace.scored("exploration", changed)
    if isinstance(exploration, UpperConfidence):
        return Lineup(np.concatenate([among[by_draw], rest]), changed, _NOTHING, _NOTHING)
    return Lineup(np.concatenate([among[by_draw], rest]), changed, means[by_draw], spreads[by_draw])


def _ranked(scores: Scores, free: Mask | None, num: int | None) -> Places:
    wanted = scores.size if num is None else num
    if free is None:
        return best_places(scores, wanted)
    places = np.flatnonzero(free)
    ranked: Places = places[best_places(scores[places], wanted)]
    return ranked


def _raised(means: Doubles, shown: Doubles, num_impressions: float, scale: float) -> Doubles:
    """float64[m]: a negative score is divided by the bonus, so that it rises as well."""
    bonus = 1.0 + scale * np.sqrt(math.log1p(num_impressions) / (1.0 + shown))
    return np.where(means < 0, means / bonus, means * bonus)
