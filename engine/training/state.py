"""Everything that a training run is, between two batches: what a checkpoint holds, as one consistent whole."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from engine.checkpoint.arrays import load_arrays, load_table_file
from engine.checkpoint.folder import Chain, newest_chain, open_chain
from engine.checkpoint.snapshot import DENSE_FILE
from engine.embedding.event_clock import EventClock
from engine.embedding.store import EmbeddingStore
from engine.embedding.table import Plan
from engine.embedding.table_restore import restore_store
from engine.embedding.table_saver import StoreImage
from engine.errors import CorruptRecord, NoCheckpoint
from engine.evaluation.stream_metrics import StreamMetrics
from engine.features.encoder import FeatureEncoder
from engine.features.statistics import RunningStatistics
from engine.models.registry import build_architecture
from engine.retrieval.item_to_item import ItemToItem
from engine.spec.architecture import is_retrieval
from engine.spec.definition import ModelDefinition
from engine.sync.snapshot import SnapshotMeta
from engine.training import co_occurrence
from engine.training.columnar_batch import ColumnarBuilder, EncodedColumns
from engine.training.columnar_retrieval import ColumnarRetrieval
from engine.training.dense_optimizers import build_dense_optimizer
from engine.training.erasing import erase
from engine.training.expiry import expire_due
from engine.training.frequency import FrequencyEstimates
from engine.training.hot_ids import SAMPLED_EXAMPLES, HotIds
from engine.training.item_catalogue import ItemCatalogue
from engine.training.item_pool import ItemPool
from engine.training.logged import Logged, LoggedColumns, LoggedExamples
from engine.training.observation import observe, scored, scored_tasks, slots_of
from engine.training.progress import Progress
from engine.training.state_cut import (
    CATALOGUE_FILE,
    CHECKPOINT_FORMAT,
    CHECKPOINTS,
    OPTIMIZER_FILE,
    SNAPSHOTS,
    SmallState,
    StateCut,
)
from engine.training.step_times import StepTimes
from engine.training.train_step import PlannedBatch, StepResult, TrainStep
from engine.training.training_batch import BatchBuilder, RankingBatch, RetrievalBatch, note_dense

__all__ = ["CHECKPOINTS", "SNAPSHOTS", "TrainingState"]

logger = logging.getLogger(__name__)

_COUNTED: Final = (
    "num_created",
    "num_expired",
    "num_over_budget",
    "num_turned_away",
    "num_candidates",
    "candidate_bytes",
    "num_candidates_dropped",
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was worked out of examples before their turn came: encoded, and planned for the tables."""

    columns: EncodedColumns
    planned: PlannedBatch


