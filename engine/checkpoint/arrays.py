"""Named float arrays as an Arrow IPC file: `name` string, `shape` list<int64>, `values` large_list<float32> in row-major order."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.errors import CorruptRecord

FloatArrays = dict[str, npt.NDArray[np.float32]]

_SCHEMA = pa.schema([("name", pa.string()), ("shape", pa.list_(pa.int64())), ("values", pa.large_list(pa.float32()))])


def save_table_file(table: pa.Table, path: Path) -> None:
    """Write an Arrow table as one IPC file."""
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def load_table_file(path: Path) -> pa.Table:
    """Read an IPC file whole. Raises `CorruptRecord` when it is damaged."""
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
            table = reader.read_all()
            table.validate(full=True)
            return table
    except (pa.ArrowInvalid, OSError) as error:
        raise CorruptRecord(f"{path} is damaged: {error}") from error


def save_arrays(arrays: Mapping[str, npt.NDArray[np.float32]], path: Path) -> None:
    columns: list[Any] = [
        pa.array(list(arrays), pa.string()),
        pa.array([list(value.shape) for value in arrays.values()], pa.list_(pa.int64())),
        pa.array([np.ravel(value) for value in arrays.values()], pa.large_list(pa.float32())),
    ]
    save_table_file(pa.table(columns, schema=_SCHEMA), path)


def load_arrays(path: Path) -> FloatArrays:
    """The inverse of `save_arrays`, in its order. Raises `CorruptRecord`."""
    table = load_table_file(path)
    if not table.schema.equals(_SCHEMA):
        raise CorruptRecord(f"{path} is no file of named arrays: its columns are {table.schema.names}")
    try:
        values: Any = table.column("values").combine_chunks()
        rows = zip(table.column("name").to_pylist(), table.column("shape").to_pylist(), strict=True)
        return {
            str(name): np.array(values[row].values, np.float32).reshape(shape) for row, (name, shape) in enumerate(rows)
        }
    except ValueError as error:
        raise CorruptRecord(f"{path} is damaged: {error}") from error
