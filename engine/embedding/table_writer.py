"""Writing a table's rows to the files of `table_format`, piece by piece."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.embedding.rows import Fids, Floats, TableRows
from engine.embedding.table_format import RowShape, list_type, state_schema, vectors_schema

BATCH_ROWS = 65_536


class _Writer:
    """A new Arrow file of a schema; a context manager. What ends with an exception is left without an end: damaged."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._sink, schema)

    def _write(self, arrays: dict[str, Any]) -> None:
        self._writer.write_batch(
            pa.RecordBatch.from_arrays([arrays[name] for name in self._schema.names], schema=self._schema)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._writer.close()
        finally:
            self._sink.close()


class RowsWriter(_Writer):
    """Writes rows, and FIDs without one, piece by piece. Raises OSError."""

    def __init__(self, path: Path, shape: RowShape) -> None:
        super().__init__(path, state_schema(shape))

    def write(self, rows: TableRows) -> None:
        """Rows as a table exports them, every array given."""
        arrays: dict[str, Any] = {
            "fid": pa.array(rows.fids),
            "slot": pa.array(rows.slots),
            "seen_at_s": _to_array(rows.seen_at_s),
            "count": _to_array(rows.counts),
            "vector": _to_lists(rows.vectors),
            "touched": _to_array(rows.touched),
        }
        if "state" in self._schema.names and rows.states is not None:
            arrays["state"] = _to_lists(rows.states)
        self._write(arrays)

    def write_gone(self, fids: Fids, *, is_pending: bool) -> None:
        """FIDs that have no row."""
        for start in range(0, len(fids), BATCH_ROWS):
            some = fids[start : start + BATCH_ROWS]
            arrays: dict[str, Any] = {"fid": pa.array(some), "touched": pa.array(np.full(len(some), is_pending))}
            for name in ("slot", "seen_at_s", "count"):
                arrays[name] = pa.array(np.zeros(len(some)), self._schema.field(name).type)
            for name in ("vector", "state"):
                if name in self._schema.names:
                    arrays[name] = pa.nulls(len(some), self._schema.field(name).type)
            self._write(arrays)


class VectorsWriter(_Writer):
    """Writes fid, slot and vector of rows, piece by piece. Raises OSError."""

    def __init__(self, path: Path, dim: int) -> None:
        super().__init__(path, vectors_schema(dim))

    def write(self, rows: TableRows) -> None:
        self._write({"fid": pa.array(rows.fids), "slot": pa.array(rows.slots), "vector": _to_lists(rows.vectors)})


def _to_array(values: NDArray[Any] | None) -> Any:
    if values is None:
        raise ValueError("rows to be saved have stamps, counts, states and touched, received some without")
    return pa.array(values)


def _to_lists(matrix: Floats) -> Any:
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), type=list_type(matrix.shape[1]))
