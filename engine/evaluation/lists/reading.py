"""Clicks from rating files, lists of pairs, and a line of items a user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv

from engine.errors import InvalidDocument, Problem
from engine.evaluation.files import codes_of, open_bytes, read_columns
from engine.evaluation.lists.task import Clicks, ListTask, task_of
from engine.evaluation.replay.click_log import UNIT_MS


@dataclass(frozen=True, slots=True)
class RatingColumns:
    """Which column is what. `rating` None: each row is a click. A text file without a first line of names has its columns' `header`."""

    user: str = "user"
    item: str = "item"
    rating: str | None = "rating"
    time: str | None = "timestamp"
    time_unit: str = "s"
    delimiter: str | None = None
    header: tuple[str, ...] | None = None


def read_clicks(path: Path, columns: RatingColumns, threshold: float) -> Clicks:
    """Rows rated `threshold` or higher, in time order. Raises `InvalidDocument`, OSError."""
    wanted = [name for name in (columns.user, columns.item, columns.rating, columns.time) if name is not None]
    delimiter = columns.delimiter or _delimiter_of(path)
    table = read_columns(path, wanted, delimiter=delimiter, header=columns.header)
    if columns.rating is not None:
        # A missing rating is NaN, which reaches no threshold.
        table = table.filter(pa.array(table[columns.rating].cast(pa.float64()).to_numpy() >= threshold))
    times_ms = None
    if columns.time is not None:
        times_ms = np.round(table[columns.time].to_numpy().astype(np.float64) * UNIT_MS[columns.time_unit]).astype(
            np.int64
        )
        order = np.argsort(times_ms, kind="stable")
        table, times_ms = table.take(order), times_ms[order]
    users, user_ids = codes_of(table[columns.user])
    items, item_ids = codes_of(table[columns.item])
    return Clicks(users, items, user_ids, item_ids, times_ms)


def read_pairs_with_negatives(train: Path, test: Path, negatives: Path) -> ListTask:
    """Leave-one-out lists: `user item …` lines to learn from and to find, one a user, and a line of negatives for each line of `test`.

    A line of negatives may begin with its user, or with `(user,item)`. Further columns of the pairs are left aside. Raises
    `InvalidDocument` where lines do not fit each other, OSError.
    """
    train_pairs, test_pairs = _read_pairs(train), _read_pairs(test)
    rows = _negative_rows(negatives, test_pairs)
    user_codes, user_ids = _codes([train_pairs[0], test_pairs[0]])
    flat = [item for row in rows for item in row]
    item_codes, item_ids = _codes([train_pairs[1], test_pairs[1], flat])
    users = user_codes[1]
    if np.unique(users).size != users.size:
        raise InvalidDocument(str(test), [Problem("user", "must have one line of its own", "a user with several")])
    order = np.argsort(users, kind="stable")
    candidates = item_codes[2].reshape(len(rows), -1)[order]
    clicks = Clicks(user_codes[0], item_codes[0], user_ids, item_ids)
    return task_of(clicks, users[order], item_codes[1][order], candidates)


def read_lines_of_items(train: Path, test: Path) -> ListTask:
    """Fixed lists: a line for each user, `user item item …`, to learn from and to find. Raises `InvalidDocument`, OSError."""
    (train_users, train_items), (test_users, test_items) = _read_lines(train), _read_lines(test)
    user_codes, user_ids = _codes([train_users, test_users])
    item_codes, item_ids = _codes([train_items, test_items])
    clicks = Clicks(user_codes[0], item_codes[0], user_ids, item_ids)
    return task_of(clicks, user_codes[1], item_codes[1])


def _read_pairs(path: Path) -> tuple[list[str], list[str]]:
    read = pa_csv.ReadOptions(autogenerate_column_names=True)
    with open_bytes(path) as file:
        try:
            parse = pa_csv.ParseOptions(delimiter=_delimiter_of(path))
            # As text: an id is what it looks like.
            convert = pa_csv.ConvertOptions(column_types={"f0": pa.string(), "f1": pa.string()})
            table = pa_csv.read_csv(file, read, parse, convert)
        except pa.ArrowInvalid as error:
            raise _not_pairs(path, str(error).splitlines()[0]) from error
    if table.num_columns < 2:
        raise _not_pairs(path, f"{table.num_columns} columns")
    columns: list[list[Any]] = [table[name].to_pylist() for name in ("f0", "f1")]
    return columns[0], columns[1]


def _not_pairs(path: Path, received: str) -> InvalidDocument:
    return InvalidDocument(str(path), [Problem("line", "must be a user and an item, and what else there is", received)])


def _read_lines(path: Path) -> tuple[list[str], list[str]]:
    users: list[str] = []
    items: list[str] = []
    with open_bytes(path) as file:
        for line in file:
            user, *own = line.decode().replace(",", " ").split() or [""]
            users += [user] * len(own)
            items += own
    return users, items


def _negative_rows(path: Path, test: tuple[list[str], list[str]]) -> list[list[str]]:
    with open_bytes(path) as file:
        rows = [line.decode().split() for line in file if line.strip()]
    users, items = test
    if len(rows) != len(users):
        problem = Problem("lines", f"must be as many as in the test file, {len(users)}", str(len(rows)))
        raise InvalidDocument(str(path), [problem])
    labels = ([f"({user},{item})" for user, item in zip(users, items, strict=True)], users if len(users) > 1 else [])
    if [row[0] for row in rows] in labels:
        rows = [row[1:] for row in rows]
    lengths = {len(row) for row in rows}
    if len(lengths) != 1 or lengths == {0}:
        problem = Problem("line", "must hold as many negatives as every other", f"{min(lengths)} to {max(lengths)}")
        raise InvalidDocument(str(path), [problem])
    return rows


def _codes(parts: Sequence[list[str]]) -> tuple[list[npt.NDArray[np.int32]], list[str]]:
    """One numbering of the values of all parts; int32 for each."""
    column: Any = pa.chunked_array([pa.array(part, pa.string()) for part in parts])
    codes, values = codes_of(column)
    ends = np.cumsum([len(part) for part in parts])
    return np.split(codes, ends[:-1]), values


def _delimiter_of(path: Path) -> str:
    """Of a text file, from its first line: tab, comma, semicolon or blank."""
    if path.suffix == ".parquet":
        return ","
    with open_bytes(path) as file:
        line = file.readline().decode(errors="replace")
    return next((mark for mark in "\t,; " if mark in line.strip()), "\t")
