"""Arrow arrays out of NumPy's, without a copy of the values."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import pyarrow as pa


def list_array(offsets: npt.NDArray[Any], values: Any) -> Any:
    """Row i is `values[offsets[i]:offsets[i + 1]]`; offsets int32[n + 1]."""
    offset_array: Any = pa.array(offsets)
    return pa.ListArray.from_arrays(offset_array, values)


def buffer_of(array: Any) -> pa.Buffer:
    """The memory of a contiguous NumPy array."""
    return pa.py_buffer(array)
