"""A table's rows as an Arrow IPC file that pyarrow, polars or DuckDB open without Freshet.

Columns of freshet.table/2: fid uint64, slot uint16, seen_at_s uint32, count uint8, vector fixed_size_list<float32>[dim], state
fixed_size_list<float32>[num_state_floats] (absent where the optimizer has none) and touched bool; the metadata names the
optimizer. A FID without a row is one of null vector and state: `touched` says whether its delete still has to be published,
and in an incremental file it tells that an older file's row is gone. A file of vectors, for replicas, has fid, slot and vector.

freshet.table/1 had Adagrad's `accumulator` for `state`, and no stamps and counts; its files are read for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.embedding.rows import Fids, Floats, TableRows
from engine.embedding.serving_table import ServingTable
from engine.embedding.table import EmbeddingTable
from engine.errors import CorruptRecord

FORMAT = b"freshet.table/2"
OLDER_FORMAT = b"freshet.table/1"
BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class RowShape:
    """What a file of rows must match: dim, optimizer kind and floats of its state."""

    dim: int
    optimizer: str
    num_state_floats: int

    @staticmethod
    def of(table: EmbeddingTable) -> RowShape:
        return RowShape(table.dim, table.options.optimizer.kind, table.num_state_floats)


@dataclass(frozen=True, slots=True)
class FilePiece:
    """Some of a file's rows; and FIDs without one, with whether their deletes still have to be published (bool [m])."""

    rows: TableRows
    gone: Fids
    is_pending: NDArray[np.bool_]


class RowsWriter:
    """Writes rows and FIDs without one to a new file, piece by piece; a context manager. Raises OSError."""

    def __init__(self, path: Path, shape: RowShape) -> None:
        self._schema = _state_schema(shape)
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._sink, self._schema)

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

    def _write(self, arrays: dict[str, Any]) -> None:
        self._writer.write_batch(
            pa.RecordBatch.from_arrays([arrays[name] for name in self._schema.names], schema=self._schema)
        )

    def __enter__(self) -> RowsWriter:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._writer.close()
        finally:
            self._sink.close()


class VectorsWriter:
    """Writes fid, slot and vector of rows to a new file, piece by piece; a context manager. Raises OSError."""

    def __init__(self, path: Path, dim: int) -> None:
        self._schema = _vectors_schema(dim, FORMAT)
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._sink, self._schema)

    def write(self, rows: TableRows) -> None:
        arrays: list[Any] = [pa.array(rows.fids), pa.array(rows.slots), _to_lists(rows.vectors)]
        self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))

    def __enter__(self) -> VectorsWriter:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._writer.close()
        finally:
            self._sink.close()


def save_vectors(table: EmbeddingTable, path: Path) -> None:
    """Stream the table's vectors to a new file. For a consistent picture beside writers see `StoreImage`.

    Raises OSError. Writing aside, renaming and checksums are the caller's.
    """
    with VectorsWriter(path, table.dim) as writer:
        for rows in table.rows(BATCH_ROWS):
            writer.write(rows)


def load_vectors(table: EmbeddingTable | ServingTable, path: Path) -> int:
    """Fill an empty table from a file of vectors, or the vectors of a file of rows; answers the number of rows.

    The whole file is read and checked before the table changes. Rows are new ones to an `EmbeddingTable`, and none is
    touched. Raises ValueError when the table is not empty, OSError when the file cannot be opened, and CorruptRecord when it is
    damaged, is not a table's, or has another dim.
    """
    if len(table):
        raise ValueError(f"load_vectors fills an empty table, received one of {len(table)} rows")
    for _ in _vectors_of(path, table.dim):
        pass
    for rows in _vectors_of(path, table.dim):
        if isinstance(table, ServingTable):
            table.upsert(rows.fids, rows.vectors)
        else:
            table.import_rows(rows)
    return len(table)


def is_older(path: Path) -> bool:
    """Whether a file is of freshet.table/1. Raises OSError, and CorruptRecord when it is damaged."""
    with _opened(path) as reader:
        return _format_of(reader.schema) == OLDER_FORMAT


def read_rows(path: Path, shape: RowShape) -> Iterator[FilePiece]:
    """The pieces of a file of rows, each checked. Raises OSError when the file cannot be opened, and CorruptRecord, naming the
    file and what is wrong, when it is damaged, is no file of rows, or is one of a table of another dim or optimizer."""
    expected = {FORMAT: _state_schema(shape), OLDER_FORMAT: _older_schema(shape.dim)}
    with _opened(path) as reader:
        _check_shape(reader.schema, shape, path)
        if not _matches(reader.schema, expected):
            raise _corrupt(path, f"is not a file of rows: its columns are {', '.join(reader.schema.names)}")
        for batch in _batches(reader, path):
            yield _to_piece(batch, shape, path)


def _vectors_of(path: Path, dim: int) -> Iterator[TableRows]:
    with _opened(path) as reader:
        _check_dim(reader.schema, dim, path)
        if not {"fid", "slot", "vector"} <= set(reader.schema.names):
            raise _corrupt(path, f"has no vectors: its columns are {', '.join(reader.schema.names)}")
        for batch in _batches(reader, path):
            _check_nulls(batch, ("fid", "slot"), path)
            if batch.column("vector").null_count and "touched" not in batch.schema.names:
                raise _corrupt(path, "is damaged: it holds rows without vectors")
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
        raise _corrupt(path, "is damaged: it is empty")
    with pa.memory_map(str(path)) as source:
        try:
            reader = pa.ipc.open_file(source)
        except (pa.ArrowException, OSError) as error:
            raise _corrupt(path, f"is damaged: {error}") from error
        yield reader


