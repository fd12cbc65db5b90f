"""Several lists of rows as one in which each comes once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

import engine_cc


def merge_rows(lists: Sequence[NDArray[np.int32]]) -> tuple[NDArray[np.int32], NDArray[np.int16]]:
    """The different rows of the lists, int32[k], in the order in which they come first, and the number of the list that each came in first,
    int16[k]. Raises ValueError for a row below 0 or more than 32,767 lists."""
    return engine_cc.merge_rows(lists)