class TrainingState:
    """Tables, dense weights, both optimizers, event clock, item pool, catalogue, frequencies, metrics, offsets and counts.

    Not thread-safe; a `cut` may be written by another thread.
    """

    def __init__(
        self,
        definition: ModelDefinition,
        *,
        wall_clock: Callable[[], float] = time.time,
        store: EmbeddingStore | None = None,
    ) -> None:
        """`wall_clock` (seconds since 1970) bounds event time; `store` is of the same definition, by default a new one."""
        self.definition = definition
        self.encoder = FeatureEncoder(definition)
        self.statistics = RunningStatistics(definition)
        self.store = store or EmbeddingStore.for_definition(definition)
        self.architecture = build_architecture(definition)
        shapes = {name: tuple(variable.shape) for name, variable in self.architecture.variables.items()}
        self.dense_optimizer = build_dense_optimizer(shapes, definition.dense_optimizer)
        self.event_clock = EventClock(1, wall_clock=wall_clock)
        self.catalogue = ItemCatalogue()
        self.pool = ItemPool(definition.training.max_batch_size)
        self.frequency = FrequencyEstimates(self.catalogue.capacity)
        self.item_to_item = ItemToItem(co_occurrence.SETTINGS)
        self.metrics = StreamMetrics(
            definition.training.slices,
            are_probabilities=definition.scores_are_probabilities,
            tasks=() if is_retrieval(definition.architecture) else definition.tasks,
        )
        self.hot_ids = HotIds(definition)
        self.progress = Progress()
        self.times = StepTimes()
        self.step = TrainStep(definition, self.store, self.architecture, self.dense_optimizer, times=self.times)
        self._last_cut: str | None = None
        self._make_builder()

    def _make_builder(self) -> None:
        parts = (self.definition, self.encoder, self.catalogue, self.pool, self.frequency)
        self.builder, self._columnar = BatchBuilder(*parts), ColumnarBuilder(*parts)
        self._retrieval = ColumnarRetrieval(*parts)

    def prepare(self, logged: Logged, into: Mapping[str, Plan] | None = None) -> Prepared | None:
        """Work out ahead what depends on the examples alone, for `learn`; None where that is nothing. The only method that may run while
        another thread calls the others: it reads nothing that they change, and changes nothing, so that a cut between has no part of it.

        `into` has plans by table whose memory is used again.
        """
        if not isinstance(logged, LoggedColumns) or not len(logged) or not self._columnar.takes(logged.table):
            return None
        columns = self._columnar.encoded(logged.table)
        return Prepared(columns, self.step.plan(columns.sides, into)) if columns.sides else None

    def learn(self, logged: Logged, *, is_new: bool = True, prepared: Prepared | None = None) -> StepResult | None:
        """Score, then learn from at most `max_batch_size` examples, count them, and expire. None when they hold nothing for a task.

        The metrics hear of examples that are new only. Columns stay columns where the definition allows (`ColumnarBuilder.takes`).
        `prepared` is what `prepare` answered for these examples: what is learned is the same without it.
        """
        if isinstance(logged, LoggedColumns) and not (self._retrieval.takes or self._columnar.takes(logged.table)):
            logged = logged.listed()
        result = self._learn(logged, is_new, prepared) if len(logged) else None
        if result is not None and not result.finite:
            self.progress.num_refused_batches += 1
            logger.warning("a batch of %d examples had no finite loss: nothing was learned from it", len(logged))
        num_before = self.progress.num_examples
        self.progress.note(logged)
        self.times.lap("observe")
        if isinstance(logged, LoggedExamples) and logged.erasures:
            erase(self, logged.erasures)
        expire_due(self.store, self.event_clock.now_s, num_before, self.progress.num_examples)
        self.times.lap("expire")
        return result

    def _learn(self, logged: Logged, is_new: bool, prepared: Prepared | None) -> StepResult | None:
        self.event_clock.register(int(logged.partitions.max()) + 1)
        observed = observe(self, logged.table if isinstance(logged, LoggedColumns) else logged.examples)
        batch = self._built(logged, prepared)
        if co_occurrence.are_wanted(self.definition):
            self._note_actions(logged)
        if batch is None:
            return None
        if self.statistics:
            # Before the batch is scored: even the first is then scaled. Labels have no part in it.
            note_dense(self.statistics, batch)
            self.architecture.load_statistics(self.statistics.weights())
        self.times.lap("encode")
        result = self.step.learn(batch, None if prepared is None else prepared.planned)
        sampled = batch.kept[:SAMPLED_EXAMPLES]
        own = logged.table.take(sampled) if isinstance(logged, LoggedColumns) else logged.at(sampled)
        self.hot_ids.note(own, slots_of(batch))
        if result.finite and is_new:
            tasks = scored_tasks(self.definition.tasks, batch, result, observed) if self.metrics.tasks else None
            self.metrics.note(result.loss, scored(batch, result, observed), tasks)
        if isinstance(batch, RetrievalBatch):
            self.catalogue.mark_changed(batch.item_keys)
        return result

    def _built(self, logged: Logged, prepared: Prepared | None = None) -> RankingBatch | RetrievalBatch | None:
        if isinstance(logged, LoggedColumns):
            stamps = self.event_clock.stamps(logged.partitions, logged.table.times_ms)
            if self._retrieval.takes:
                return self._retrieval.build(logged, stamps)
            return self._columnar.build(logged.table, stamps, None if prepared is None else prepared.columns)
        times_ms = np.array([example.event_time_ms for example in logged.examples], np.int64)
        return self.builder.build(logged, self.event_clock.stamps(logged.partitions, times_ms))

    def _note_actions(self, logged: Logged) -> None:
        """Of the examples of which the event of the first task followed."""
        if isinstance(logged, LoggedColumns):
            labels = logged.table.numbers(f"label.{self.definition.tasks[0].event_type}", 0.0)
            co_occurrence.note_columns(self.item_to_item, logged.table.take(np.flatnonzero(labels > 0.5)))
        else:
            positives = [example for example in logged.examples if self.builder.is_positive(example)]
            co_occurrence.note_actions(self.item_to_item, positives)

    def table_metrics(self) -> dict[str, int]:
        """What the tables hold, and what has become of rows and candidates since training began; sums over the tables."""
        counters = [table.counters for table in self.store.tables.values()]
        return {
            "table_rows": self.store.num_rows,
            "table_bytes": self.store.memory_bytes,
            **{name: sum(getattr(each, name) for each in counters) for name in _COUNTED},
        }

    def rate_metrics(self) -> dict[str, float]:
        """The learning rates of the next step, by `learning_rate.<part>`; a slot's scale comes on top of the sparse one."""
        num_steps = self.dense_optimizer.num_steps
        return {
            "learning_rate.sparse": self.definition.sparse_optimizer.learning_rate.at(num_steps),
            "learning_rate.dense": self.definition.dense_optimizer.learning_rate.at(num_steps),
        }

    def cut(self, created_ms: int, *, after: Path | None = None, snapshot: SnapshotMeta | None = None) -> StateCut:
        """The state as it is now, to be written while training goes on; one at a time.

        `after` names the checkpoint last written of this very state: the cut then holds, of the tables, only what changed since.
        `snapshot` has one written beside it, and makes it full; so does a name that is `after`'s, which is then replaced. Raises
        ValueError when another cut was taken since `after`.
        """
        if after is not None and after.name != self._last_cut:
            raise ValueError(f"after must be the last cut, {self._last_cut}, received {after.name}")
        name = f"{self.progress.num_examples:015d}-{created_ms:013d}"
        meta = {
            "format": CHECKPOINT_FORMAT,
            "created_ms": created_ms,
            "definition": self.definition.as_json(),
            "progress": self.progress.as_json(),
        }
        is_incremental = after is not None and after.name != name and snapshot is None
        tables = StoreImage(self.store.tables, incremental=is_incremental)
        self._last_cut = name
        return StateCut(
            name=name,
            meta=meta,
            previous=after if tables.is_incremental else None,
            tables=tables,
            dense=self.architecture.dense_weights(),
            moments=self.dense_optimizer.state(),
            catalogue=self.catalogue.copied(),
            small=self._small(),
            snapshot=snapshot,
        )

    def _small(self) -> SmallState:
        num_items = len(self.catalogue)
        counters = {
            "progress": self.progress.as_json(),
            "metrics": self.metrics.as_json(),
            "event_clock": self.event_clock.to_json(),
            "statistics": self.statistics.to_json(),
            "num_dense_steps": self.dense_optimizer.num_steps,
            "num_pushed": self.pool.num_pushed,
            "num_observed": self.frequency.num_seen,
        }
        return SmallState(
            pool=self.pool.recent(),
            last=self.frequency.last[:num_items].copy(),
            gap=self.frequency.gap[:num_items].copy(),
            count=self.frequency.count[:num_items].copy(),
            windows=self.metrics.windows(),
            counters=counters,
            item_to_item=self.item_to_item.copied(),
        )

    def save(self, directory: Path, created_ms: int, fence: Callable[[], None] = lambda: None) -> Path:
        """Write a full checkpoint and wait for it; see `StateCut.write`."""
        return self.cut(created_ms).write(directory, fence).checkpoint

    @classmethod
    def restore(
        cls, definition: ModelDefinition, directory: Path, *, wall_clock: Callable[[], float] = time.time
    ) -> TrainingState:
        """The newest complete checkpoint below `directory/checkpoints`. Raises `NoCheckpoint` when there is none."""
        chain = newest_chain(directory / CHECKPOINTS)
        if chain is None:
            raise NoCheckpoint(f"{directory / CHECKPOINTS} holds no complete checkpoint")
        return cls._from_chain(definition, chain, wall_clock)

    @classmethod
    def restore_or_new(
        cls, definition: ModelDefinition, directory: Path, *, wall_clock: Callable[[], float] = time.time
    ) -> TrainingState:
        try:
            return cls.restore(definition, directory, wall_clock=wall_clock)
        except NoCheckpoint:
            return cls(definition, wall_clock=wall_clock)

    @classmethod
    def open(
        cls, definition: ModelDefinition, folder: Path, *, wall_clock: Callable[[], float] = time.time
    ) -> TrainingState:
        """The checkpoint in `folder`. Raises `CorruptRecord` when it, or one it builds on, is damaged or of another definition."""
        return cls._from_chain(definition, open_chain(folder), wall_clock)

    @classmethod
    def _from_chain(cls, definition: ModelDefinition, chain: Chain, wall_clock: Callable[[], float]) -> TrainingState:
        folder, meta = chain[-1].folder, chain[-1].meta
        if ModelDefinition.parse(meta.get("definition")) != definition:
            raise CorruptRecord(f"{folder} belongs to another model definition")
        if meta.get("format", 1) not in (1, CHECKPOINT_FORMAT):
            raise CorruptRecord(
                f"{folder}: format must be 1 to {CHECKPOINT_FORMAT}, received {meta['format']!r}; a later Freshet wrote it"
            )
        try:
            # Rows of format 1 do not say when they were seen: no later than what had been learned.
            seen_s = int(meta["progress"]["event_time_ms"]) // 1000
            store = restore_store(definition, [manifest.folder for manifest in chain], unstamped_s=max(0, seen_s))
            state = cls(definition, wall_clock=wall_clock, store=store)
            state._load(folder)
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise CorruptRecord(f"{folder} is not a checkpoint of this version: {error}") from error
        return state

    def _load(self, folder: Path) -> None:
        """All but the tables."""
        self.architecture.load_dense_weights(load_arrays(folder / DENSE_FILE))
        small = self.load_what_was_seen(folder)
        counters = small.counters
        self.dense_optimizer.restore(load_arrays(folder / OPTIMIZER_FILE), counters["num_dense_steps"])
        self.metrics.restore(counters["metrics"], small.windows)
        self.progress = Progress.from_json(counters["progress"])
        self.statistics.restore(counters.get("statistics", {}))

    def load_what_was_seen(self, folder: Path) -> SmallState:
        """Of a checkpoint, what is of the data whatever the definition: catalogue, item pool, frequencies, co-occurrence, event clock."""
        small = SmallState.load(folder)
        counters = small.counters
        self.catalogue = ItemCatalogue.from_arrow(load_table_file(folder / CATALOGUE_FILE))
        self.pool.restore(small.pool, counters["num_pushed"])
        num_items = len(self.catalogue)
        self.frequency.last[:num_items], self.frequency.gap[:num_items] = small.last, small.gap
        self.frequency.count[:num_items] = small.count
        self.frequency.num_seen = counters["num_observed"]
        self.item_to_item = small.item_to_item
        if "event_clock" in counters:
            self.event_clock.restore(counters["event_clock"])
        self._make_builder()
        return small