def _batches(reader: pa.RecordBatchFileReader, path: Path) -> Iterator[pa.RecordBatch]:
    for number in range(reader.num_record_batches):
        try:
            batch = reader.get_batch(number)
            batch.validate(full=True)
        except (pa.ArrowException, OSError) as error:
            raise _corrupt(path, f"is damaged: {error}") from error
        yield batch


def _to_piece(batch: pa.RecordBatch, shape: RowShape, path: Path) -> FilePiece:
    is_older_batch = "accumulator" in batch.schema.names
    state_name = "accumulator" if is_older_batch else "state"
    _check_nulls(batch, [name for name in batch.schema.names if name not in ("vector", state_name)], path)
    is_row = batch.column("vector").is_valid()
    has_state = state_name in batch.schema.names
    if has_state and not batch.column(state_name).is_valid().equals(is_row):
        raise _corrupt(path, "is damaged: it holds rows without their state")
    rows, gone = batch.filter(is_row), batch.filter(pc.invert(is_row))
    states = _finite(rows, state_name, path) if has_state else np.empty(0, np.float32)
    if shape.optimizer == "adagrad" and not (states > 0).all():
        raise _corrupt(path, "is damaged: it holds accumulators that are not positive")
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


def _check_nulls(batch: pa.RecordBatch, names: Any, path: Path) -> None:
    for name in names:
        if batch.column(name).null_count:
            raise _corrupt(path, f"is damaged: it holds null values in {name}")


def _finite(batch: pa.RecordBatch, name: str, path: Path) -> Floats:
    """The floats of a column of valid lists, one after the other."""
    values: Floats = pc.list_flatten(batch.column(name)).to_numpy(zero_copy_only=False)
    if not np.isfinite(values).all():
        raise _corrupt(path, f"is damaged: it holds values of {name} that are not finite")
    return values


def _check_shape(schema: pa.Schema, shape: RowShape, path: Path) -> None:
    """Say plainly what is different about another table's file."""
    _check_dim(schema, shape.dim, path)
    is_of_older = _format_of(schema) == OLDER_FORMAT
    optimizer = (
        "adagrad" if is_of_older else (schema.metadata or {}).get(b"optimizer", b"none").decode(errors="replace")
    )
    if optimizer != shape.optimizer and "touched" in schema.names:
        raise _corrupt(path, f"is of a table with the optimizer {optimizer}; this one's is {shape.optimizer}")
    held = schema.field("state").type if "state" in schema.names else None
    num_held = held.list_size if isinstance(held, pa.FixedSizeListType) else 0
    if not is_of_older and "touched" in schema.names and num_held != shape.num_state_floats:
        raise _corrupt(path, f"has {num_held} floats of state a row; this table has {shape.num_state_floats}")


def _check_dim(schema: pa.Schema, dim: int, path: Path) -> None:
    if _format_of(schema) not in (FORMAT, OLDER_FORMAT):
        raise _corrupt(path, "is not a file of a table")
    vector = schema.field("vector").type if "vector" in schema.names else None
    if isinstance(vector, pa.FixedSizeListType) and vector.list_size != dim:
        raise _corrupt(path, f"is of a table of dim {vector.list_size}; this one's is {dim}")


def _matches(schema: pa.Schema, expected: dict[bytes, pa.Schema]) -> bool:
    wanted = expected.get(_format_of(schema))
    return wanted is not None and bool(schema.equals(wanted))


def _format_of(schema: pa.Schema) -> bytes:
    return bytes((schema.metadata or {}).get(b"format", b""))


def _corrupt(path: Path, problem: str) -> CorruptRecord:
    return CorruptRecord(f"{path} {problem}", path=str(path))


def _list_type(width: int) -> Any:
    return pa.list_(pa.field("item", pa.float32(), nullable=False), width)


def _to_array(values: NDArray[Any] | None) -> Any:
    if values is None:
        raise ValueError("rows to be saved have stamps, counts, states and touched, received some without")
    return pa.array(values)


def _to_lists(matrix: Floats) -> Any:
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), type=_list_type(matrix.shape[1]))


def _state_schema(shape: RowShape) -> pa.Schema:
    fields: list[pa.Field[Any]] = [
        pa.field("fid", pa.uint64(), nullable=False),
        pa.field("slot", pa.uint16(), nullable=False),
        pa.field("seen_at_s", pa.uint32(), nullable=False),
        pa.field("count", pa.uint8(), nullable=False),
        pa.field("vector", _list_type(shape.dim)),
    ]
    if shape.num_state_floats:
        fields.append(pa.field("state", _list_type(shape.num_state_floats)))
    fields.append(pa.field("touched", pa.bool_(), nullable=False))
    return pa.schema(fields, metadata={b"format": FORMAT, b"optimizer": shape.optimizer.encode()})


def _older_schema(dim: int) -> pa.Schema:
    return pa.schema(
        [
            pa.field("fid", pa.uint64(), nullable=False),
            pa.field("slot", pa.uint16(), nullable=False),
            pa.field("vector", _list_type(dim)),
            pa.field("accumulator", _list_type(dim)),
            pa.field("touched", pa.bool_(), nullable=False),
        ]
    )


def _vectors_schema(dim: int, version: bytes) -> pa.Schema:
    return pa.schema(
        [
            pa.field("fid", pa.uint64(), nullable=False),
            pa.field("slot", pa.uint16(), nullable=False),
            pa.field("vector", _list_type(dim), nullable=False),
        ],
        metadata={b"format": version},
    )
