"""What every index of item vectors is."""

from __future__ import annotations

from typing import Protocol

from engine.retrieval.index.vector_rows import Vectors
from engine.retrieval.source import Allowed, Found, Rows, Scores


class VectorIndex(Protocol):
    """Vectors float32[dim] by catalogue row. `write`, `remove` and `maintain` from one thread, everything else from any beside it.

    A search beside a write may find a row by its old vector, by its new one, or, of the one row that is being copied at that instant, by
    some numbers of both; a row that was removed before the search began is not found, and one written before it is.
    """

    @property
    def dim(self) -> int: ...

    @property
    def num_vectors(self) -> int: ...

    @property
    def memory_bytes(self) -> int: ...

    def search(self, user: Vectors, num: int, allowed: Allowed | None = None) -> Found:
        """The at most `num` allowed rows of greatest dot product with `user` float32[dim], of equals the lower row first.

        As many as there are, whatever is not allowed: only which ones may be approximate. Raises `EngineError` for a user vector that is
        not finite.
        """

    def scores_of(self, user: Vectors, rows: Rows) -> Scores:
        """float32[n]: the dot product of each row with `user`; NaN for a row without a vector, and for -1."""

    def vectors_of(self, rows: Rows) -> Vectors:
        """float32[n, dim]; zeros for a row without a vector, and for -1."""

    def write(self, rows: Rows, vectors: Vectors) -> None:
        """Rows, each once, get the vectors float32[n, dim]. Raises `EngineError`, and changes nothing, for a wrong shape, a row below zero
        or a vector that is not finite.
        """

    def remove(self, rows: Rows) -> None:
        """The rows have no vector any more; one that has none is no error."""

    def maintain(self) -> bool:
        """Do one bounded piece of the index's own upkeep; whether there is more."""
