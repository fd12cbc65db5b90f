"""Candidates for one user from every source, in a deterministic order and each once."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from engine.retrieval.asker import Asker
from engine.retrieval.catalogue import Catalogue
from engine.retrieval.catalogue_sources import NewestItems, RandomItems
from engine.retrieval.live_sources import LiveSources
from engine.retrieval.nearest import NearestItems
from engine.retrieval.source import CandidateSource, Eligible

NUM_NEAREST: Final = 200
NUM_WITHOUT_MODEL: Final = 500
QUOTAS: Final = {"item_to_item": 60, "trending_1h": 40, "trending_24h": 20, "latest": 20}
"""How many of its best each source brings beside the nearest. What several bring counts once, under the first that does."""

QUOTAS_WITHOUT_MODEL: Final = {"item_to_item": 200, "trending_1h": 150, "trending_24h": 100, "latest": 100}

TRUST: Final = {"trending_1h": 0.65, "item_to_item": 0.3, "trending_24h": 0.05}
"""The chance that the next action is of what a source brings, where no model orders the candidates."""

NO_VECTOR_SCORE: Final = -1.0
"""The least a cosine can be: an item that has no vector yet comes after all that have."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """`score` is retrieval's own: the dot product when there is a user vector, otherwise the sources' mixed shares, or 0.0."""

    item_id: str
    score: float
    source: str


class CandidateSources:
    """The sources of one project. Safe to call from several threads."""

    def __init__(self, catalogue: Catalogue, live: LiveSources) -> None:
        self._catalogue = catalogue
        self._live: tuple[CandidateSource, ...] = (live.item_to_item, live.trending_1h, live.trending_24h)
        self._latest = NewestItems(catalogue)
        self._everything = NewestItems(catalogue, "catalogue")
        self._random = RandomItems(catalogue)

    def nearest(self, nearest: NearestItems, asker: Asker, k: int, banned: Collection[str]) -> list[Candidate]:
        """The items nearest to the user, at least `k` if there are so many, then the other sources'; scored by dot product."""
        eligible = Eligible(banned, self._catalogue.serves)
        found = nearest.candidates(asker, max(NUM_NEAREST, k), eligible)
        candidates = {item_id: Candidate(item_id, score, nearest.name) for item_id, score in found}
        extra: dict[str, str] = {}
        for source in (*self._live, self._latest):
            for item_id, _ in source.candidates(asker, QUOTAS[source.name], eligible):
                if item_id not in candidates:
                    extra.setdefault(item_id, source.name)
        scores = nearest.index.scores_of(nearest.user, list(extra))
        for (item_id, name), score in zip(extra.items(), scores, strict=True):
            candidates[item_id] = Candidate(item_id, NO_VECTOR_SCORE if score is None else score, name)
        return list(candidates.values())

    def without_model(self, asker: Asker, banned: Collection[str]) -> list[Candidate]:
        """A small catalogue whole; of a big one what the sources bring, and random items that depend on the user's id alone.

        Scores mix the sources by `TRUST`: a source's own scores cannot be compared with another's, but each item's share of their sum can.
        So a source that is sure of a few items is heard before one that takes many for as good as each other.
        """
        eligible = Eligible(banned, self._catalogue.serves)
        scores: dict[str, float] = {}
        names: dict[str, str] = {}
        for source in self._live:
            found = source.candidates(asker, QUOTAS_WITHOUT_MODEL[source.name], eligible)
            trust = TRUST[source.name] / max(sum(score for _, score in found), 1e-30)
            for item_id, score in found:
                names.setdefault(item_id, source.name)
                scores[item_id] = scores.get(item_id, 0.0) + trust * score
        for filler, wanted in self._fillers(NUM_WITHOUT_MODEL - len(names)):
            for item_id, _ in filler.candidates(asker, wanted, eligible):
                names.setdefault(item_id, filler.name)
        return [Candidate(item_id, scores.get(item_id, 0.0), name) for item_id, name in names.items()]

    def _fillers(self, num_missing: int) -> list[tuple[CandidateSource, int]]:
        """What comes after the sources that follow actions, and how much of it."""
        if self._catalogue.num_items <= NUM_WITHOUT_MODEL:
            return [(self._everything, NUM_WITHOUT_MODEL)]
        num_latest = QUOTAS_WITHOUT_MODEL[self._latest.name]
        return [(self._latest, num_latest), (self._random, num_missing - num_latest)]

    def given(self, item_ids: Iterable[str], banned: Collection[str]) -> list[Candidate]:
        """Those of the caller's own candidates that exist and are not banned, scored 0.0 until someone ranks them."""
        eligible = Eligible(banned, self._catalogue.serves)
        return [Candidate(item_id, 0.0, "given") for item_id in dict.fromkeys(item_ids) if eligible(item_id)]
