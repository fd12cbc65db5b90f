"""Labelled rows from rating files, from any table with a label, and from click logs with drawn negatives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import InvalidDocument, Problem
from engine.evaluation.files import read_columns
from engine.evaluation.paper.labelled import LabelledRows, source_of
from engine.evaluation.replay.click_log import ClickLog
from engine.evaluation.replay.moments import HOUR_MS, moments


def read_rated(
    path: Path,
    *,
    user: str,
    item: str,
    rating: str,
    threshold: float,
    time: str | None,
    delimiter: str,
    header: Sequence[str] | None,
) -> LabelledRows:
    """Ratings, oldest first where there is a time: `threshold` and above is a positive. Raises `InvalidDocument`, OSError."""
    wanted = [user, item, rating, *([time] if time else [])]
    table = _in_order(read_columns(path, wanted, delimiter=delimiter, header=header), time)
    labels = (table[rating].cast(pa.float64()).to_numpy() >= threshold).astype(np.float32)
    return LabelledRows({"user.id": _texts(table[user]), "item.id": _texts(table[item])}, _checked(labels))


def read_labelled(
    path: Path,
    *,
    label: str,
    ids: Sequence[str],
    numbers: Sequence[str],
    time: str | None,
    delimiter: str,
    header: Sequence[str] | None,
) -> LabelledRows:
    """Any table: columns of categories and of numbers, a label that is positive above 0. Raises `InvalidDocument`, OSError."""
    wanted = [label, *ids, *numbers, *([time] if time else [])]
    table = _in_order(read_columns(path, wanted, delimiter=delimiter, header=header), time)
    labels = (table[label].cast(pa.float64()).to_numpy() > 0).astype(np.float32)
    columns = {source_of(name): _texts(table[name]) for name in ids}
    columns |= {source_of(name): table[name].cast(pa.float64()).combine_chunks() for name in numbers}
    return LabelledRows(columns, _checked(labels))


def with_drawn_negatives(log: ClickLog, num_negatives: int, seed: int) -> LabelledRows:
    """Each click as a positive row, followed by `num_negatives` rows of its user and context with other items.

    They are drawn evenly from the items clicked in the 24 hours before the click's hour, so that what is popular now, which a model
    has to have learned lately, tells them from clicks.
    """
    rng = np.random.default_rng(seed)
    items, labels, places = [], [], []
    for moment in moments(log, HOUR_MS):
        begin = int(np.searchsorted(log.times_ms, moment.time_ms - 24 * HOUR_MS, "left"))
        recent = np.unique(log.items[begin : moment.start])
        if not recent.size:
            continue
        clicks = np.arange(moment.start, moment.end)
        drawn = rng.choice(recent, (clicks.size, num_negatives))
        rows = np.concatenate([log.items[clicks][:, np.newaxis], drawn], axis=1)
        is_click = np.zeros(rows.shape, np.bool_)
        is_click[:, 0] = True
        # What was drawn by accident, the clicked item itself, is left out.
        kept = is_click | (rows != rows[:, :1])
        items.append(rows[kept])
        labels.append(is_click[kept])
        places.append(np.broadcast_to(clicks[:, np.newaxis], rows.shape)[kept])
    if not places:
        raise InvalidDocument("click log", [Problem("clicks", "must span more than an hour", f"{len(log)} clicks")])
    clicks = np.concatenate(places)
    columns: dict[str, pa.Array[Any]] = {
        "user.id": pa.array(log.user_ids, pa.string()).take(log.users[clicks]),
        "item.id": pa.array(log.item_ids, pa.string()).take(np.concatenate(items)),
    }
    for name, codes in log.context.items():
        columns[source_of(name)] = pa.array(log.context_values[name], pa.string()).take(codes[clicks])
    return LabelledRows(columns, np.concatenate(labels).astype(np.float32))


def _in_order(table: pa.Table, time: str | None) -> pa.Table:
    if time is None:
        return table
    return table.take(np.argsort(table[time].to_numpy(), kind="stable"))


def _texts(column: Any) -> pa.Array[Any]:
    texts: pa.Array[Any] = pc.fill_null(column.cast(pa.string()), "").combine_chunks()
    return texts


def _checked(labels: Any) -> Any:
    if labels.size and 0 < labels.mean() < 1:
        return labels
    problem = Problem("label", "must be positive in some rows and not in others", f"{labels.size} rows of one kind")
    raise InvalidDocument("labelled rows", [problem])
