"""Raw feature values as Arrow columns, one per source, from examples, from a user, from items."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.features.arrow_arrays import list_array
from engine.features.ids import offsets_of
from engine.spec.example import Example
from engine.spec.feature import EVENT_TIME
from engine.spec.slot import USER_COUNTER

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
    wanted = list(sources)
    columns = {source: _OF_EXAMPLES[source](examples) for source in wanted if source in _OF_EXAMPLES}
    columns |= _property_columns("user", [example.user for example in examples], wanted)
    columns |= _property_columns("item", [example.item for example in examples], wanted)
    columns |= _property_columns("event", [example.event for example in examples], wanted)
    return columns | columns_of_counters([example.counters for example in examples], wanted)


def _property_columns(entity: str, rows: Sequence[Mapping[str, Any]], sources: Iterable[str]) -> Columns:
    """The entity's properties among `sources`, one mapping a row; one that a row lacks is null."""
    prefix = f"{entity}."
    wanted = [source for source in sources if source.startswith(prefix) and source not in _OF_EXAMPLES]
    names = [source.removeprefix(prefix) for source in wanted]
    if len(names) < 2 or not rows:
        return {source: column_of([row.get(name) for row in rows]) for source, name in zip(wanted, names, strict=True)}
    # All are taken out of a row in one call: half the time of asking for each.
    take = itemgetter(*names)
    try:
        values = list(map(take, rows))
    except KeyError:
        missing = dict.fromkeys(names)
        values = [take({**missing, **row}) for row in rows]
    return {source: column_of(each) for source, each in zip(wanted, zip(*values, strict=True), strict=True)}


def _ages_of(examples: Sequence[Example]) -> Any:
    times = [example.history_times_ms for example in examples]
    return _history_ages(times, [_time_of(example) for example in examples])


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


_OF_EXAMPLES: Final[dict[str, Callable[[Sequence[Example]], Any]]] = {
    "user.id": lambda examples: pa.array([example.user_id for example in examples], pa.string()),
    "item.id": lambda examples: pa.array([example.item_id for example in examples], pa.string()),
    "user.history": lambda examples: pa.array([example.history for example in examples], _HISTORY),
    HISTORY_TYPES: lambda examples: pa.array([example.history_types for example in examples], _HISTORY),
    HISTORY_AGES: _ages_of,
    EVENT_TIME: lambda examples: pa.array([_time_of(example) for example in examples], pa.int64()),
}
"""What is of an example itself, and no property."""


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
    counters: Mapping[str, float] | None = None,
) -> Columns:
    """Columns of one row for the user-side sources among `sources`; `context` answers the `event.*` ones, `time_ms` is the request's.

    `history_types` and `history_times_ms` are of the items of `history`. `counters` has the user's, by `<counter>_<window>`.
    """
    wanted = list(sources)
    columns = _property_columns("user", [properties], wanted) | _property_columns("event", [context], wanted)
    if "user.id" in wanted:
        columns["user.id"] = pa.array([user_id], pa.string())
    if "user.history" in wanted:
        columns["user.history"] = pa.array([list(history)], _HISTORY)
    if HISTORY_TYPES in wanted:
        columns[HISTORY_TYPES] = pa.array([list(history_types)], _HISTORY)
    if HISTORY_AGES in wanted:
        columns[HISTORY_AGES] = _history_ages([history_times_ms], [time_ms])
    if EVENT_TIME in wanted:
        columns[EVENT_TIME] = pa.array([time_ms], pa.int64())
    return columns | columns_of_counters([counters or {}], (each for each in wanted if each.startswith(USER_COUNTER)))


def columns_for_items(
    item_ids: Sequence[str], properties: Sequence[Mapping[str, Any]], sources: Iterable[str]
) -> Columns:
    """Columns of `len(item_ids)` rows for the item-side sources among `sources`; `properties` has one mapping per item."""
    wanted = list(sources)
    columns = _property_columns("item", properties, wanted)
    if "item.id" in wanted:
        columns["item.id"] = pa.array(item_ids, pa.string())
    return columns


def columns_of_counters(rows: Sequence[Mapping[str, float]], sources: Iterable[str]) -> Columns:
    """Columns of `len(rows)` rows for the counters among `sources`, the user's too; `rows` has each row's, by `<counter>_<window>`."""
    counters = (source for source in sources if source.startswith(("counter.", USER_COUNTER)))
    names = ((source, source.partition(".")[2]) for source in counters)
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
