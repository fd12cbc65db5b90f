"""A table's rows as an Arrow IPC file that pyarrow, polars or DuckDB open without Freshet.

Columns of freshet.table/2: fid uint64, slot uint16, seen_at_s uint32, count uint8, vector fixed_size_list<float32>[dim], state
fixed_size_list<float32>[num_state_floats] (absent where the optimizer has none) and touched bool; the metadata names the
optimizer. A FID without a row is one of null vector and state: `touched` says whether its delete still has to be published,
and in an incremental file it tells that an older file's row is gone. A file of vectors, for replicas, has fid, slot and vector.

freshet.table/1 had Adagrad's `accumulator` for `state`, and no stamps and counts; its files are read for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.embedding.table import EmbeddingTable
from engine.errors import CorruptRecord

FORMAT = b"freshet.table/2"
OLDER_FORMAT = b"freshet.table/1"


@dataclass(frozen=True, slots=True)
class RowShape:
    """What a file of rows must match: dim, optimizer kind and floats of its state."""

    dim: int
    optimizer: str
    num_state_floats: int

    @staticmethod
    def of(table: EmbeddingTable) -> RowShape:
        return RowShape(table.dim, table.options.optimizer.kind, table.num_state_floats)


def check_shape(schema: pa.Schema, shape: RowShape, path: Path) -> None:
    """Raises CorruptRecord, saying what is different, for a file of rows of another table."""
    check_dim(schema, shape.dim, path)
    is_of_older = format_of(schema) == OLDER_FORMAT
    optimizer = (
        "adagrad" if is_of_older else (schema.metadata or {}).get(b"optimizer", b"none").decode(errors="replace")
    )
    if optimizer != shape.optimizer and "touched" in schema.names:
        raise corrupt(path, f"is of a table with the optimizer {optimizer}; this one's is {shape.optimizer}")
    held = schema.field("state").type if "state" in schema.names else None
    num_held = held.list_size if isinstance(held, pa.FixedSizeListType) else 0
    if not is_of_older and "touched" in schema.names and num_held != shape.num_state_floats:
        raise corrupt(path, f"has {num_held} floats of state a row; this table has {shape.num_state_floats}")


def check_dim(schema: pa.Schema, dim: int, path: Path) -> None:
    """Raises CorruptRecord for what is no table's file, or one of another dim."""
    if format_of(schema) not in (FORMAT, OLDER_FORMAT):
        raise corrupt(path, "is not a file of a table")
    vector = schema.field("vector").type if "vector" in schema.names else None
    if isinstance(vector, pa.FixedSizeListType) and vector.list_size != dim:
        raise corrupt(path, f"is of a table of dim {vector.list_size}; this one's is {dim}")


def format_of(schema: pa.Schema) -> bytes:
    return bytes((schema.metadata or {}).get(b"format", b""))


def corrupt(path: Path, problem: str) -> CorruptRecord:
    return CorruptRecord(f"{path} {problem}", path=str(path))


def list_type(width: int) -> Any:
    return pa.list_(pa.field("item", pa.float32(), nullable=False), width)


def state_schema(shape: RowShape) -> pa.Schema:
    """Of a file of rows."""
    fields: list[pa.Field[Any]] = [
        pa.field("fid", pa.uint64(), nullable=False),
        pa.field("slot", pa.uint16(), nullable=False),
        pa.field("seen_at_s", pa.uint32(), nullable=False),
        pa.field("count", pa.uint8(), nullable=False),
        pa.field("vector", list_type(shape.dim)),
    ]
    if shape.num_state_floats:
        fields.append(pa.field("state", list_type(shape.num_state_floats)))
    fields.append(pa.field("touched", pa.bool_(), nullable=False))
    return pa.schema(fields, metadata={b"format": FORMAT, b"optimizer": shape.optimizer.encode()})


def older_schema(dim: int) -> pa.Schema:
    """Of a file of rows of freshet.table/1."""
    return pa.schema(
        [
            pa.field("fid", pa.uint64(), nullable=False),
            pa.field("slot", pa.uint16(), nullable=False),
            pa.field("vector", list_type(dim)),
            pa.field("accumulator", list_type(dim)),
            pa.field("touched", pa.bool_(), nullable=False),
        ]
    )


def vectors_schema(dim: int) -> pa.Schema:
    """Of a file of vectors, of either version."""
    return pa.schema(
        [
            pa.field("fid", pa.uint64(), nullable=False),
            pa.field("slot", pa.uint16(), nullable=False),
            pa.field("vector", list_type(dim), nullable=False),
        ],
        metadata={b"format": FORMAT},
    )
