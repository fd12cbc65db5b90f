"""Snapshots: a complete serving copy of a model at one sequence number."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.checkpoint.arrays import load_arrays, save_arrays
from engine.checkpoint.folder import write_folder
from engine.embedding.store import EmbeddingStore
from engine.embedding.table_file import load_table, save_table
from engine.spec.definition import ModelDefinition
from engine.sync.snapshot import LoadedSnapshot, SnapshotMeta

DENSE_FILE: Final = "dense.arrow"


def table_file(table: str) -> str:
    return f"{table}.arrow"


def write_snapshot(
    parent: Path,
    store: EmbeddingStore,
    weights: Mapping[str, npt.NDArray[np.float32]],
    meta: SnapshotMeta,
    created_ms: int,
) -> Path:
    """Write tables (without optimizer state) and dense weights as a folder of `parent`; its name sorts by sequence, then time."""

    def fill(folder: Path) -> None:
        for name, table in store.tables.items():
            save_table(table, folder / table_file(name), with_state=False)
        save_arrays(weights, folder / DENSE_FILE)

    document = meta.model_copy(update={"created_ms": created_ms}).model_dump(mode="json")
    return write_folder(parent, f"{meta.sequence:012d}-{created_ms:013d}", fill, document)


def load_snapshot(folder: Path, definition: ModelDefinition) -> LoadedSnapshot:
    """Read a folder whose checksums were verified (`open_folder`). Raises `CorruptRecord` when it is not of this definition."""
    store = EmbeddingStore.for_definition(definition)
    for name, table in store.tables.items():
        load_table(table, folder / table_file(name))
    return LoadedSnapshot(store, load_arrays(folder / DENSE_FILE))
