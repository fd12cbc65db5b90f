"""Tables of CSV (plain, .gz or .zst), tab-separated text or Parquet, by column names."""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import zstandard

from engine.errors import InvalidDocument, Problem


def open_bytes(path: Path) -> IO[bytes]:
    """A file's bytes, decompressed when its name ends in .gz or .zst. Raises OSError."""
    if path.suffix == ".gz":
        return io.BufferedReader(gzip.open(path, "rb"))
    if path.suffix == ".zst":
        return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(path.open("rb"), closefd=True))
    return path.open("rb")


def read_columns(
    path: Path, columns: Sequence[str], *, delimiter: str = ",", header: Sequence[str] | None = None
) -> pa.Table:
    """The named columns. `header` names the columns of a text file that has no first line of names.

    Raises `InvalidDocument` for a column that is not there, OSError for a file that is not.
    """
    if path.suffix == ".parquet":
        known = pq.read_schema(path).names
        _check_known(path, columns, known)
        return pq.read_table(path, columns=list(columns))
    read = pa_csv.ReadOptions(column_names=list(header) if header else None)
    with open_bytes(path) as file:
        try:
            table = pa_csv.read_csv(file, read, pa_csv.ParseOptions(delimiter=delimiter))
        except pa.ArrowInvalid as error:
            problem = Problem("file", f"must be text of columns separated by {delimiter!r}", str(error).splitlines()[0])
            raise InvalidDocument(str(path), [problem]) from error
    _check_known(path, columns, table.column_names)
    return table.select(list(columns))


def codes_of(column: pa.ChunkedArray[Any]) -> tuple[npt.NDArray[np.int32], list[str]]:
    """int32[n] numbers of the values in order of first appearance, and the values as text. A null is a value of its own, ''."""
    encoded: Any = column.combine_chunks().dictionary_encode(null_encoding="encode")
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    values = ["" if value is None else str(value) for value in encoded.dictionary.to_pylist()]
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32), values


def _check_known(path: Path, wanted: Sequence[str], known: Sequence[str]) -> None:
    problems = [
        Problem(name, f"is not a column; the columns are {', '.join(known)}", repr(name))
        for name in wanted
        if name not in known
    ]
    if problems:
        raise InvalidDocument(str(path), problems)
