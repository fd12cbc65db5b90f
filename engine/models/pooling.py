"""Mean pooling of embedding rows, in TensorFlow."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def mean_pool(rows: Any, indices: Any, segments: Any, num_slots: int, num_rows: Any) -> Any:
    """Mean of the rows of each slot of each example; zero where there are none.

    rows float32[u, dim], indices int32[nnz], segments int32[nnz] ascending, slot by slot (`engine.models.inputs.Block`).
    Answers float32[num_slots, num_rows, dim]. Differentiable in `rows`.
    """
    pooled = tf.sparse.segment_mean(rows, indices, segments, num_segments=num_slots * num_rows)
    return tf.reshape(pooled, (num_slots, num_rows, rows.shape[-1]))
