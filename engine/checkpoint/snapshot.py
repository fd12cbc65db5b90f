"""Snapshots: a complete serving copy of a model at one sequence number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.checkpoint.arrays import load_arrays, save_arrays
from engine.checkpoint.folder import write_folder
from engine.embedding.store import EmbeddingStore, ServingStore
from engine.embedding.table_file import load_vectors, save_vectors
from engine.embedding.table_restore import rows_file
from engine.spec.definition import ModelDefinition
from engine.sync.snapshot import LoadedSnapshot, SnapshotMeta

DENSE_FILE: Final = "dense.arrow"


def write_snapshot(
    parent: Path,
    store: EmbeddingStore,
    weights: Mapping[str, npt.NDArray[np.float32]],
    meta: SnapshotMeta,
    created_ms: int,
) -> Path:
    """Write tables (vectors only) and dense weights as a folder of `parent`, while nobody changes them."""

    def fill(folder: Path) -> None:
        for name, table in store.tables.items():
            save_vectors(table, folder / rows_file(name))
        save_arrays(weights, folder / DENSE_FILE)

    return write_snapshot_folder(parent, meta.model_copy(update={"created_ms": created_ms}), fill)


def write_snapshot_folder(
    parent: Path,
    meta: SnapshotMeta,
    fill: Callable[[Path], None],
    placing: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Path:
    """A snapshot's folder with whatever `fill` writes; its name sorts by sequence, then time (`meta.created_ms`)."""
    name = f"{meta.sequence:012d}-{meta.created_ms or 0:013d}"
    return write_folder(parent, name, fill, meta.model_dump(mode="json"), placing=placing)


def load_snapshot(folder: Path, definition: ModelDefinition) -> LoadedSnapshot:
    """Read a folder whose checksums were verified (`open_folder`). Raises `CorruptRecord` when it is not of this definition."""
    store = ServingStore.for_definition(definition)
    for name, table in store.tables.items():
        load_vectors(table, folder / rows_file(name))
    return LoadedSnapshot(store, load_arrays(folder / DENSE_FILE))
