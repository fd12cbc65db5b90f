"""Exact search by dot product over every item's vector.

A search reads one immutable generation; a change copies only the chunks it touches and puts the new generation in place with
one assignment. So a search never waits and never sees half a change, and a small change to a big index stays small.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import EngineError

CHUNK_ROWS = 8192

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Chunk:
    ids: npt.NDArray[Any]  # object[CHUNK_ROWS], str
    vectors: Vectors  # float32[CHUNK_ROWS, dim]

    def copy(self) -> _Chunk:
        return _Chunk(self.ids.copy(), self.vectors.copy())


@dataclass(frozen=True, slots=True)
class _Generation:
    chunks: tuple[_Chunk, ...]
    num_items: int
    row_of: Mapping[str, int]


class ExactIndex:
    """Vectors float32[dim] by item id. `search` and `vectors_of` from any thread; `apply` from one at a time."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._generation = _Generation((), 0, {})

    @property
    def num_items(self) -> int:
        return self._generation.num_items

    def apply(self, removed: Collection[str], item_ids: Sequence[str], vectors: Vectors) -> None:
        """Remove ids (absent ones are ignored), then write `vectors` float32[n, dim] of the n different `item_ids`."""
        if vectors.shape != (len(item_ids), self.dim):
            raise EngineError(f"vectors have shape {vectors.shape}, not {(len(item_ids), self.dim)}")
        if not removed and not item_ids:
            return
        edit = _Edit(self._generation, self.dim)
        for item_id in removed:
            edit.remove(item_id)
        edit.write(item_ids, vectors)
        self._generation = edit.generation()

    def search(self, query: Vectors, num_items: int) -> list[tuple[str, float]]:
        """The `num_items` of greatest dot product with `query` float32[dim], greatest first; ties by the index's order."""
        generation = self._generation
        count = min(num_items, generation.num_items)
        if count <= 0:
            return []
        scores = np.empty(len(generation.chunks) * CHUNK_ROWS, np.float32)
        for number, chunk in enumerate(generation.chunks):
            np.dot(chunk.vectors, query, out=scores[number * CHUNK_ROWS : (number + 1) * CHUNK_ROWS])
        scores = scores[: generation.num_items]
        rows = np.argpartition(scores, -count)[-count:] if count < scores.size else np.arange(count)
        rows = rows[np.lexsort((rows, -scores[rows]))]
        chunks = generation.chunks
        return [
            (chunks[row // CHUNK_ROWS].ids[row % CHUNK_ROWS], score)
            for row, score in zip(rows.tolist(), scores[rows].tolist(), strict=True)
        ]

    def scores_of(self, query: Vectors, item_ids: Sequence[str]) -> list[float | None]:
        """The dot product of each item with `query` float32[dim]; None for an item without a vector."""
        generation = self._generation
        rows = np.fromiter((generation.row_of.get(item_id, -1) for item_id in item_ids), np.int64, len(item_ids))
        names = np.empty(len(item_ids), object)
        names[:] = item_ids
        scores: list[float | None] = [None] * len(item_ids)
        # The map runs ahead of an older generation while a change is made: a row beyond it, or of another item, is none.
        known = (rows >= 0) & (rows < generation.num_items)
        for number in np.unique(rows[known] // CHUNK_ROWS).tolist():
            chunk = generation.chunks[number]
            asked = np.flatnonzero(known & (rows // CHUNK_ROWS == number))
            places = rows[asked] % CHUNK_ROWS
            found = chunk.ids[places] == names[asked]
            products = chunk.vectors[places[found]] @ query
            for place, score in zip(asked[found].tolist(), products.tolist(), strict=True):
                scores[place] = score
        return scores


class _Edit:
    """The next generation in the making."""

    def __init__(self, base: _Generation, dim: int) -> None:
        self._chunks = list(base.chunks)
        self._owned: set[int] = set()
        self._num_items = base.num_items
        self._row_of = base.row_of if isinstance(base.row_of, dict) else dict(base.row_of)
        self._dim = dim

    def remove(self, item_id: str) -> None:
        """The last row moves into the hole, so that rows stay without gaps."""
        row = self._row_of.pop(item_id, None)
        if row is None:
            return
        last = self._num_items - 1
        if row != last:
            source, target = self._chunks[last // CHUNK_ROWS], self._own(row // CHUNK_ROWS)
            moved = source.ids[last % CHUNK_ROWS]
            target.ids[row % CHUNK_ROWS] = moved
            target.vectors[row % CHUNK_ROWS] = source.vectors[last % CHUNK_ROWS]
            self._row_of[moved] = row
        self._num_items = last
        if self._num_items <= (len(self._chunks) - 1) * CHUNK_ROWS:
            self._owned.discard(len(self._chunks) - 1)
            self._chunks.pop()

    def write(self, item_ids: Sequence[str], vectors: Vectors) -> None:
        rows = np.fromiter((self._row_for(item_id) for item_id in item_ids), np.int64, len(item_ids))
        names = np.empty(len(item_ids), dtype=object)
        names[:] = item_ids
        for number in np.unique(rows // CHUNK_ROWS).tolist():
            chunk = self._own(number)
            here = rows // CHUNK_ROWS == number
            chunk.ids[rows[here] % CHUNK_ROWS] = names[here]
            chunk.vectors[rows[here] % CHUNK_ROWS] = vectors[here]

    def generation(self) -> _Generation:
        return _Generation(tuple(self._chunks), self._num_items, self._row_of)

    def _row_for(self, item_id: str) -> int:
        row = self._row_of.get(item_id)
        if row is None:
            row = self._row_of[item_id] = self._num_items
            self._num_items += 1
        return row

    def _own(self, number: int) -> _Chunk:
        """The chunk, copied once per edit, or made."""
        while number >= len(self._chunks):
            self._owned.add(len(self._chunks))
            self._chunks.append(_Chunk(np.empty(CHUNK_ROWS, object), np.zeros((CHUNK_ROWS, self._dim), np.float32)))
        if number not in self._owned:
            self._owned.add(number)
            self._chunks[number] = self._chunks[number].copy()
        return self._chunks[number]
