"""Freshet's C++ core: FID hashing over Arrow arrays, collisionless embedding tables, their serving copies and checkpoints."""

from engine_cc._core import (
    Checkpoint,
    DenseProgram,
    Plan,
    RecordPooling,
    ServingTable,
    SightedBatch,
    Table,
    add_column_gradient,
    hash_ids,
    lay_out,
    pool,
    pool_columns,
    pool_gradient,
)

__all__ = [
    "Checkpoint",
    "DenseProgram",
    "Plan",
    "RecordPooling",
    "ServingTable",
    "SightedBatch",
    "Table",
    "add_column_gradient",
    "hash_ids",
    "lay_out",
    "pool",
    "pool_columns",
    "pool_gradient",
]
