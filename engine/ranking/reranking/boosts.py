"""Scores changed by rules: boosts, and the demotion of what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from engine.ranking.reranking.pool import Mask, Scores
from engine.ranking.reranking.trace import Trace
from engine.spec.deployment import Boost, Seen, SeenPolicy

LEAST_DEMOTION: Final = 1e-6
"""What a negative score is divided by at least, so that it stays finite."""


def demoted(scores: Scores, seen: Mask | None, rule: Seen, trace: Trace | None = None) -> Scores:
    """float32[n]: under the policy `demote` the scores of `seen` bool[n] times `demote_to`; negative ones are divided by it."""
    if rule.policy is not SeenPolicy.DEMOTE or seen is None or not seen.any():
        return scores
    lower = np.where(scores < 0, scores / max(rule.demote_to, LEAST_DEMOTION), scores * rule.demote_to)
    changed = np.where(seen, lower, scores).astype(np.float32)
    if trace is not None:
        trace.note_all("seen", seen, f"acted on before: score x {rule.demote_to:g}")
        trace.scored("seen", changed)
    return changed


def boosted(scores: Scores, masks: Sequence[Mask], boosts: Sequence[Boost], trace: Trace | None = None) -> Scores:
    """float32[n]: each boost in turn, for the candidates of its mask bool[n]: score x multiply + add, a negative score / multiply + add."""
    if not boosts:
        return scores
    changed = scores.astype(np.float64)
    for number, (boost, mask) in enumerate(zip(boosts, masks, strict=True)):
        own = changed[mask]
        changed[mask] = np.where(own < 0, own / boost.multiply, own * boost.multiply) + boost.add
        if trace is not None:
            trace.note_all("boosts", mask, f"boost {number + 1}: x {boost.multiply:g} + {boost.add:g}")
    limit = float(np.finfo(np.float32).max)
    result: Scores = np.clip(changed, -limit, limit).astype(np.float32)
    if trace is not None:
        trace.scored("boosts", result)
    return result
