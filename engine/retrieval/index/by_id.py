"""An index by row, asked by item id: for those that have not changed over to rows."""

from __future__ import annotations

from collections.abc import Sequence

from engine.retrieval.catalogue import Catalogue
from engine.retrieval.exact_index import ExactIndex
from engine.retrieval.index.protocol import VectorIndex
from engine.retrieval.index.vector_rows import Vectors


class ById(ExactIndex):
    """The searches of an `ExactIndex`, answered by a `VectorIndex`."""

    def __init__(self, catalogue: Catalogue, index: VectorIndex) -> None:
        super().__init__(index.dim)
        self._catalogue = catalogue
        self._index = index

    def search(self, query: Vectors, num_items: int) -> list[tuple[str, float]]:
        found = self._index.search(query, num_items)
        return list(zip(self._catalogue.ids_of(found.rows), found.scores.tolist(), strict=True))

    def scores_of(self, query: Vectors, item_ids: Sequence[str]) -> list[float | None]:
        scores = self._index.scores_of(query, self._catalogue.rows_of(item_ids)).tolist()
        return [None if score != score else score for score in scores]  # noqa: PLR0124 - NaN alone differs from itself
