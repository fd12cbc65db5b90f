"""Candidates for one user from every source, in a deterministic order and each once."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from engine.retrieval.catalogue import Catalogue
from engine.retrieval.exact_index import ExactIndex, Vectors
from engine.retrieval.trending import TrendingItems

NUM_NEAREST = 200
NUM_TRENDING = 50
NUM_LATEST = 20
NUM_WITHOUT_MODEL = 500
NUM_TRENDING_WITHOUT_MODEL = 200
NUM_LATEST_WITHOUT_MODEL = 100
NO_VECTOR_SCORE = -1.0
"""The least a cosine can be: an item that has no vector yet comes after all that have."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """`score` is retrieval's own: a cosine when there is a user vector, otherwise the decayed count of actions or 0.0."""

    item_id: str
    score: float
    source: str


class CandidateSources:
    """The sources of one project. Safe to call from several threads."""

    def __init__(self, catalogue: Catalogue, trending: TrendingItems) -> None:
        self._catalogue = catalogue
        self._trending = trending

    def nearest(self, index: ExactIndex, user: Vectors, k: int, banned: Collection[str]) -> list[Candidate]:
        """The items nearest to `user` float32[dim], at least `k` if there are so many, then trending and latest ones."""
        wanted = max(NUM_NEAREST, k)
        found = self._allowed(index.search(user, wanted + len(banned)), banned)[:wanted]
        candidates = {item_id: Candidate(item_id, score, "two_tower") for item_id, score in found}
        others = {item_id: "trending" for item_id, _ in self._allowed_trending(NUM_TRENDING, banned)}
        for item_id in self._newest(NUM_LATEST, banned):
            others.setdefault(item_id, "latest")
        extra = [item_id for item_id in others if item_id not in candidates]
        for item_id, score in zip(extra, index.scores_of(user, extra), strict=True):
            candidates[item_id] = Candidate(item_id, NO_VECTOR_SCORE if score is None else score, others[item_id])
        return list(candidates.values())

    def without_model(self, user_id: str, banned: Collection[str]) -> list[Candidate]:
        """A small catalogue whole; of a big one trending, latest, and random ones that depend on the user's id alone."""
        trending = self._allowed_trending(NUM_TRENDING_WITHOUT_MODEL, banned)
        candidates = {item_id: Candidate(item_id, count, "trending") for item_id, count in trending}
        if self._catalogue.num_items <= NUM_WITHOUT_MODEL:
            _add(candidates, self._newest(NUM_WITHOUT_MODEL, banned), "catalogue")
            return list(candidates.values())
        _add(candidates, self._newest(NUM_LATEST_WITHOUT_MODEL, banned), "latest")
        generator = np.random.default_rng(zlib.crc32(user_id.encode()))
        _add(candidates, self._catalogue.sample(NUM_WITHOUT_MODEL - len(candidates), generator, banned), "random")
        return list(candidates.values())

    def given(self, item_ids: Iterable[str], banned: Collection[str]) -> list[Candidate]:
        """Those of the caller's own candidates that exist and are not banned, scored 0.0 until someone ranks them."""
        wanted = self._catalogue.present(dict.fromkeys(item_ids))
        return [Candidate(item_id, 0.0, "given") for item_id in wanted if item_id not in banned]

    def _allowed(self, found: list[tuple[str, float]], banned: Collection[str]) -> list[tuple[str, float]]:
        return [(item_id, score) for item_id, score in found if item_id not in banned and self._catalogue.has(item_id)]

    def _allowed_trending(self, count: int, banned: Collection[str]) -> list[tuple[str, float]]:
        return self._allowed(self._trending.top(count + len(banned)), banned)[:count]

    def _newest(self, count: int, banned: Collection[str]) -> list[str]:
        found = self._catalogue.newest(count + len(banned))
        return [item_id for item_id in found if item_id not in banned][:count]


def _add(candidates: dict[str, Candidate], item_ids: Iterable[str], source: str) -> None:
    for item_id in item_ids:
        if item_id not in candidates:
            candidates[item_id] = Candidate(item_id, 0.0, source)
