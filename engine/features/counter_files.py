"""Counters as Arrow tables, one for each group of keys, openable with pyarrow alone.

Columns: `key` uint64; for each counter `<counter>.newest_ms` int64, null without an event; for each window `<value>` uint32[20], the
counts of its buckets, that of the newest event first; for each half-life `<value>` double, the sum of 2 ** (time / half-life -
newest_ms // half-life).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa

from engine.features.counter_rows import NEVER
from engine.features.counter_table import CounterTable
from engine.spec.counter import NUM_BUCKETS

FORMAT: Final = 1
_METADATA: Final = b"freshet.counters"


def table_of(keys: tuple[str, ...], table: CounterTable) -> pa.Table:
    """What a table holds, with what it counts in the schema's metadata."""
    used, values = table.index.used(), table.rows
    columns: dict[str, pa.Array[Any]] = {"key": pa.array(table.index.keys_of(used))}
    for counter, name in enumerate(table.counters):
        newest = values.newest[used, counter]
        columns[f"{name}.newest_ms"] = pa.array(newest, pa.int64(), mask=newest == NEVER)
    for window, value in enumerate(values.windows):
        buckets = pa.array(values.rings[used, window].reshape(-1))
        columns[value.name] = pa.FixedSizeListArray.from_arrays(buckets, NUM_BUCKETS)
    for column, value in enumerate(values.half_lives):
        columns[value.name] = pa.array(values.decayed[used, column])
    documents = {name: counter.as_json() for name, counter in table.counters.items()}
    about = orjson.dumps({"format": FORMAT, "keys": keys, "counters": documents})
    return pa.table(columns).replace_schema_metadata({_METADATA: about})


def filled_from(saved: pa.Table, tables: Mapping[tuple[str, ...], CounterTable]) -> None:
    """Put what was saved into the empty table of its keys, as far as that counts the same events.

    Of too many keys the newest stay. Raises ValueError or KeyError for a table of another form.
    """
    about = orjson.loads((saved.schema.metadata or {})[_METADATA])
    if about["format"] != FORMAT:
        raise ValueError(f"counters of format {about['format']} cannot be read, only of format {FORMAT}")
    table = tables.get(tuple(about["keys"]))
    if table is None:
        return
    saved_types = {name: set(document["event_types"]) for name, document in about["counters"].items()}
    same = [name for name, counter in table.counters.items() if saved_types.get(name) == set(counter.event_types)]
    newest = {name: _newest(saved, name) for name in same}
    newest_of_row = np.max([np.full(saved.num_rows, NEVER), *newest.values()], axis=0)
    keys = _numbers(saved, "key").astype(np.uint64)
    chosen = np.lexsort((keys, newest_of_row))[-table.index.max_rows :]
    chosen = chosen[newest_of_row[chosen] != NEVER]
    rows = table.index.add(keys[chosen])
    values = table.rows
    values.clear(rows)
    for counter, name in enumerate(table.counters):
        if name in newest:
            values.newest[rows, counter] = newest[name][chosen]
    for window, value in enumerate(values.windows):
        if value.counter in same and value.name in saved.column_names:
            values.rings[rows, window] = _buckets(saved, value.name)[chosen]
    for column, value in enumerate(values.half_lives):
        if value.counter in same and value.name in saved.column_names:
            values.decayed[rows, column] = _numbers(saved, value.name)[chosen]


def _newest(saved: pa.Table, counter: str) -> Any:
    column: Any = saved.column(f"{counter}.newest_ms")
    return column.fill_null(NEVER).to_numpy()


def _buckets(saved: pa.Table, name: str) -> Any:
    column: Any = saved.column(name).combine_chunks()
    return column.flatten().to_numpy(zero_copy_only=False).reshape(-1, NUM_BUCKETS)


def _numbers(saved: pa.Table, name: str) -> Any:
    return saved.column(name).to_numpy()
