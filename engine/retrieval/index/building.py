"""Cluster lists for vectors as they are, a bounded piece of work at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import faiss
import numpy as np

from engine.retrieval.index.clusters import ClusterLists
from engine.retrieval.index.vector_rows import VectorRows, Vectors

NUM_ITERATIONS: Final = 8
_SAMPLE_A_LIST: Final = 64
_MIN_LISTS, _MAX_LISTS = 16, 4096
_EXTEND_ROWS: Final = 8192


def num_lists_for(num_vectors: int) -> int:
    """The power of two nearest to the root of `num_vectors`, within bounds: as many centroids are compared as rows are in a list."""
    return int(np.clip(2 ** round(np.log2(max(1, num_vectors)) / 2), _MIN_LISTS, _MAX_LISTS))


class Build:
    """Lists in the making, in the thread that writes. Between two steps the rows may change; who changes them tells `lists`."""

    def __init__(self, rows: VectorRows, generator: np.random.Generator) -> None:
        self.lists: ClusterLists | None = None
        self._rows = rows
        self._generator = generator
        self._steps = self._in_steps()

    def step(self) -> ClusterLists | None:
        """Do one piece; the lists, of every row, once there are no more."""
        for _ in self._steps:
            return None
        return self.lists

    def _in_steps(self) -> Iterator[None]:
        num_lists = num_lists_for(self._rows.num_vectors)
        sample = self._sample(_SAMPLE_A_LIST * num_lists)
        # Fewer vectors than lists: some centroids are the same, and their lists stay empty.
        centroids = sample[self._generator.choice(len(sample), num_lists, replace=len(sample) < num_lists)]
        for _ in range(NUM_ITERATIONS):
            yield
            centroids = _improved(centroids, sample)
        self.lists = ClusterLists(centroids)
        while self.lists.num_rows < self._rows.num_rows:
            yield
            self.lists.extend(self._rows.view(), _EXTEND_ROWS)

    def _sample(self, num: int) -> Vectors:
        vectors, present, _ = self._rows.view()
        rows = np.flatnonzero(present)
        if len(rows) > num:
            rows = self._generator.choice(rows, num, replace=False)
        return vectors[rows]


def _improved(centroids: Vectors, sample: Vectors) -> Vectors:
    """One iteration of spherical k-means."""
    num_lists, dim = centroids.shape
    if len(sample) < num_lists:
        return centroids
    faiss.omp_set_num_threads(1)
    clustering = faiss.Clustering(dim, num_lists)
    clustering.niter, clustering.spherical, clustering.seed = 1, True, 1
    clustering.min_points_per_centroid = 1
    clustering.max_points_per_centroid = len(sample)
    faiss.copy_array_to_vector(centroids.ravel(), clustering.centroids)
    clustering.train(sample, faiss.IndexFlatIP(dim))
    improved: Vectors = faiss.vector_to_array(clustering.centroids).reshape(num_lists, dim)
    return improved
