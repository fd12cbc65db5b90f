"""Columns of raw values straight from a Parquet file, without a Python object for any row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from engine.errors import InvalidDocument, Problem
from engine.features.columns import Columns

_PIECE_ROWS: Final = 32_768


def read_columns(path: Path, column_of: Mapping[str, str], batch_rows: int = 2048) -> Iterator[tuple[Columns, int]]:
    """The file's rows in their order, at most `batch_rows` at a time: columns by source, and how many rows they have.

    `column_of` names the file's column for each source (`FeatureEncoder.sources`). Any Arrow type that the encoder knows will do:
    strings, integers, booleans, floats, timestamps, and lists of one of these. Raises `InvalidDocument` when the file has no
    such column, OSError when it cannot be read.
    """
    with pq.ParquetFile(path, memory_map=True) as file:
        known = set(file.schema_arrow.names)
        problems = [
            Problem(source, f"must name a column of {path.name}", repr(column))
            for source, column in column_of.items()
            if column not in known
        ]
        if problems:
            raise InvalidDocument("columns", problems)
        wanted = sorted(set(column_of.values()))
        # A page is decoded much faster in one go; a slice of what came out costs nothing.
        for piece in file.iter_batches(batch_size=max(1, _PIECE_ROWS // batch_rows) * batch_rows, columns=wanted):
            for start in range(0, piece.num_rows, batch_rows):
                batch = piece.slice(start, batch_rows)
                yield {source: batch.column(column) for source, column in column_of.items()}, batch.num_rows
