"""The joiner's state as Arrow files in a folder, openable with pyarrow alone. Properties travel as JSON text.

Format 2 has the schema's counters: a file for each group of keys, and a column `counters` of what is shown. Format 1, which says no
format, had neither, and is still read: its counters start empty. A folder without `recent_items.arrow` is of before negatives were
drawn, or of a schema for which none are. Format 3 has the labels of what is shown, the windows that ended, and early actions; its
impressions are those in memory, and the others a RocksDB database in the folder `spilled`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import orjson
import pyarrow as pa

from engine.errors import CorruptRecord
from engine.features.histories import History, UserHistories
from engine.joining.impression import Impression, Shown
from engine.joining.pending import PendingImpressions
from engine.joining.spilled import SpilledImpressions
from engine.joining.stages import NOT_ENDED
from engine.joining.state import JoinerCounters, JoinerSettings, JoinerState
from engine.spec.erasure import Erased
from engine.spec.example import Cause, Example

FORMAT: Final = 3
COUNTERS_PREFIX: Final = "counters-"
HISTORIES_FILE: Final = "histories.arrow"


def _schema(*fields: pa.Field[Any]) -> pa.Schema:
    return pa.schema(list(fields))


_CATALOGUE: Final = _schema(pa.field("id", pa.string()), pa.field("properties", pa.binary()))
_EVENT_IDS: Final = _schema(pa.field("event_id", pa.string()))
_RECENT_ITEMS: Final = _schema(pa.field("item_id", pa.string()))
_EARLY: Final = _schema(pa.field("event_type", pa.string()), pa.field("example", pa.binary()))
_SPILLED: Final = "spilled"
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
    pa.field("number", pa.int64()),
    pa.field("waits", pa.bool_()),
    pa.field("ended_ms", pa.int64()),
)
_SHOWN: Final = _schema(
    pa.field("impression", pa.int64()),
    pa.field("item_id", pa.string()),
    pa.field("item", pa.binary()),
    pa.field("acted", pa.list_(pa.string())),
    pa.field("counters", pa.binary()),
    pa.field("labels", pa.binary()),
    pa.field("negatives", pa.binary()),
)


def save_state(state: JoinerState, folder: Path) -> dict[str, Any]:
    """Write the state's tables into `folder`; answers the rest as JSON types, for the folder's manifest."""
    _write(folder / "users.arrow", _catalogue_table(state.users))
    _write(folder / "items.arrow", _catalogue_table(state.items))
    _write(folder / HISTORIES_FILE, state.histories.to_arrow())
    _write(
        folder / "event_ids.arrow", pa.table([pa.array(list(state.recent_event_ids), pa.string())], schema=_EVENT_IDS)
    )
    impressions, shown = _pending_tables(state.pending.in_memory())
    _write(folder / "impressions.arrow", impressions)
    _write(folder / "shown.arrow", shown)
    early = [(action.event_type, action.example.to_bytes()) for action in state.early]
    _write(folder / "early.arrow", _table(early, _EARLY))
    spilled = state.pending.spilled
    if spilled is not None and spilled.num_impressions:
        spilled.save(folder / _SPILLED)
    for name, table in state.counter_state.to_arrow().items():
        # Most buckets of most keys are 0.
        _write(folder / f"{COUNTERS_PREFIX}{name}.arrow", table, compression="lz4")
    if len(state.recent_items):
        items = pa.array(state.recent_items.oldest_first(), pa.string())
        _write(folder / _RECENT_ITEMS_FILE, pa.table([items], schema=_RECENT_ITEMS), compression="lz4")
    return state_meta(state)


def state_meta(state: JoinerState) -> dict[str, Any]:
    """What of the state is not in a table."""
    meta: dict[str, Any] = {
        "format": FORMAT,
        "watermark": state.watermark.to_json(),
        "counters": state.counters.to_json(),
        "agreement": state.agreement.to_json(),
        "next_number": state.pending.next_number,
    }
    if state.erased:
        meta["erased"] = [one.to_json() for one in state.erased]
    spilled = state.pending.spilled
    if spilled is not None and spilled.num_impressions:
        meta["spilled"] = spilled.to_json()
    return meta


def load_state(
    folder: Path, meta: dict[str, Any], settings: JoinerSettings, spilled: SpilledImpressions | None = None
) -> JoinerState:
    """The inverse of `save_state`. `spilled` takes what memory has no room for. Raises `CorruptRecord`, OSError when it cannot."""
    try:
        if meta.get("format", 1) not in range(1, FORMAT + 1):
            raise ValueError(f"format must be 1 to {FORMAT}, received {meta['format']!r:.40}")
        state = JoinerState(settings, spilled)
        state.users = _catalogue(folder / "users.arrow")
        state.items = _catalogue(folder / "items.arrow")
        state.histories = UserHistories.from_arrow(
            read_table(folder / HISTORIES_FILE), settings.history_length, settings.max_users
        )
        state.recent_event_ids.restore(map(str, read_table(folder / "event_ids.arrow").column("event_id").to_pylist()))
        _load_pending(state.pending, folder, meta)
        if (folder / "early.arrow").is_file():
            for row in read_table(folder / "early.arrow").to_pylist():
                state.early.add(row["event_type"], Example.from_bytes(row["example"]))
        state.watermark.restore(meta["watermark"])
        state.erased = [Erased.from_json(one) for one in meta.get("erased", ())]
        state.counters = JoinerCounters(**meta["counters"])
        state.agreement.restore(meta.get("agreement", {}))
        if (folder / _RECENT_ITEMS_FILE).is_file():
            recent: list[Any] = read_table(folder / _RECENT_ITEMS_FILE).column("item_id").to_pylist()
            state.recent_items.restore(recent)
        state.counter_state.restore(map(read_table, sorted(folder.glob(f"{COUNTERS_PREFIX}*.arrow"))))
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError, IndexError) as error:
        raise CorruptRecord(f"{folder} does not hold a joiner's state: {error}") from error
    return state


def _pending_tables(impressions: list[Impression]) -> tuple[pa.Table, pa.Table]:
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
            one.number,
            one.waits,
            one.ended_ms,
        )
        for one in impressions
    ]
    shown_rows = [
        (
            row,
            shown.item_id,
            _json(shown.item),
            sorted(shown.acted) if shown.acted else (),
            _json(shown.counters),
            _json(shown.acted),
            _json(shown.negatives),
        )
        for row, one in enumerate(impressions)
        for shown in one.shown.values()
    ]
    return _table(impression_rows, _IMPRESSIONS), _table(shown_rows, _SHOWN)


def _load_pending(pending: PendingImpressions, folder: Path, meta: dict[str, Any]) -> None:
    if "spilled" in meta:
        _load_spilled(pending, folder / _SPILLED, meta["spilled"])
    impressions = _impressions(read_table(folder / "impressions.arrow"), read_table(folder / "shown.arrow"))
    for number, impression in enumerate(impressions):
        if impression.number < 0:
            impression.number = number
        _let_wait(pending, impression)
    pending.next_number = meta.get("next_number", len(impressions))


def _load_spilled(pending: PendingImpressions, folder: Path, meta: dict[str, Any]) -> None:
    """What was spilled stays so, but where the windows are others than they were: then every deadline is another."""
    spilled = pending.spilled
    if spilled is None:
        raise ValueError("impressions were spilled, and there is nowhere to put them")
    if meta["stages"] == pending.stages.to_json():
        spilled.restore(folder, meta)
        return
    old = spilled.beside("old")
    old.restore(folder, meta)
    for impression in old:
        _let_wait(pending, impression)
    old.close()


def _let_wait(pending: PendingImpressions, impression: Impression) -> None:
    if impression.shown and pending.stages.next_end(impression.waits, impression.ended_ms) is not None:
        pending.put(impression)
        pending.spill()


def _impressions(impressions: pa.Table, shown: pa.Table) -> list[Impression]:
    """Of any format: what an older one does not say is as it was then."""
    loaded: list[Impression] = []
    num_bytes: list[int] = []
    for row in impressions.to_pylist():
        impression = Impression(
            event_id=row["event_id"],
            user_id=row["user_id"],
            recommendation_id=row["recommendation_id"],
            time_ms=row["time_ms"],
            cause=Cause(row["partition"], row["offset"], row["received_ms"]),
            user=orjson.loads(row["user"]),
            history=History(*(tuple(row.get(name) or ()) for name in ("history", "history_types", "history_times_ms"))),
            properties=orjson.loads(row["properties"]),
            request_time_ms=row.get("request_time_ms"),
            number=row.get("number", -1),
            waits=row.get("waits", False),
            ended_ms=row.get("ended_ms", NOT_ENDED),
        )
        loaded.append(impression)
        num_bytes.append(len(row["user"]) + len(row["properties"]))
    for row in shown.to_pylist():
        impression = loaded[row["impression"]]
        impression.shown[row["item_id"]] = Shown(
            impression,
            row["item_id"],
            orjson.loads(row["item"]),
            orjson.loads(row["labels"]) if "labels" in row else {action: {action: 1.0} for action in row["acted"]},
            orjson.loads(row.get("counters", b"{}")),
            orjson.loads(row.get("negatives", b"{}")),
        )
        num_bytes[row["impression"]] += len(row["item"]) + len(row.get("counters", b""))
    for impression, num_json_bytes in zip(loaded, num_bytes, strict=True):
        impression.estimate_bytes(num_json_bytes)
    return loaded


def _json(document: Mapping[str, Any]) -> bytes:
    return orjson.dumps(document) if document else b"{}"  # mostly


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
