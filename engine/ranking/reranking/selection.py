"""The places of an answer filled one after the other, under caps, with draws where the document explores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.ranking.reranking.caps import OpenPlaces
from engine.ranking.reranking.chooser import ByScore, Chooser
from engine.ranking.reranking.determinantal import Determinantal
from engine.ranking.reranking.exploration import Lineup
from engine.ranking.reranking.marginal_relevance import MarginalRelevance
from engine.ranking.reranking.pool import Doubles, Places, Pool
from engine.ranking.reranking.promotions import Promoted
from engine.ranking.reranking.thompson_chances import NEVER
from engine.ranking.reranking.trace import Trace
from engine.spec.deployment import (
    DeterminantalPointProcess,
    Diversity,
    EpsilonGreedy,
    MaximalMarginalRelevance,
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """`numbers` int64[c] of the line-up in the order chosen, the chance float64[c] of each after those before it, and for each of the
    line-up's r the number of the choice after which a cap shut it out (`NEVER` if none did), int64[r]."""

    numbers: Places
    chances: Doubles
    closed_after: Places


class Selection:
    """Fills places from a line-up. `promoted` are in the answer already; `open_places` knows of them."""

    def __init__(
        self,
        lineup: Lineup,
        open_places: OpenPlaces,
        chooser: Chooser,
        num_considered: int,
        trace: Trace | None = None,
    ) -> None:
        self._lineup = lineup
        self._open = open_places
        self._chooser = chooser
        self._num_considered = num_considered
        self._trace = trace
        num = lineup.places.size
        self._is_left = np.ones(num, np.bool_)
        self._closed_after = np.full(num, NEVER, np.int64)
        self._number_of = np.full(open_places.mask.size, -1, np.int64)
        self._number_of[lineup.places] = np.arange(num)
        self._beyond = ByScore(num, num_considered)

    def fill(self, num: int, rule: EpsilonGreedy | None, generator: np.random.Generator) -> Chosen:
        """At most `num` items, fewer when no more are left."""
        numbers: list[int] = []
        chances: list[float] = []
        for step in range(num):
            best = self._best()
            if best < 0:
                break
            number, chance = (best, 1.0) if rule is None else self._explored(best, rule, generator)
            numbers.append(number)
            chances.append(chance)
            self._take(number, step)
        return Chosen(np.array(numbers, np.int64), np.array(chances), self._closed_after)

    def _best(self) -> int:
        best = self._chooser.best()
        return best if best >= 0 else self._beyond.best()

    def _explored(self, best: int, rule: EpsilonGreedy, generator: np.random.Generator) -> tuple[int, float]:
        """The best with chance 1 - epsilon, else a draw from the `among` first that are left: each has its share of both."""
        window = np.flatnonzero(self._is_left)[: rule.among]
        number = best
        if generator.random() < rule.epsilon:
            number = int(window[generator.integers(window.size)])
            if self._trace is not None:
                self._trace.note("exploration", int(self._lineup.places[number]), "drawn by chance")
        is_in_window = number <= window[-1]
        return number, (1.0 - rule.epsilon) * (number == best) + is_in_window * rule.epsilon / window.size

    def _take(self, number: int, step: int) -> None:
        self._shut(number)
        if number < self._num_considered:
            self._chooser.add(number)
        shut = self._open.choose(int(self._lineup.places[number]))
        if shut is not None:
            for other in self._number_of[shut].tolist():
                if other >= 0:
                    self._shut(other)
                    self._closed_after[other] = step

    def _shut(self, number: int) -> None:
        self._is_left[number] = False
        (self._chooser if number < self._num_considered else self._beyond).shut(number)


def chooser_for(
    diversity: Diversity, pool: Pool, lineup: Lineup, promoted: list[Promoted], num: int
) -> tuple[Chooser, int]:
    """What chooses among the first of the line-up, and how many those are; the others follow by score."""
    places = lineup.places
    if pool.likeness is None or not isinstance(diversity, MaximalMarginalRelevance | DeterminantalPointProcess):
        return ByScore(places.size), places.size
    considered = places[: diversity.among]
    if not considered.size:
        return ByScore(0), 0
    given = np.array([each.place for each in promoted], np.int64)
    likeness = pool.likeness(pool.rows[np.concatenate([considered, given])])
    scores = lineup.scores[considered]
    chooser: Chooser
    if isinstance(diversity, MaximalMarginalRelevance):
        chooser = MarginalRelevance(scores, diversity.strength, likeness)
    else:
        chooser = Determinantal(scores, diversity.strength, likeness, num + given.size)
    for number in range(given.size):
        chooser.add(considered.size + number)
    return chooser, considered.size
