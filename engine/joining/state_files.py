"""The joiner's state as Arrow files in a folder, openable with pyarrow alone. Properties travel as JSON text.

Format 2 has the schema's counters: a file for each group of keys, and a column `counters` of what is shown. Format 1, which says no
format, had neither, and is still read: its counters start empty. A folder without `recent_items.arrow` is of before negatives were
drawn, or of a schema for which none are.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal

import orjson
import pyarrow as pa

from engine.errors import CorruptRecord
from engine.features.histories import History, UserHistories
from engine.joining.pending import Impression, PendingImpressions
from engine.joining.state import JoinerCounters, JoinerSettings, JoinerState
from engine.spec.example import Cause

FORMAT: Final = 2
COUNTERS_PREFIX: Final = "counters-"


def _schema(*fields: pa.Field[Any]) -> pa.Schema:
    return pa.schema(list(fields))


_CATALOGUE: Final = _schema(pa.field("id", pa.string()), pa.field("properties", pa.binary()))
_EVENT_IDS: Final = _schema(pa.field("event_id", pa.string()))
_RECENT_ITEMS: Final = _schema(pa.field("item_id", pa.string()))
_RECENT_ITEMS_FILE: Final = "recent_items.arrow"
_IMPRESSIONS: Final = _schema(
    pa.field("event_id", pa.string()),
    pa.field("user_id", pa.string()),
    pa.field("recommendation_id", pa.string()),
    pa.field("time_ms", pa.int64()),
    pa.field("partition", pa.int32()),
    pa.field("offset", pa.int64()),
    pa.field("received_ms", pa.int64()),
    pa.field("user", pa.binary()),
    pa.field("history", pa.list_(pa.string())),
    pa.field("history_types", pa.list_(pa.string())),
    pa.field("history_times_ms", pa.list_(pa.int64())),
    pa.field("properties", pa.binary()),
    pa.field("request_time_ms", pa.int64()),
)
_SHOWN: Final = _schema(
    pa.field("impression", pa.int64()),
    pa.field("item_id", pa.string()),
    pa.field("item", pa.binary()),
    pa.field("acted", pa.list_(pa.string())),
    pa.field("counters", pa.binary()),
)


def save_state(state: JoinerState, folder: Path) -> dict[str, Any]:
    """Write the state's tables into `folder`; answers the rest as JSON types, for the folder's manifest."""
    _write(folder / "users.arrow", _catalogue_table(state.users))
    _write(folder / "items.arrow", _catalogue_table(state.items))
    _write(folder / "histories.arrow", state.histories.to_arrow())
    _write(folder / "event_ids.arrow", pa.table([pa.array(state.recent_event_ids, pa.string())], schema=_EVENT_IDS))
    impressions, shown = _pending_tables(state.pending)
    _write(folder / "impressions.arrow", impressions)
    _write(folder / "shown.arrow", shown)
    for name, table in state.counter_state.to_arrow().items():
        # Most buckets of most keys are 0.
        _write(folder / f"{COUNTERS_PREFIX}{name}.arrow", table, compression="lz4")
    if len(state.recent_items):
        items = pa.array(state.recent_items.oldest_first(), pa.string())
        _write(folder / _RECENT_ITEMS_FILE, pa.table([items], schema=_RECENT_ITEMS), compression="lz4")
    return state_meta(state)


def state_meta(state: JoinerState) -> dict[str, Any]:
    """What of the state is not in a table."""
    return {
        "format": FORMAT,
        "watermark": state.watermark.to_json(),
        "counters": state.counters.to_json(),
        "agreement": state.agreement.to_json(),
    }


def load_state(folder: Path, meta: dict[str, Any], settings: JoinerSettings) -> JoinerState:
    """The inverse of `save_state`. Raises `CorruptRecord`."""
    try:
        if meta.get("format", 1) not in (1, FORMAT):
            raise ValueError(f"format must be 1 or {FORMAT}, received {meta['format']!r:.40}")
        state = JoinerState(settings)
        state.users = _catalogue(folder / "users.arrow")
        state.items = _catalogue(folder / "items.arrow")
        state.histories = UserHistories.from_arrow(
            read_table(folder / "histories.arrow"), settings.history_length, settings.max_users
        )
        event_ids = read_table(folder / "event_ids.arrow").column("event_id").to_pylist()
        state.recent_event_ids = {str(event_id): None for event_id in event_ids}
        _load_pending(state.pending, read_table(folder / "impressions.arrow"), read_table(folder / "shown.arrow"))
        state.watermark.restore(meta["watermark"])
        state.counters = JoinerCounters(**meta["counters"])
        state.agreement.restore(meta.get("agreement", {}))
        if (folder / _RECENT_ITEMS_FILE).is_file():
            recent: list[Any] = read_table(folder / _RECENT_ITEMS_FILE).column("item_id").to_pylist()
            state.recent_items.restore(recent)
        state.counter_state.restore(map(read_table, sorted(folder.glob(f"{COUNTERS_PREFIX}*.arrow"))))
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError, IndexError) as error:
        raise CorruptRecord(f"{folder} does not hold a joiner's state: {error}") from error
    return state


def _pending_tables(pending: PendingImpressions) -> tuple[pa.Table, pa.Table]:
    numbers: dict[int, int] = {}
    impressions: list[Impression] = []
    shown_rows = []
    for shown in pending:
        impression = shown.impression
        number = numbers.setdefault(id(impression), len(impressions))
        if number == len(impressions):
            impressions.append(impression)
        counters = orjson.dumps(shown.counters)
        shown_rows.append((number, shown.item_id, orjson.dumps(shown.item), sorted(shown.acted), counters))
    impression_rows = [
        (
            one.event_id,
            one.user_id,
            one.recommendation_id,
            one.time_ms,
            one.cause.partition,
            one.cause.offset,
            one.cause.received_ms,
            orjson.dumps(one.user),
            one.history.item_ids,
            one.history.event_types,
            one.history.times_ms,
            orjson.dumps(one.properties),
            one.request_time_ms,
        )
        for one in impressions
    ]
    return _table(impression_rows, _IMPRESSIONS), _table(shown_rows, _SHOWN)


def _load_pending(pending: PendingImpressions, impressions: pa.Table, shown: pa.Table) -> None:
    loaded = []
    for row in impressions.to_pylist():
        cause = Cause(row["partition"], row["offset"], row["received_ms"])
        loaded.append(
            Impression(
                event_id=row["event_id"],
                user_id=row["user_id"],
                recommendation_id=row["recommendation_id"],
                time_ms=row["time_ms"],
                cause=cause,
                user=orjson.loads(row["user"]),
                history=History(
                    *(tuple(row.get(name) or ()) for name in ("history", "history_types", "history_times_ms"))
                ),
                properties=orjson.loads(row["properties"]),
                request_time_ms=row.get("request_time_ms"),
            )
        )
    for row in shown.to_pylist():
        added = pending.add(loaded[row["impression"]], row["item_id"], orjson.loads(row["item"]))
        if added is None:
            raise ValueError(f"item {row['item_id']!r} waits twice in one recommendation")
        added.acted.update(row["acted"])
        added.counters = orjson.loads(row.get("counters", b"{}"))


def _catalogue_table(entities: dict[str, dict[str, Any]]) -> pa.Table:
    return _table([(one, orjson.dumps(properties)) for one, properties in entities.items()], _CATALOGUE)


def _catalogue(path: Path) -> dict[str, dict[str, Any]]:
    rows: list[dict[str, Any]] = read_table(path).to_pylist()
    return {row["id"]: orjson.loads(row["properties"]) for row in rows}


def _table(rows: Iterable[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(column, one.type) for column, one in zip(columns, schema, strict=True)], schema=schema)


def _write(path: Path, table: pa.Table, compression: Literal["lz4"] | None = None) -> None:
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=65_536)


def read_table(path: Path) -> pa.Table:
    """An Arrow IPC file. Raises OSError and `pyarrow.ArrowException`."""
    with pa.OSFile(str(path), "rb") as source, pa.ipc.open_file(source) as reader:
        return reader.read_all()
