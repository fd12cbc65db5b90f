"""Raw feature values as Arrow columns, one per source, from examples, from a user, from items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.features.arrow_arrays import list_array
from engine.features.ids import offsets_of
from engine.spec.definition import Side, side_of
from engine.spec.example import Example
from engine.spec.feature import EVENT_TIME

Columns: TypeAlias = "dict[str, pa.Array[Any]]"
"""Source -> values, one row per example, user or item. See `column_of` for the Arrow types a column can have."""

RowIndices: TypeAlias = npt.NDArray[np.int32]

HISTORY_TYPES: Final = "user.history_types"
HISTORY_AGES: Final = "user.history_ages_s"
_HISTORY: Final = pa.list_(pa.string())
_INT64_RANGE: Final = range(-(2**63), 2**63)


def column_of(values: Sequence[Any]) -> pa.Array[Any]:
    """One source's raw JSON values as an Arrow array; None is null.

    Usually `int64`, `string`, `double`, `bool` or a list of one of these. When one column holds values of several kinds (a property
    changed its type between schema versions) the answer is a struct of `integers: list<int64>`, `strings: list<string>`,
    `number: double` and `vector: list<double>`, so that what a value becomes never depends on its neighbours. Values that are no
    feature at all (objects, integers beyond 64 bits) become null.
    """
    try:
        array = pa.array(values)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        return _mixed_column(values)
    return _mixed_column(values) if _is_object(array.type) else array


def _is_object(kind: pa.DataType) -> bool:
    return pa.types.is_nested(kind) and not (pa.types.is_list(kind) and not pa.types.is_nested(kind.value_type))


def _mixed_column(values: Sequence[Any]) -> pa.StructArray:
    integers: list[list[int]] = []
    strings: list[list[str]] = []
    numbers: list[float | None] = []
    vectors: list[list[float] | None] = []
    for value in values:
        parts = value if isinstance(value, list | tuple) else (value,)
        whole = (
            int(part) for part in parts if isinstance(part, int) or (isinstance(part, float) and part.is_integer())
        )
        integers.append([number for number in whole if number in _INT64_RANGE])
        strings.append([part for part in parts if isinstance(part, str)])
        numbers.append(float(value) if _is_number(value) else None)
        is_vector = isinstance(value, list | tuple) and all(_is_number(part) for part in value)
        vectors.append([float(part) for part in value] if is_vector else None)
    arrays: list[pa.Array[Any]] = [
        pa.array(integers, pa.list_(pa.int64())),
        pa.array(strings, pa.list_(pa.string())),
        pa.array(numbers, pa.float64()),
        pa.array(vectors, pa.list_(pa.float64())),
    ]
    return pa.StructArray.from_arrays(arrays, ["integers", "strings", "number", "vector"])


def _is_number(value: object) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and value in _INT64_RANGE)


def columns_from_examples(examples: Sequence[Example], sources: Iterable[str]) -> Columns:
    """Columns of `len(examples)` rows for every source asked for; a property an example lacks is null."""
    columns: Columns = {}
    for source in sources:
        entity, _, name = source.partition(".")
        if source == "user.id":
            columns[source] = pa.array([example.user_id for example in examples], pa.string())
        elif source == "item.id":
            columns[source] = pa.array([example.item_id for example in examples], pa.string())
        elif source == "user.history":
            columns[source] = pa.array([example.history for example in examples], _HISTORY)
        elif source == HISTORY_TYPES:
            columns[source] = pa.array([example.history_types for example in examples], _HISTORY)
        elif source == HISTORY_AGES:
            times = [example.history_times_ms for example in examples]
            columns[source] = _history_ages(times, [_time_of(example) for example in examples])
        elif source == EVENT_TIME:
            columns[source] = pa.array([_time_of(example) for example in examples], pa.int64())
        elif entity == "counter":
            columns[source] = pa.array([example.counters.get(name) for example in examples], pa.float64())
        elif entity == "user":
            columns[source] = column_of([example.user.get(name) for example in examples])
        elif entity == "item":
            columns[source] = column_of([example.item.get(name) for example in examples])
        else:
            columns[source] = column_of([example.event.get(name) for example in examples])
    return columns


def _time_of(example: Example) -> int:
    """As of when the example's features are: of the request that an impression answered, else of the event."""
    return example.event_time_ms if example.request_time_ms is None else example.request_time_ms


