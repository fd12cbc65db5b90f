"""Reading the files of `table_format`: every piece is checked before it is answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.embedding.rows import Fids, Floats, TableRows
from engine.embedding.table_format import (
    OLDER_FORMAT,
    RowShape,
    check_dim,
    check_shape,
    corrupt,
    format_of,
    older_schema,
    state_schema,
    vectors_schema,
)


@dataclass(frozen=True, slots=True)
class FilePiece:
    """Some of a file's rows; and FIDs without one, with whether their deletes still have to be published (bool [m])."""

    rows: TableRows
    gone: Fids
    is_pending: NDArray[np.bool_]


def is_older(path: Path) -> bool:
    """Whether a file is of freshet.table/1. Raises OSError, and CorruptRecord when it is damaged."""
    with _opened(path) as reader:
        return format_of(reader.schema) == OLDER_FORMAT


def read_rows(path: Path, shape: RowShape) -> Iterator[FilePiece]:
    """The pieces of a file of rows, each checked. Raises OSError when the file cannot be opened, and CorruptRecord, naming the
    file and what is wrong, when it is damaged, is no file of rows, or is one of a table of another dim or optimizer."""
    with _opened(path) as reader:
        check_shape(reader.schema, shape, path)
        is_of_older = format_of(reader.schema) == OLDER_FORMAT
        if not reader.schema.equals(older_schema(shape.dim) if is_of_older else state_schema(shape)):
            raise corrupt(path, f"is not a file of rows: its columns are {', '.join(reader.schema.names)}")
        for batch in _batches(reader, path):
            yield _to_piece(batch, shape, path)


def read_vectors(path: Path, dim: int) -> Iterator[TableRows]:
    """FIDs, slots and vectors of a file of vectors or of rows. Raises as `read_rows`."""
    with _opened(path) as reader:
        check_dim(reader.schema, dim, path)
        for field in vectors_schema(dim):
            if field.name not in reader.schema.names or reader.schema.field(field.name).type != field.type:
                raise corrupt(path, f"is not a file of vectors: its columns are {', '.join(reader.schema.names)}")
        for batch in _batches(reader, path):
            _check_nulls(batch, ("fid", "slot"), path)
            if batch.column("vector").null_count and "touched" not in batch.schema.names:
                raise corrupt(path, "is damaged: it holds rows without vectors")
            rows = batch.filter(batch.column("vector").is_valid())
            yield TableRows(
                rows.column("fid").to_numpy(),
                rows.column("slot").to_numpy(),
                _finite(rows, "vector", path).reshape(-1, dim),
            )


@contextmanager
def _opened(path: Path) -> Iterator[pa.RecordBatchFileReader]:
    """The reader of an Arrow file; what is wrong with the file becomes CorruptRecord."""
    if not path.stat().st_size:
        raise corrupt(path, "is damaged: it is empty")
    with pa.memory_map(str(path)) as source:
        try:
            reader = pa.ipc.open_file(source)
        except (pa.ArrowException, OSError) as error:
            raise corrupt(path, f"is damaged: {error}") from error
        yield reader


def _batches(reader: pa.RecordBatchFileReader, path: Path) -> Iterator[pa.RecordBatch]:
    for number in range(reader.num_record_batches):
        try:
            batch = reader.get_batch(number)
            batch.validate(full=True)
        except (pa.ArrowException, OSError) as error:
            raise corrupt(path, f"is damaged: {error}") from error
        yield batch


def _to_piece(batch: pa.RecordBatch, shape: RowShape, path: Path) -> FilePiece:
    is_older_batch = "accumulator" in batch.schema.names
    state_name = "accumulator" if is_older_batch else "state"
    _check_nulls(batch, [name for name in batch.schema.names if name not in ("vector", state_name)], path)
    is_row = batch.column("vector").is_valid()
    has_state = state_name in batch.schema.names
    if has_state and not batch.column(state_name).is_valid().equals(is_row):
        raise corrupt(path, "is damaged: it holds rows without their state")
    rows, gone = batch.filter(is_row), batch.filter(pc.invert(is_row))
    states = _finite(rows, state_name, path) if has_state else np.empty(0, np.float32)
    if shape.optimizer == "adagrad" and not (states > 0).all():
        raise corrupt(path, "is damaged: it holds accumulators that are not positive")
    return FilePiece(
        rows=TableRows(
            fids=rows.column("fid").to_numpy(),
            slots=rows.column("slot").to_numpy(),
            vectors=_finite(rows, "vector", path).reshape(-1, shape.dim),
            seen_at_s=None if is_older_batch else rows.column("seen_at_s").to_numpy(),
            counts=None if is_older_batch else rows.column("count").to_numpy(),
            states=states.reshape(rows.num_rows, shape.num_state_floats),
            touched=rows.column("touched").to_numpy(zero_copy_only=False),
        ),
        gone=gone.column("fid").to_numpy(),
        is_pending=gone.column("touched").to_numpy(zero_copy_only=False),
    )


def _check_nulls(batch: pa.RecordBatch, names: Iterable[str], path: Path) -> None:
    for name in names:
        if batch.column(name).null_count:
            raise corrupt(path, f"is damaged: it holds null values in {name}")


def _finite(batch: pa.RecordBatch, name: str, path: Path) -> Floats:
    """The floats of a column of valid lists, one after the other."""
    values: Floats = pc.list_flatten(batch.column(name)).to_numpy(zero_copy_only=False)
    if not np.isfinite(values).all():
        raise corrupt(path, f"is damaged: it holds values of {name} that are not finite")
    return values
