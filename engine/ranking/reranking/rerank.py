"""From scored candidates to the answer, by a deployment's document."""

from __future__ import annotations

import numpy as np

from engine.ranking.reranking.boosts import boosted, demoted
from engine.ranking.reranking.caps import OpenPlaces
from engine.ranking.reranking.exploration import Lineup, line_up
from engine.ranking.reranking.formulas import formula_scores
from engine.ranking.reranking.order import best_places
from engine.ranking.reranking.pool import Doubles, Mask, Pool, Reranked, Scores
from engine.ranking.reranking.promotions import Promoted, promoted_items
from engine.ranking.reranking.selection import Chosen, Selection, chooser_for
from engine.ranking.reranking.thompson_chances import NEVER, order_chances
from engine.ranking.reranking.trace import Trace
from engine.spec.deployment import DeploymentDocument, EpsilonGreedy, NoDiversity, NoExploration, ThompsonSampling


def rerank(
    document: DeploymentDocument,
    pool: Pool,
    k: int,
    generator: np.random.Generator,
    trace: Trace | None = None,
) -> Reranked:
    """The at most `k` items to show; fewer only when no more may be chosen.

    Score formula and calibration, demotion of what was seen, boosts; promotions take their places; exploration and diversity, under
    caps, fill the others. No item comes twice, caps hold over the whole answer, promotions are chosen by the scores before exploration
    and so have a propensity of 1. Without exploration the answer is a function of the document and the pool.

    Raises `InvalidDocument` for a formula of tasks that the pool's model does not have.
    """
    scores = formula_scores(document, pool)
    if trace is not None:
        trace.scored("score", scores)
    scores = demoted(scores, pool.seen, document.seen, trace)
    scores = boosted(scores, pool.boosts, document.boosts, trace)
    is_diverse = pool.likeness is not None and not isinstance(document.diversity, NoDiversity)
    is_drawn = isinstance(document.exploration, EpsilonGreedy)
    if not (is_diverse or is_drawn or document.caps or document.promotions):
        return _by_score(document, pool, scores, k=k, generator=generator, trace=trace)
    open_places = OpenPlaces(len(pool), document.caps, pool.caps, trace)
    promoted = promoted_items(document.promotions, pool.promotions, scores, k=k, open_places=open_places, trace=trace)
    lineup = line_up(document.exploration, scores, open_places.mask, pool, generator=generator, trace=trace)
    num = k - len(promoted)
    chooser, num_considered = chooser_for(document.diversity, pool, lineup, promoted, num)
    rule = document.exploration if isinstance(document.exploration, EpsilonGreedy) else None
    chosen = Selection(lineup, open_places, chooser, num_considered, trace).fill(num, rule, generator)
    if trace is not None and is_diverse:
        _note_moves(lineup, chosen, trace)
    chances = _chances(document, lineup, chosen, is_diverse=is_diverse)
    return _merged(lineup, chosen, chances, promoted, scores)


def _by_score(
    document: DeploymentDocument,
    pool: Pool,
    scores: Scores,
    *,
    k: int,
    generator: np.random.Generator,
    trace: Trace | None,
) -> Reranked:
    """The order of scores, drawn or not, is the answer."""
    if isinstance(document.exploration, NoExploration):
        best = best_places(scores, k)
        return Reranked(best, scores[best], np.ones(best.size, np.float32), [None] * best.size)
    lineup = line_up(document.exploration, scores, None, pool, generator=generator, num=k, trace=trace)
    order = lineup.places[:k]
    chosen = Chosen(np.arange(order.size), np.ones(order.size), np.full(lineup.places.size, NEVER, np.int64))
    chances = _chances(document, lineup, chosen, is_diverse=False)
    return Reranked(order, lineup.scores[order], chances.astype(np.float32), [None] * order.size)


def _chances(document: DeploymentDocument, lineup: Lineup, chosen: Chosen, *, is_diverse: bool) -> Doubles:
    """float64[c]. Where diversity stirs what Thompson drew, the chance is that of the item's rank among the draws, after those above."""
    if not isinstance(document.exploration, ThompsonSampling):
        return chosen.chances
    num_drawn = lineup.means.size
    is_drawn = chosen.numbers < num_drawn
    numbers = chosen.numbers[is_drawn]
    chances = np.ones(chosen.numbers.size)
    if is_diverse:
        ranks, closed_after = np.arange(numbers.max(initial=-1) + 1), np.full(num_drawn, NEVER, np.int64)
        chances[is_drawn] = order_chances(lineup.means, lineup.spreads, ranks, closed_after)[numbers]
    else:
        closed_after = chosen.closed_after[:num_drawn]
        chances[is_drawn] = order_chances(lineup.means, lineup.spreads, numbers, closed_after)
    return chances


def _merged(lineup: Lineup, chosen: Chosen, chances: Doubles, promoted: list[Promoted], scores: Scores) -> Reranked:
    """Promotions in their slots, the chosen in the others; no place stays empty before the last."""
    num = chosen.numbers.size + len(promoted)
    slots: Mask = np.zeros(num, np.bool_)
    for number, each in enumerate(promoted):
        # Where there are too few others, those after the gap move up.
        slot = min(each.slot - 1, num - len(promoted) + number)
        slots[slot] = True
    order = np.empty(num, np.int64)
    order[slots] = [each.place for each in promoted]
    order[~slots] = lineup.places[chosen.numbers]
    given = scores.copy()
    given[order[~slots]] = lineup.scores[order[~slots]]
    propensities = np.ones(num, np.float32)
    propensities[~slots] = chances
    names: list[str | None] = [None] * num
    for slot, each in zip(np.flatnonzero(slots).tolist(), promoted, strict=True):
        names[slot] = each.name
    return Reranked(order, given[order], propensities, names)


def _note_moves(lineup: Lineup, chosen: Chosen, trace: Trace) -> None:
    for step, number in enumerate(chosen.numbers.tolist()):
        if number != step:
            trace.note("diversity", int(lineup.places[number]), f"chosen {step + 1}., by score alone {number + 1}.")
