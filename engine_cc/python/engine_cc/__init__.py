"""Freshet's C++ core: FID hashing over Arrow arrays and the collisionless embedding table."""

from engine_cc._core import Table, hash_ids

__all__ = ["Table", "hash_ids"]
