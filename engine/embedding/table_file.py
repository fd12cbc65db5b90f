"""A table as an Arrow IPC file that pyarrow, polars or DuckDB open without Freshet.

Columns: fid uint64, slot uint16, vector fixed_size_list<float32>[dim] and, with state, accumulator (the same type) and touched bool.
With state, a FID whose delete still has to be published is a row of null vector and null accumulator.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.embedding.table import EmbeddingTable, Floats, TableRows
from engine.errors import CorruptRecord

FORMAT = b"freshet.table/1"
BATCH_ROWS = 65_536


def save_table(table: EmbeddingTable, path: Path, *, with_state: bool = True) -> None:
    """Stream the table to a new file at `path`. `with_state=False` writes a snapshot: fid, slot and vector only.

    Keep writers away from the table meanwhile. Raises OSError. Writing aside, renaming and checksums are the caller's.
    """
    schema = _schema(table.dim, with_state)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for rows in table.rows(BATCH_ROWS):
            writer.write_batch(_to_batch(rows, schema))
        if with_state:
            deleted = table.pending_deletes()
            for start in range(0, len(deleted), BATCH_ROWS):
                writer.write_batch(_deletes_to_batch(deleted[start : start + BATCH_ROWS], schema))


def load_table(table: EmbeddingTable, path: Path) -> int:
    """Fill an empty table from a file of `save_table`; answers the number of rows.

    The whole file is read and checked before the table changes. A file without state gives every row the initial accumulator and
    touches none. Raises ValueError when the table is not empty, OSError when the file cannot be opened, and CorruptRecord when
    it is damaged, is not a table's, or has another dim.
    """
    if len(table):
        raise ValueError(f"load_table fills an empty table, received one of {len(table)} rows")
    for batch in _checked_batches(path, table.dim):
        _check_values(batch, path)
    for batch in _checked_batches(path, table.dim):
        is_row = batch.column("vector").is_valid()
        table.import_rows(_to_rows(batch.filter(is_row), table.dim))
        deleted = batch.filter(pc.invert(is_row)).column("fid")
        table.import_deletes(deleted.to_numpy())
    return len(table)


def _vector_type(dim: int) -> pa.FixedSizeListType[Any, Any]:
    return pa.list_(pa.field("item", pa.float32(), nullable=False), dim)


def _schema(dim: int, with_state: bool) -> pa.Schema:
    vector = _vector_type(dim)
    fields: list[pa.Field[Any]] = [
        pa.field("fid", pa.uint64(), nullable=False),
        pa.field("slot", pa.uint16(), nullable=False),
        pa.field("vector", vector, nullable=with_state),
    ]
    if with_state:
        fields.append(pa.field("accumulator", vector))
        fields.append(pa.field("touched", pa.bool_(), nullable=False))
    return pa.schema(fields, metadata={b"format": FORMAT})


def _to_batch(rows: TableRows, schema: pa.Schema) -> pa.RecordBatch:
    arrays: list[pa.Array[Any]] = [pa.array(rows.fids), pa.array(rows.slots), _to_lists(rows.vectors)]
    if rows.accumulators is not None and rows.touched is not None and "accumulator" in schema.names:
        arrays += [_to_lists(rows.accumulators), pa.array(rows.touched)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _to_lists(matrix: Floats) -> pa.Array[Any]:
    values: pa.Array[Any] = pa.array(matrix.reshape(-1))
    kind: Any = _vector_type(matrix.shape[1])  # the stubs know no overload for a list type of Any
    return pa.FixedSizeListArray.from_arrays(values, type=kind)


def _deletes_to_batch(fids: NDArray[np.uint64], schema: pa.Schema) -> pa.RecordBatch:
    columns = {
        "fid": pa.array(fids),
        "slot": pa.array(np.zeros(len(fids), np.uint16)),
        "vector": pa.nulls(len(fids), schema.field("vector").type),
        "accumulator": pa.nulls(len(fids), schema.field("accumulator").type),
        "touched": pa.array(np.ones(len(fids), np.bool_)),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def _checked_batches(path: Path, dim: int) -> Iterator[pa.RecordBatch]:
    """The file's record batches, structurally valid and of a schema that a table of this dim has."""
    schemas = [_schema(dim, with_state) for with_state in (True, False)]
    with pa.memory_map(str(path)) as source:
        try:
            with pa.ipc.open_file(source) as reader:
                if not any(reader.schema.equals(schema, check_metadata=True) for schema in schemas):
                    raise CorruptRecord(f"{path} is not a file of a table of dim {dim}", path=str(path))
                for number in range(reader.num_record_batches):
                    batch = reader.get_batch(number)
                    batch.validate(full=True)
                    yield batch
        except (pa.ArrowException, OSError) as error:
            raise CorruptRecord(f"{path} is damaged: {error}", path=str(path)) from error


def _check_values(batch: pa.RecordBatch, path: Path) -> None:
    """Raise CorruptRecord for values that the table would refuse."""
    vector = batch.column("vector")
    problem = None
    if batch.column("fid").null_count or batch.column("slot").null_count:
        problem = "null FIDs or slots"
    elif not np.isfinite(_floats(vector)).all():
        problem = "vectors that are not finite"
    elif "accumulator" not in batch.schema.names:
        problem = "rows without vectors" if vector.null_count else None
    else:
        accumulators = _floats(batch.column("accumulator"))
        if not batch.column("accumulator").is_valid().equals(vector.is_valid()) or batch.column("touched").null_count:
            problem = "rows without their state"
        elif not (np.isfinite(accumulators) & (accumulators > 0)).all():
            problem = "accumulators that are not finite and positive"
    if problem:
        raise CorruptRecord(f"{path} is damaged: it holds {problem}", path=str(path))


def _floats(column: pa.Array[Any]) -> Floats:
    """The floats of the column's valid lists, one after the other."""
    values: Floats = pc.list_flatten(column).to_numpy(zero_copy_only=False)
    return values


def _to_rows(batch: pa.RecordBatch, dim: int) -> TableRows:
    with_state = "accumulator" in batch.schema.names
    return TableRows(
        fids=batch.column("fid").to_numpy(),
        slots=batch.column("slot").to_numpy(),
        vectors=_floats(batch.column("vector")).reshape(-1, dim),
        accumulators=_floats(batch.column("accumulator")).reshape(-1, dim) if with_state else None,
        touched=batch.column("touched").to_numpy(zero_copy_only=False) if with_state else None,
    )
