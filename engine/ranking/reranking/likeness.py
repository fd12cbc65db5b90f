"""How alike items are: by their vectors, or by what they have of a property."""

from __future__ import annotations

import numpy as np

from engine.ranking.reranking.pool import Rows, Scores, ValueLists, Values


def cosine_likeness(vectors: Scores) -> Scores:
    """float32[m, m] of vectors float32[m, dim]: the cosine, from -1 to 1; 0 to all others for an item without a vector (a zero row)."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    unit = vectors / np.maximum(lengths, np.float32(1e-30))[:, np.newaxis]
    likeness: Scores = unit @ unit.T
    np.fill_diagonal(likeness, 1.0)
    return likeness


def property_likeness(values: Values) -> Scores:
    """float32[m, m]: 1 where two have the same value, else 0; of lists Jaccard's share of common ones among all. None is like nothing."""
    if isinstance(values, ValueLists):
        return _jaccard(values)
    return _equal(values)


def _equal(codes: Rows) -> Scores:
    likeness: Scores = ((codes[:, np.newaxis] == codes) & (codes >= 0)).astype(np.float32)
    np.fill_diagonal(likeness, 1.0)
    return likeness


def _jaccard(lists: ValueLists) -> Scores:
    num_items = lists.offsets.size - 1
    owners = np.repeat(np.arange(num_items), np.diff(lists.offsets))
    known = lists.codes >= 0
    values, columns = np.unique(lists.codes[known], return_inverse=True)
    has = np.zeros((num_items, values.size), np.float32)
    has[owners[known], columns] = 1.0
    common = has @ has.T
    counts = has.sum(axis=1)
    either = counts[:, np.newaxis] + counts - common
    likeness: Scores = np.divide(common, either, out=np.zeros_like(common), where=either > 0)
    np.fill_diagonal(likeness, 1.0)
    return likeness
