"""Derived features: columns made of columns, as a definition says. One code path for batch, online and serving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, assert_never

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.features.crosses import cross
from engine.features.numbers import Numbers, numbers_of, times_of
from engine.features.texts import ngrams
from engine.spec.feature import EVENT_TIME, Bucket, Cross, Feature, Ratio, Text, Time, TimePart

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_WEEKDAY_OF_1970: Final = 3
"""The first of January 1970 was a Thursday; Monday is 0."""


def derive(feature: Feature, columns: Mapping[str, pa.Array[Any]], num_rows: int) -> Any:
    """The column of a feature, `num_rows` rows, from those of its inputs; one that is absent is missing in every row."""
    inputs = [columns.get(source, _absent(num_rows)) for source in feature.inputs]
    match feature:
        case Cross():
            return cross(inputs)
        case Text():
            return ngrams(inputs[0], feature.unit, feature.sizes)
        case Bucket():
            return _bucketed(feature, numbers_of(inputs[0]))
        case Time():
            if feature.part is TimePart.AGE_LOG_S:
                return _age(times_of(inputs[0]), times_of(columns.get(EVENT_TIME, _absent(num_rows))))
            return _part_of(feature, times_of(inputs[0]))
        case Ratio():
            return _ratio(feature, numbers_of(inputs[0]), numbers_of(inputs[1]))
        case _:
            assert_never(feature)


def _absent(num_rows: int) -> pa.Array[Any]:
    return pa.nulls(num_rows)


def _bucketed(feature: Bucket, numbers: Numbers) -> pa.Array[Any]:
    return _integers(np.searchsorted(np.array(feature.boundaries), numbers, side="right"), np.isnan(numbers))


def _part_of(feature: Time, times_ms: Numbers) -> pa.Array[Any]:
    missing = ~np.isfinite(times_ms)
    local = np.where(missing, 0, times_ms).astype(np.int64) + feature.utc_offset_minutes * 60_000
    hour = local // _HOUR_MS % 24
    weekday = (local // _DAY_MS + _WEEKDAY_OF_1970) % 7
    if feature.part is TimePart.HOUR:
        return _integers(hour, missing)
    return _integers(weekday if feature.part is TimePart.DAY_OF_WEEK else weekday * 24 + hour, missing)


def _age(times_ms: Numbers, event_times_ms: Numbers) -> pa.Array[Any]:
    """ln(1 + seconds); what is dated after the event is of age 0."""
    return pa.array(np.log1p(np.maximum(0.0, event_times_ms - times_ms) / 1000.0), pa.float64())


def _ratio(feature: Ratio, numerator: Numbers, denominator: Numbers) -> pa.Array[Any]:
    above, below = (np.where(np.isfinite(each), each, 0.0) for each in (numerator, denominator))
    return pa.array((above + feature.prior * feature.prior_weight) / (below + feature.prior_weight), pa.float64())


def _integers(values: npt.NDArray[np.int64], missing: npt.NDArray[np.bool_]) -> pa.Array[Any]:
    return pa.array(values, pa.int64(), mask=missing) if missing.any() else pa.array(values, pa.int64())
