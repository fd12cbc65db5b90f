"""A trainer and replicas over one log, small enough to see through."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.checkpoint.folder import open_folder, write_folder
from engine.embedding.options import TableOptions
from engine.embedding.serving_table import ServingTable
from engine.embedding.store import EmbeddingStore, ServingStore
from engine.embedding.table import EmbeddingTable
from engine.embedding.table_file import load_vectors, save_vectors
from engine.streams.memory import MemoryLog
from engine.sync.applier import Applier
from engine.sync.delta import TrainedThrough
from engine.sync.publisher import Publisher
from engine.sync.snapshot import LoadedSnapshot

TOPIC = "shop.params.clicks.v1"


def make_store() -> EmbeddingStore:
    return EmbeddingStore({f"dim{dim}": EmbeddingTable(TableOptions(dim, seed=7)) for dim in (2, 8)})


def make_copy() -> ServingStore:
    return ServingStore({f"dim{dim}": ServingTable(dim) for dim in (2, 8)})


def train(store: EmbeddingStore, fids: list[int], gradient: float = 0.5) -> None:
    for table in store.tables.values():
        ids = np.array(fids, np.uint64)
        table.lookup_or_create(ids, np.ones(len(ids), np.uint16), 0)
        table.apply_gradients(ids, np.full((len(ids), table.dim), gradient, np.float32), 0.1)


def through(number: int) -> TrainedThrough:
    return TrainedThrough(events={0: number}, examples={0: number}, event_time_ms=number, received_ms=number)


class Trainer:
    """A store and its publisher, with snapshots as a trainer writes them."""

    def __init__(self, log: MemoryLog, snapshots: Path, store: EmbeddingStore | None = None, **options: Any) -> None:
        self.log = log
        self.snapshots = snapshots
        self.store = store or make_store()
        self.now_ms = 1000
        self.numbers = itertools.count(1)
        self.publisher = Publisher(
            log,
            TOPIC,
            project="shop",
            model="clicks",
            version=1,
            store=self.store,
            clock_ms=lambda: self.now_ms,
            **options,
        )

    def write_snapshot(self, trained_through: TrainedThrough, weights: dict[str, NDArray[np.float32]]) -> Path:
        def fill(folder: Path) -> None:
            for name, table in self.store.tables.items():
                save_vectors(table, folder / f"{name}.arrow")
            np.save(folder / "bias.npy", weights["bias"], allow_pickle=False)

        meta = {
            "sequence": self.publisher.sequence,
            "params_offset": self.publisher.next_offset,
            "trained_through": trained_through.model_dump(mode="json"),
            "created_ms": self.now_ms,
            "epoch": self.publisher.epoch,
        }
        return write_folder(self.snapshots, f"{next(self.numbers):06d}", fill, meta)


def load_snapshot(folder: Path) -> LoadedSnapshot:
    open_folder(folder)
    store = make_copy()
    for name, table in store.tables.items():
        load_vectors(table, folder / f"{name}.arrow")
    return LoadedSnapshot(store, {"bias": np.load(folder / "bias.npy", allow_pickle=False)})


class Replica:
    """An applier and the dense weights it was told of."""

    def __init__(self, log: MemoryLog, snapshots: Path) -> None:
        self.weights: dict[str, NDArray[np.float32]] = {}
        self.now_ms = 5000
        self.slept_s: list[float] = []
        self.applier = Applier(
            log,
            TOPIC,
            make_store=make_copy,
            snapshots_directory=snapshots,
            load_snapshot=load_snapshot,
            clock_ms=lambda: self.now_ms,
            on_dense=lambda weights: self.weights.update(weights),
            on_snapshot=lambda loaded: self.weights.update(loaded.weights),
            sleep=self.slept_s.append,
        )

    def follow(self) -> None:
        while self.applier.poll().has_more:
            pass
