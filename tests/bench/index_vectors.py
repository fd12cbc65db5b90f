"""Vectors of unit length and users who ask for those near to them, as two-tower models make them and as nobody does."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

_NUM_TOPICS: Final = 400
_NUM_KINDS: Final = 8
_TOPIC_SPREAD, _KIND_SPREAD, _USER_SPREAD = 0.8, 0.6, 0.3
_PIECE: Final = 100_000


class World(NamedTuple):
    """`items` float32[n, dim] and `users` float32[m, dim]."""

    items: Vectors
    users: Vectors


def clustered(num_items: int, dim: int, num_users: int, generator: np.random.Generator) -> World:
    """Items around kinds that lie around topics, of which few have most items; users between three items that they like."""
    topics = unit(generator.standard_normal((_NUM_TOPICS, dim)))
    kinds = unit(topics[:, np.newaxis] + _noise((_NUM_TOPICS, _NUM_KINDS, dim), _TOPIC_SPREAD, generator))
    popularity = 1 / np.arange(1, _NUM_TOPICS + 1) ** 0.8
    topic_of = generator.choice(_NUM_TOPICS, num_items, p=popularity / popularity.sum())
    items = kinds[topic_of, generator.integers(0, _NUM_KINDS, num_items)]
    for start in range(0, num_items, _PIECE):
        piece = items[start : start + _PIECE]
        items[start : start + _PIECE] = unit(piece + _noise(piece.shape, _KIND_SPREAD, generator))
    weights = generator.dirichlet(np.ones(3), num_users)[..., np.newaxis]
    liked = (weights * items[generator.integers(0, num_items, (num_users, 3))]).sum(axis=1)
    return World(items, unit(liked + _noise(liked.shape, _USER_SPREAD, generator)))


def uniform(num_items: int, dim: int, num_users: int, generator: np.random.Generator) -> World:
    """Items and users anywhere on the sphere: nothing to be made use of, the worst case of every index."""
    items = np.empty((num_items, dim), np.float32)
    for start in range(0, num_items, _PIECE):
        stop = min(start + _PIECE, num_items)
        items[start:stop] = unit(generator.standard_normal((stop - start, dim), dtype=np.float32))
    return World(items, unit(generator.standard_normal((num_users, dim))))


WORLDS: Final = {"clustered": clustered, "uniform": uniform}


def unit(vectors: npt.NDArray[np.floating]) -> Vectors:
    """float32, of length one along the last axis."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Vectors = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return scaled


def moved(vectors: Vectors, generator: np.random.Generator) -> Vectors:
    """The same a training step later: each a little elsewhere."""
    return unit(vectors + _noise(vectors.shape, 0.1, generator))


def _noise(shape: tuple[int, ...], spread: float, generator: np.random.Generator) -> Vectors:
    """Of length `spread` on average, whatever the dim."""
    noise: Vectors = generator.standard_normal(shape, dtype=np.float32) * np.float32(spread / np.sqrt(shape[-1]))
    return noise
