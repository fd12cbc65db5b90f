"""A table whose memory was touched beforehand differs from another in nothing but time."""

from __future__ import annotations

import numpy as np
import pytest

from engine.embedding.options import TableOptions
from engine.embedding.table import EmbeddingTable


def test_warm_table_holds_what_another_holds() -> None:
    fids = np.arange(5_000, dtype=np.uint64)
    slots = np.ones(5_000, np.uint16)
    cold, warm = (EmbeddingTable(TableOptions(8)) for _ in range(2))
    warm.warm(20_000)
    assert len(warm) == 0
    first, second = (table.lookup_or_create(fids, slots, 100) for table in (cold, warm))
    assert np.array_equal(first, second)
    assert (len(warm), warm.digest()) == (len(cold), cold.digest())


def test_number_of_rows_below_zero_is_refused() -> None:
    with pytest.raises((TypeError, ValueError)):
        EmbeddingTable(TableOptions(8)).warm(-1)
