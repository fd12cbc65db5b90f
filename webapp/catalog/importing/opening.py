"""A file and its mapping, checked and ready to be read as events."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InvalidDocument, Problem
from engine.spec.schema import Schema
from webapp.catalog.importing.mapping import EventMapping, FileFormat
from webapp.catalog.importing.ordering import ALL_TIME, TimeRange, in_file_order, in_time_order
from webapp.catalog.importing.reading import BrokenRow, format_of, read_batches
from webapp.catalog.importing.rows import Row, RowMaker

_CHUNK_BYTES = 1 << 20


def read_mapping(path: Path) -> EventMapping:
    """Raises `InvalidDocument`, OSError."""
    try:
        document = json.loads(path.read_text())
    except ValueError as error:
        raise InvalidDocument("mapping", [Problem("(document)", f"must be JSON: {error}", repr(path.name))]) from error
    return EventMapping.parse(document, "mapping")


@dataclass(frozen=True, slots=True)
class EventFile:
    """What is read, how, and in which order. The order is a function of these values alone, so that loading can resume."""

    path: Path
    mapping: EventMapping
    schema: Schema
    within: TimeRange = ALL_TIME
    sort: bool = False

    @property
    def format(self) -> FileFormat:
        return self.mapping.format or format_of(self.path)

    def rows(self, on_read: Callable[[int], None] = lambda _: None) -> Iterator[Row | BrokenRow]:
        """Raises `InvalidDocument` when a mapped column is absent, OSError and `pa.ArrowInvalid` when it cannot be read."""
        batches = read_batches(self.path, self.format, self.mapping.columns)
        maker = RowMaker(self.mapping, self.format, self.schema)
        if self.sort:
            return in_time_order(batches, maker, self.within, on_read)
        return in_file_order(batches, maker, self.within)

    def fingerprint(self) -> str:
        """SHA-256 of everything that decides which rows come, and in which order."""
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
        settings = [self.mapping.as_json(), self.within.from_ms, self.within.until_ms, self.sort]
        digest.update(json.dumps(settings, sort_keys=True).encode())
        return digest.hexdigest()
