"""A training state at one moment, taken between two batches and written while training goes on; and how it is read again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from engine.checkpoint.arrays import FloatArrays, load_table_file, save_arrays, save_table_file
from engine.checkpoint.folder import write_folder
from engine.checkpoint.folder_fence import in_epoch
from engine.checkpoint.manifest import read_manifest
from engine.checkpoint.snapshot import DENSE_FILE, write_snapshot_folder
from engine.embedding.table_saver import StoreImage
from engine.errors import CorruptRecord
from engine.retrieval.item_to_item import ItemToItem
from engine.sync.snapshot import SnapshotMeta
from engine.training.co_occurrence import load_co_occurrence, save_co_occurrence
from engine.training.item_catalogue import CatalogueCopy

CHECKPOINTS: Final = "checkpoints"
SNAPSHOTS: Final = "snapshots"
CHECKPOINT_FORMAT: Final = 2
"""In a manifest's meta. Format 1, which does not say so, has no event clock, and tables without stamps and candidates."""

OPTIMIZER_FILE: Final = "optimizer.arrow"
CATALOGUE_FILE: Final = "catalogue.arrow"
_POOL_FILE: Final = "pool.arrow"
_FREQUENCY_FILE: Final = "frequency.arrow"
_PROGRESS_FILE: Final = "progress.json"
_WINDOW_PREFIX: Final = "metrics_"
_WINDOW_FILE: Final = _WINDOW_PREFIX + "{}.arrow"


@dataclass(frozen=True, slots=True)
class Written:
    """The folders that a cut became."""

    checkpoint: Path
    snapshot: Path | None = None


@dataclass(frozen=True, slots=True)
class SmallState:
    """What a checkpoint has whole each time: the pool's rows, the frequencies' arrays (of known items), the metrics' windows,
    counters as JSON types, and what is acted on together. A checkpoint written before there were windows has none, and counts none
    of the items.
    """

    pool: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    gap: npt.NDArray[np.float64]
    count: npt.NDArray[np.int64]
    windows: dict[str, pa.Table]
    counters: dict[str, Any]
    item_to_item: ItemToItem

    def save(self, folder: Path) -> None:
        save_table_file(pa.table({"row": self.pool}), folder / _POOL_FILE)
        save_table_file(pa.table({"last": self.last, "gap": self.gap, "count": self.count}), folder / _FREQUENCY_FILE)
        for name, window in self.windows.items():
            save_table_file(window, folder / _WINDOW_FILE.format(name))
        (folder / _PROGRESS_FILE).write_bytes(orjson.dumps(self.counters))
        save_co_occurrence(self.item_to_item, folder)

    @classmethod
    def load(cls, folder: Path) -> SmallState:
        """Raises `CorruptRecord`, KeyError, ValueError for a folder without such files."""
        frequency = load_table_file(folder / _FREQUENCY_FILE)
        return cls(
            pool=_column(load_table_file(folder / _POOL_FILE), "row"),
            last=_column(frequency, "last"),
            gap=_column(frequency, "gap"),
            count=_column(frequency, "count")
            if "count" in frequency.column_names
            else np.zeros(len(frequency), np.int64),
            windows={
                path.stem.removeprefix(_WINDOW_PREFIX): load_table_file(path)
                for path in sorted(folder.glob(_WINDOW_FILE.format("*")))
            },
            counters=orjson.loads((folder / _PROGRESS_FILE).read_bytes()),
            item_to_item=load_co_occurrence(folder),
        )


@dataclass(frozen=True, slots=True)
class StateCut:
    """Copies of everything small, and an image of the tables. `write` or `close` it, once, from any one thread.

    `previous` is the checkpoint that the image builds on; None when it is full. A full cut may carry a snapshot of the same moment.
    """

    name: str
    meta: dict[str, Any]
    previous: Path | None
    tables: StoreImage
    dense: FloatArrays
    moments: FloatArrays
    catalogue: CatalogueCopy
    small: SmallState
    snapshot: SnapshotMeta | None = None

    @property
    def is_full(self) -> bool:
        return self.previous is None

    def write(self, directory: Path, fence: Callable[[], None]) -> Written:
        """Write a checkpoint folder below `directory/checkpoints`, and the snapshot's below `directory/snapshots`, each whole or not
        at all. Raises OSError, and what `fence` raises.

        `fence` is asked when all is written, and once more, with its epoch, while a folder is put in its place: a process that was
        stopped in the midst of writing must not put its old state above a successor's.
        """
        snapshots: list[Path] = []

        def placing() -> AbstractContextManager[None]:
            return in_epoch(directory, fence)

        def fill(folder: Path) -> None:
            if self.snapshot is None:
                self.tables.write(folder)
            else:
                snapshots.append(self._write_snapshot(directory / SNAPSHOTS, self.snapshot, folder, placing))
            self._save_the_rest(folder)
            fence()

        with self.tables:
            try:
                checkpoint = write_folder(
                    directory / CHECKPOINTS, self.name, fill, self.meta, previous=self.previous, placing=placing
                )
            except OSError:
                # A successor clears away what an old holder writes and builds on: then that is what is wrong.
                with placing():
                    raise
            self.tables.confirm()
        return Written(checkpoint, *snapshots)

    def close(self) -> None:
        """Let go of the tables' image without writing it."""
        self.tables.close()

    def _write_snapshot(
        self, parent: Path, meta: SnapshotMeta, folder: Path, placing: Callable[[], AbstractContextManager[None]]
    ) -> Path:
        """One walk through the rows writes them into both folders."""

        def fill(snapshot: Path) -> None:
            self.tables.write(folder, snapshot)
            save_arrays(self.dense, snapshot / DENSE_FILE)

        return write_snapshot_folder(parent, meta, fill, placing)

    def _save_the_rest(self, folder: Path) -> None:
        save_arrays(self.dense, folder / DENSE_FILE)
        save_arrays(self.moments, folder / OPTIMIZER_FILE)
        save_table_file(self.catalogue.to_arrow(), folder / CATALOGUE_FILE)
        self.small.save(folder)


def oldest_place(checkpoints: Path) -> dict[int, int]:
    """The offsets of `examples` before which no checkpoint there begins; {} of none."""
    places = []
    for folder in checkpoints.iterdir() if checkpoints.is_dir() else ():
        try:
            offsets = read_manifest(folder).meta["progress"]["examples"]
        except (CorruptRecord, KeyError):  # being written, or damaged: nobody begins there
            continue
        places.append({int(partition): int(offset) for partition, offset in offsets.items()})
    partitions = {partition for place in places for partition in place}
    return {partition: min(place.get(partition, 0) for place in places) for partition in partitions}


def _column(table: pa.Table, name: str) -> np.ndarray[Any, Any]:
    values: np.ndarray[Any, Any] = table.column(name).to_numpy()
    return values
