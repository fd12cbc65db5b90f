"""The refused rows of an import: written as JSON lines while it goes on, and given out as they are or as CSV."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import orjson

MAX_LINES: Final = 100_000
"""Of one import so many refused rows are kept; the rest are only counted."""

_COLUMNS: Final = ("row", "field", "rule", "received", "all")


class RejectedFile:
    """Appends refused rows, each written through before the batch is noted, so that a resumed import knows which are there.

    `num_noted`: those that earlier attempts have noted; lines beyond them were written by one that was killed, and go.
    """

    def __init__(self, path: Path, num_noted: int) -> None:
        self._num = min(num_noted, MAX_LINES)
        self._file: IO[bytes] = path.open("r+b" if path.exists() else "w+b", buffering=0)
        self._file.truncate(_end_of_line(path, self._num))
        self._file.seek(0, io.SEEK_END)

    def write(self, number: int, problems: list[dict[str, str]], row: Any) -> None:
        if self._num < MAX_LINES:
            line = {"row": number, "problems": problems, "received": row}
            self._file.write(orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE))
        self._num += 1

    def close(self) -> None:
        self._file.close()


def first_rejected(path: Path, limit: int) -> list[dict[str, Any]]:
    """The first refused rows; none where there is no file."""
    return list(itertools.islice(_lines(path), limit)) if path.is_file() else []


def as_csv(path: Path) -> Iterator[bytes]:
    """A line for each broken rule, with the whole row as JSON in the last column."""
    yield _csv_line(_COLUMNS)
    for line in _lines(path):
        received = orjson.dumps(line.get("received")).decode()
        for problem in line.get("problems", []):
            yield _csv_line((line.get("row"), problem["field"], problem["rule"], problem["received"], received))


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            yield orjson.loads(line)


def _end_of_line(path: Path, number: int) -> int:
    with path.open("rb") as file:
        return sum(len(line) for line in itertools.islice(file, number))


def _csv_line(values: tuple[Any, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow([_harmless(value) for value in values])
    return text.getvalue().encode()


def _harmless(value: Any) -> Any:
    """A cell that a spreadsheet would take for a formula begins with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value
