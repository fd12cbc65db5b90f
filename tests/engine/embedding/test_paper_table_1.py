"""Table 1 of the Monolith paper (Liu et al., 2022): what a hash into a million buckets loses of MovieLens, and Freshet does not."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest

from engine.embedding.hashing import hash_ids
from engine.embedding.options import TableOptions
from engine.embedding.table import EmbeddingTable

NUM_BUCKETS = 10**6


@pytest.mark.parametrize(
    ("num_ids", "num_left", "slot"), [(162_541, 149_970, 1), (59_047, 57_361, 2)], ids=["users", "films"]
)
def test_no_id_is_lost(num_ids: int, num_left: int, slot: int) -> None:
    texts = [str(i) for i in range(num_ids)]
    buckets = {int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(), 16) % NUM_BUCKETS for text in texts}
    assert len(buckets) == num_left

    table = EmbeddingTable(TableOptions(4))
    fids = hash_ids(pa.array(texts), slot)
    created = table.lookup_or_create(fids, np.full(num_ids, slot, np.uint16), 0)
    assert len(table) == num_ids
    marks = np.arange(num_ids * 4, dtype=np.float32).reshape(-1, 4)
    assert len(np.unique(created, axis=0)) == num_ids
    table.assign(fids, np.full(num_ids, slot, np.uint16), marks)
    np.testing.assert_array_equal(table.lookup(fids), marks)
