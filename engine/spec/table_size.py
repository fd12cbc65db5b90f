"""How much memory and disk rows of embeddings take, from a definition alone: the arithmetic of the C++ tables and of their files.

The layout is `engine_cc`'s: a row's floats, its slot number, its cells in the index, and its place in the log of what was touched. Tests
hold these figures against real tables and files. A table begins with pages for each of its shards, so that a small one takes more a row.
"""

from __future__ import annotations

from typing import Final

from engine.spec.serving_copy import Precision
from engine.spec.sparse_optimizer import RowOptimizer, SparseRMSProp

FIXED_TABLE_BYTES: Final = 1_340_000
"""Of a table of training, whatever its dim: an empty index, and half a chunk of rows in each of 16 shards."""

FIXED_SERVING_BYTES: Final = 805_000
CANDIDATE_BYTES: Final = 26
"""Of an id that is counted and has no row yet."""

_FLOAT_BYTES: Final = 4
_SLOT_BYTES: Final = 2
_INDEX_BYTES: Final = 24
_TOUCHED_BYTES: Final = 8
_SERVING_INDEX_BYTES: Final = 16
_FILE_FACTS_BYTES: Final = 15.375
"""In a checkpoint: FID, slot, last seen and count, and three bits."""

_DELTA_FACTS_BYTES: Final = 10
_VECTORS_OF_STATE: Final = {
    "sgd": 0,
    "momentum": 1,
    "adagrad": 1,
    "adam": 2,
    "amsgrad": 3,
    "adadelta": 2,
    "rmsprop": 1,
    "ftrl": 2,
    "group_ftrl": 2,
}
_SCALARS_OF_STATE: Final = {"adam": 2, "amsgrad": 2, "ftrl": 1, "group_ftrl": 1}


def num_state_floats(dim: int, optimizer: RowOptimizer) -> int:
    """Floats of optimizer state beside a vector of `dim` floats."""
    vectors = _VECTORS_OF_STATE[optimizer.kind]
    if isinstance(optimizer, SparseRMSProp) and optimizer.momentum > 0:
        vectors += 1
    return vectors * dim + _SCALARS_OF_STATE.get(optimizer.kind, 0)


def budgeted_row_bytes(dim: int, optimizer: RowOptimizer) -> int:
    """What the memory budget counts a row as: floats, slot and index (`engine_cc.Table.bytes_per_row`)."""
    return (dim + num_state_floats(dim, optimizer)) * _FLOAT_BYTES + _SLOT_BYTES + _INDEX_BYTES


def table_row_bytes(dim: int, optimizer: RowOptimizer) -> int:
    """What a row takes in a trainer: the same, and its place in the log of what was touched."""
    return budgeted_row_bytes(dim, optimizer) + _TOUCHED_BYTES


def serving_row_bytes(dim: int, precision: Precision) -> int:
    """What a row takes in a replica."""
    encoded = {Precision.FLOAT32: 4 * dim, Precision.FLOAT16: 2 * dim, Precision.INT8: dim + 4}[precision]
    return encoded + _SERVING_INDEX_BYTES


def checkpoint_row_bytes(dim: int, optimizer: RowOptimizer) -> float:
    """What a row takes in a full checkpoint's file."""
    return (dim + num_state_floats(dim, optimizer)) * _FLOAT_BYTES + _FILE_FACTS_BYTES


def delta_row_bytes(dim: int) -> int:
    """What a touched row takes in a delta, and any row in a snapshot, before it is packed: FID, slot and vector."""
    return dim * _FLOAT_BYTES + _DELTA_FACTS_BYTES
