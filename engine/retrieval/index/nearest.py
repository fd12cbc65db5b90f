"""The items whose vectors are nearest to a user's, as a source of candidates."""

from __future__ import annotations

from engine.retrieval.asker import Asker
from engine.retrieval.index.protocol import VectorIndex
from engine.retrieval.index.vector_rows import Vectors
from engine.retrieval.source import Allowed, Found, Rows, Scores


class NearestItems:
    """An index asked with one user vector float32[dim]; a `RowSource`. Scores are dot products: cosines, of vectors of unit length.

    `name` is the model's architecture.
    """

    def __init__(self, name: str, index: VectorIndex, user: Vectors) -> None:
        self.name = name
        self.user = user
        self.index = index

    def retrieve(self, asker: Asker, num_items: int, allowed: Allowed) -> Found:
        """As `RowSource.retrieve`."""
        del asker  # is in the user vector already
        return self.index.search(self.user, num_items, allowed)

    def scores_of(self, rows: Rows) -> Scores:
        """float32[n]: what `retrieve` would say of these rows; NaN for one without a vector."""
        return self.index.scores_of(self.user, rows)
