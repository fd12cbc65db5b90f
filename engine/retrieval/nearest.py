"""The items whose vectors are nearest to a user's."""

from __future__ import annotations

from engine.retrieval.asker import Asker
from engine.retrieval.exact_index import ExactIndex, Vectors
from engine.retrieval.source import Eligible, Scored


class NearestItems:
    """An index of item vectors asked with one user vector float32[dim]; scores are dot products. `name` is the model's architecture."""

    def __init__(self, name: str, index: ExactIndex, user: Vectors) -> None:
        self.name = name
        self.user = user
        self.index = index

    def candidates(self, asker: Asker, num_items: int, eligible: Eligible) -> list[Scored]:
        del asker  # is in the user vector already
        found = self.index.search(self.user, num_items + len(eligible.banned)) if num_items > 0 else []
        return eligible.first(found, num_items)