def _history_ages(times_ms: Sequence[Sequence[int]], now_ms: Sequence[int | None]) -> Any:
    """Lists of ⌊log2(1 + age in whole seconds)⌋; empty where the time of the event is not known. The future is of age 0."""
    lengths = np.fromiter((0 if now is None else len(row) for row, now in zip(times_ms, now_ms, strict=True)), np.int64)
    then = np.array(
        [time for row, now in zip(times_ms, now_ms, strict=True) if now is not None for time in row], np.int64
    )
    now = np.repeat(np.array([0 if each is None else each for each in now_ms], np.int64), lengths)
    ages_s = np.maximum(0, now - then) // 1000
    buckets = np.frexp((ages_s + 1).astype(np.float64))[1] - 1
    return list_array(offsets_of(lengths), pa.array(buckets.astype(np.int64)))


def columns_for_user(
    user_id: str,
    properties: Mapping[str, Any],
    context: Mapping[str, Any],
    history: Sequence[str],
    sources: Iterable[str],
    *,
    history_types: Sequence[str] = (),
    history_times_ms: Sequence[int] = (),
    time_ms: int | None = None,
) -> Columns:
    """Columns of one row for the user-side sources among `sources`; `context` answers the `event.*` ones, `time_ms` is the request's.

    `history_types` and `history_times_ms` are of the items of `history`.
    """
    columns: Columns = {}
    for source in sources:
        entity, _, name = source.partition(".")
        if source == "user.id":
            columns[source] = pa.array([user_id], pa.string())
        elif source == "user.history":
            columns[source] = pa.array([list(history)], _HISTORY)
        elif source == HISTORY_TYPES:
            columns[source] = pa.array([list(history_types)], _HISTORY)
        elif source == HISTORY_AGES:
            columns[source] = _history_ages([history_times_ms], [time_ms])
        elif source == EVENT_TIME:
            columns[source] = pa.array([time_ms], pa.int64())
        elif entity == "user":
            columns[source] = column_of([properties.get(name)])
        elif entity == "event":
            columns[source] = column_of([context.get(name)])
    return columns


def columns_for_items(
    item_ids: Sequence[str], properties: Sequence[Mapping[str, Any]], sources: Iterable[str]
) -> Columns:
    """Columns of `len(item_ids)` rows for the item-side sources among `sources`; `properties` has one mapping per item."""
    columns: Columns = {}
    for source in sources:
        if side_of(source) is not Side.ITEM:
            continue
        name = source.partition(".")[2]
        if source == "item.id":
            columns[source] = pa.array(item_ids, pa.string())
        else:
            columns[source] = column_of([each.get(name) for each in properties])
    return columns


def columns_of_counters(rows: Sequence[Mapping[str, float]], sources: Iterable[str]) -> Columns:
    """Columns of `len(rows)` rows for the counters among `sources`; `rows` has each row's values by `<counter>_<window>`."""
    names = ((source, source.removeprefix("counter.")) for source in sources if source.startswith("counter."))
    return {source: pa.array([row.get(name) for row in rows], pa.float64()) for source, name in names}


def pair_columns(user: Columns, items: Columns, user_rows: RowIndices, item_rows: RowIndices) -> Columns:
    """Columns of p rows: row `user_rows[i]` of the user columns beside row `item_rows[i]` of the items'; int32[p] each."""
    sides = ((user, user_rows), (items, item_rows))
    return {source: column.take(rows) for columns, rows in sides for source, column in columns.items()}


def repeat_rows(columns: Columns, num_rows: int) -> Columns:
    """One row `num_rows` times: a user beside each of its candidates."""
    indices = np.zeros(num_rows, np.int64)
    return {source: column.take(indices) for source, column in columns.items()}


def concat(user: Columns, items: Columns) -> Columns:
    """Side by side: the user-side columns and the item-side columns of the same rows."""
    return {**user, **items}
