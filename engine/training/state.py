"""Everything that a training run is, between two batches: what a checkpoint holds, as one consistent whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa

from engine.checkpoint.arrays import load_arrays, load_table_file, save_arrays, save_table_file
from engine.checkpoint.folder import newest_folder, open_folder, write_folder
from engine.checkpoint.snapshot import DENSE_FILE, table_file
from engine.embedding.store import EmbeddingStore
from engine.embedding.table_file import load_table, save_table
from engine.errors import CorruptRecord, NoCheckpoint
from engine.evaluation.stream_metrics import StreamMetrics
from engine.features.encoder import FeatureEncoder
from engine.models.registry import build_architecture
from engine.spec.definition import ModelDefinition
from engine.training.adam import Adam
from engine.training.frequency import FrequencyEstimates
from engine.training.item_catalogue import ItemCatalogue
from engine.training.item_pool import ItemPool
from engine.training.logged import LoggedExamples
from engine.training.progress import Progress
from engine.training.train_step import StepResult, TrainStep
from engine.training.training_batch import BatchBuilder, RetrievalBatch

CHECKPOINTS: Final = "checkpoints"
SNAPSHOTS: Final = "snapshots"

_OPTIMIZER_FILE: Final = "optimizer.arrow"
_CATALOGUE_FILE: Final = "catalogue.arrow"
_POOL_FILE: Final = "pool.arrow"
_FREQUENCY_FILE: Final = "frequency.arrow"
_PROGRESS_FILE: Final = "progress.json"


class TrainingState:
    """Tables, dense weights, both optimizers, item pool, catalogue, frequencies, metrics, offsets and counts. Not thread-safe."""

    def __init__(self, definition: ModelDefinition) -> None:
        self.definition = definition
        self.encoder = FeatureEncoder(definition)
        self.store = EmbeddingStore.for_definition(definition)
        self.architecture = build_architecture(definition)
        shapes = {name: tuple(variable.shape) for name, variable in self.architecture.variables.items()}
        self.adam = Adam(shapes, definition.dense_optimizer.learning_rate)
        self.catalogue = ItemCatalogue()
        self.pool = ItemPool(definition.training.batch_size)
        self.frequency = FrequencyEstimates(self.catalogue.capacity)
        self.metrics = StreamMetrics()
        self.progress = Progress()
        self.step = TrainStep(definition, self.store, self.architecture, self.adam)
        self._make_builder()

    def _make_builder(self) -> None:
        self.builder = BatchBuilder(self.definition, self.encoder, self.catalogue, self.pool, self.frequency)

    def learn(self, logged: LoggedExamples) -> StepResult | None:
        """Score, then learn from at most `batch_size` examples, and count them. None when they hold nothing for the task."""
        batch = self.builder.build(logged) if logged.examples else None
        result = None if batch is None else self.step.learn(batch)
        if isinstance(batch, RetrievalBatch):
            self.catalogue.mark_changed(batch.item_keys)
        if result is not None and result.finite:
            is_ranking = self.definition.architecture.kind == "deepfm"
            self.metrics.note(result.loss, result.scores, result.labels, with_log_loss=is_ranking)
        elif result is not None:
            self.progress.num_refused_batches += 1
        self.progress.note(logged)
        return result

    def save(self, directory: Path, created_ms: int, fence: Callable[[], None] = lambda: None) -> Path:
        """Write a checkpoint folder below `directory/checkpoints`, whole or not at all. Raises OSError.

        `fence` is asked last: a process that was stopped in the midst of writing must not put its old state above a successor's.
        """
        name = f"{self.progress.num_examples:015d}-{created_ms:013d}"
        meta = {"created_ms": created_ms, "definition": self.definition.as_json(), "progress": self.progress.as_json()}

        def fill(folder: Path) -> None:
            self._fill(folder)
            fence()

        return write_folder(directory / CHECKPOINTS, name, fill, meta)

    def _fill(self, folder: Path) -> None:
        for name, table in self.store.tables.items():
            save_table(table, folder / table_file(name), with_state=True)
        save_arrays(self.architecture.dense_weights(), folder / DENSE_FILE)
        save_arrays(self.adam.state(), folder / _OPTIMIZER_FILE)
        save_table_file(self.catalogue.to_arrow(), folder / _CATALOGUE_FILE)
        save_table_file(pa.table({"row": self.pool.recent()}), folder / _POOL_FILE)
        num_items = len(self.catalogue)
        frequency = {"last": self.frequency.last[:num_items], "gap": self.frequency.gap[:num_items]}
        save_table_file(pa.table(frequency), folder / _FREQUENCY_FILE)
        counters = {
            "progress": self.progress.as_json(),
            "metrics": self.metrics.as_json(),
            "num_dense_steps": self.adam.num_steps,
            "num_pushed": self.pool.num_pushed,
            "num_observed": self.frequency.num_seen,
        }
        (folder / _PROGRESS_FILE).write_bytes(orjson.dumps(counters))

    @classmethod
    def restore(cls, definition: ModelDefinition, directory: Path) -> TrainingState:
        """The newest complete checkpoint below `directory/checkpoints`. Raises `NoCheckpoint` when there is none."""
        folder = newest_folder(directory / CHECKPOINTS)
        if folder is None:
            raise NoCheckpoint(f"{directory / CHECKPOINTS} holds no complete checkpoint")
        return cls.open(definition, folder)

    @classmethod
    def restore_or_new(cls, definition: ModelDefinition, directory: Path) -> TrainingState:
        try:
            return cls.restore(definition, directory)
        except NoCheckpoint:
            return cls(definition)

    @classmethod
    def open(cls, definition: ModelDefinition, folder: Path) -> TrainingState:
        """The checkpoint in `folder`. Raises `CorruptRecord` when it is damaged or of another definition."""
        manifest = open_folder(folder)
        if ModelDefinition.parse(manifest.meta.get("definition")) != definition:
            raise CorruptRecord(f"{folder} belongs to another model definition")
        state = cls(definition)
        try:
            state._load(folder)
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptRecord(f"{folder} is not a checkpoint of this version: {error}") from error
        return state

    def _load(self, folder: Path) -> None:
        for name, table in self.store.tables.items():
            load_table(table, folder / table_file(name))
        self.architecture.load_dense_weights(load_arrays(folder / DENSE_FILE))
        counters: dict[str, Any] = orjson.loads((folder / _PROGRESS_FILE).read_bytes())
        self.adam.restore(load_arrays(folder / _OPTIMIZER_FILE), counters["num_dense_steps"])
        self.catalogue = ItemCatalogue.from_arrow(load_table_file(folder / _CATALOGUE_FILE))
        self.pool.restore(_column(load_table_file(folder / _POOL_FILE), "row"), counters["num_pushed"])
        frequency = load_table_file(folder / _FREQUENCY_FILE)
        num_items = len(self.catalogue)
        self.frequency.last[:num_items] = _column(frequency, "last")
        self.frequency.gap[:num_items] = _column(frequency, "gap")
        self.frequency.num_seen = counters["num_observed"]
        self.metrics = StreamMetrics.from_json(counters["metrics"])
        self.progress = Progress.from_json(counters["progress"])
        self._make_builder()


def _column(table: pa.Table, name: str) -> np.ndarray[Any, Any]:
    values: np.ndarray[Any, Any] = table.column(name).to_numpy()
    return values
