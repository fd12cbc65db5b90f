"""Which rows of a file of examples can be learned from: the rules that `Example` checks, over whole columns."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.spec.values import BrokenRule, check_id

Flags = npt.NDArray[np.bool_]

# What `check_milliseconds` takes.
_YEAR_1_MS: Final = -62_135_596_800_000
_YEAR_9999_MS: Final = 253_402_300_799_999


def readable(rows: pa.RecordBatch) -> Flags:
    """bool[n], of rows as `example_schema` makes them: ids and a time that are such, and finite numbers."""
    good = _are_ids(rows.column("user_id")) & _are_ids(rows.column("item_id")) & _are_times(rows.column("event_time"))
    for name in rows.schema.names:
        if name.startswith(("label.", "counter.")):
            good &= np.isfinite(_numbers(rows.column(name), 0.0))
    if "weight" in rows.schema.names:
        weights = _numbers(rows.column("weight"), 1.0)
        good &= np.isfinite(weights) & (weights >= 0)
    if "sampling_rate" in rows.schema.names:
        rates = _numbers(rows.column("sampling_rate"), 1.0)
        good &= (rates > 0) & (rates <= 1)
    if "history" in rows.schema.names:
        good &= _have_ids(rows.column("history"))
    return good


def _numbers(column: Any, missing: float) -> Any:
    return column.fill_null(missing).to_numpy(zero_copy_only=False)


def _are_ids(column: Any) -> Flags:
    """As `check_id` judges: one fast look at all, a closer one at those that it doubts."""
    likely = pc.and_(pc.utf8_is_printable(column), pc.less_equal(pc.utf8_length(column), pa.scalar(256)))
    good: Flags = pc.fill_null(pc.and_(likely, pc.greater(pc.utf8_length(column), pa.scalar(0))), False).to_numpy(
        zero_copy_only=False
    )
    if good.all():
        return good
    good = good.copy()
    doubtful = np.flatnonzero(~good)
    good[doubtful] = [_is_id(value) for value in column.take(pa.array(doubtful)).to_pylist()]
    return good


def _is_id(value: object) -> bool:
    try:
        check_id(value)
    except BrokenRule:
        return False
    return True


def _are_times(column: Any) -> Flags:
    times = column.fill_null(_YEAR_1_MS - 1).to_numpy(zero_copy_only=False)
    good: Flags = (times >= _YEAR_1_MS) & (times <= _YEAR_9999_MS)
    return good


def _have_ids(column: Any) -> Flags:
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    bad = ~_are_ids(column.flatten())
    good = np.ones(len(column), np.bool_)
    if bad.any():
        good[np.repeat(np.arange(len(column)), lengths)[bad]] = False
    return good
