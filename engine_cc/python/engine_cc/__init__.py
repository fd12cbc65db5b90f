"""Freshet's C++ core: FID hashing over Arrow arrays, collisionless embedding tables, their serving copies and checkpoints."""

from engine_cc._core import Checkpoint, ServingTable, SightedBatch, Table, hash_ids, pool, pool_gradient

__all__ = ["Checkpoint", "ServingTable", "SightedBatch", "Table", "hash_ids", "pool", "pool_gradient"]
