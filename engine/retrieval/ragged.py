"""Matrices of which only some cells are filled, as Arrow lists of a row's filled cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask = npt.NDArray[np.bool_]


def to_lists(values: npt.NDArray[Any], filled: Mask) -> pa.Array[Any]:
    """One list for each row of values[n, m]: its cells where `filled` bool[n, m]; a copy."""
    offsets = np.r_[0, np.cumsum(filled.sum(axis=1))].astype(np.int32)
    flat: pa.Array[Any] = pa.array(values[filled])
    lists: pa.Array[Any] = pa.ListArray.from_arrays(pa.array(offsets), flat)
    return lists


def lengths_of(column: Any) -> npt.NDArray[np.int32]:
    """int32[n]: how many values each list has."""
    lengths: npt.NDArray[np.int32] = pc.list_value_length(column).to_numpy().astype(np.int32)
    return lengths


def write_lists(column: Any, into: npt.NDArray[Any], filled: Mask) -> None:
    """The inverse of `to_lists`: put the lists' values where `filled` bool[n, m]."""
    into[filled] = pc.list_flatten(column).to_numpy()
