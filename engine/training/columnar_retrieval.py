"""Examples in columns to what a step of a retrieval model takes, without a Python object for any row."""

from __future__ import annotations

import numpy as np

from engine.embedding.rows import NOT_SEEN
from engine.features.columns import columns_for_items
from engine.features.encoded import EncodedBatch, followed_by
from engine.features.encoder import FeatureEncoder
from engine.models.inputs import StampArray
from engine.spec.architecture import is_retrieval
from engine.spec.definition import ModelDefinition, Side
from engine.training.columnar_batch import NotedTable, note_table
from engine.training.draws import example_keys
from engine.training.example_table import ExampleTable
from engine.training.frequency import FrequencyEstimates
from engine.training.item_catalogue import ItemCatalogue, RowArray
from engine.training.item_pool import ItemPool
from engine.training.logged import LoggedColumns
from engine.training.ranking_labels import Flags
from engine.training.training_batch import FILL_CANDIDATES, RetrievalBatch


class ColumnarRetrieval:
    """`BatchBuilder` for a retrieval model's examples in columns: the same batches, and the same notes in catalogue, pool, frequencies."""

    def __init__(
        self,
        definition: ModelDefinition,
        encoder: FeatureEncoder,
        catalogue: ItemCatalogue,
        pool: ItemPool,
        frequency: FrequencyEstimates,
    ) -> None:
        self._definition = definition
        self._encoder = encoder
        self._catalogue = catalogue
        self._pool = pool
        self._frequency = frequency
        self.takes = is_retrieval(definition.architecture)

    def build(self, logged: LoggedColumns, seen_at_s: StampArray) -> RetrievalBatch | None:
        """As `BatchBuilder.build`; None where nobody acted."""
        positive = self._positive(logged.table)
        noted = note_table(logged.table, positive, self._catalogue, self._pool, self._frequency)
        kept = np.flatnonzero(positive)
        if not kept.size:
            return None
        extra = self._drawn(logged, kept, noted)
        candidates = np.concatenate([noted.rows[kept], extra])
        table, stamps = logged.table.take(kept), seen_at_s[kept]
        own = self._encoder.encode(table.columns(self._encoder.sources(Side.USER)), kept.size, Side.USER)
        return RetrievalBatch(
            user=own,
            items=self._items(table, extra),
            item_keys=candidates,
            log_q=self._log_q(candidates),
            weights=table.numbers("weight", 1.0),
            seen_at_s={
                Side.USER: stamps,
                # Nobody has seen what is only drawn.
                Side.ITEM: np.concatenate([stamps, np.full(extra.size, NOT_SEEN, np.uint32)]),
            },
            kept=kept,
        )

    def _positive(self, table: ExampleTable) -> Flags:
        """bool[n]: of which the event of any task followed."""
        binary = [task for task in self._definition.tasks if task.kind == "binary"]
        flags: Flags = np.zeros(len(table), np.bool_)
        for task in binary:
            flags |= table.numbers(f"label.{task.label()}", 0.0) > 0.5
        return flags

    def _drawn(self, logged: LoggedColumns, kept: RowArray, noted: NotedTable) -> RowArray:
        """Catalogue rows of further candidates, for a batch of few."""
        keys = example_keys(self._definition.training.seed, logged.partitions, logged.offsets)
        missing = max(0, FILL_CANDIDATES - kept.size)
        drawn, possible = self._pool.draw(noted.pushed_before[:1], keys[kept][:1], missing)
        extra: RowArray = drawn[possible].ravel()
        return extra

    def _items(self, table: ExampleTable, extra: RowArray) -> EncodedBatch:
        sources = self._encoder.sources(Side.ITEM)
        own = self._encoder.encode(table.columns(sources), len(table), Side.ITEM)
        if not extra.size:
            return own
        columns = columns_for_items(self._catalogue.ids(extra), self._catalogue.properties(extra), sources)
        return followed_by(own, self._encoder.encode(columns, extra.size, Side.ITEM))

    def _log_q(self, candidates: RowArray) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        architecture = self._definition.architecture
        corrected = is_retrieval(architecture) and architecture.log_q_correction
        found = self._frequency.log_probability(candidates) if corrected else np.zeros(candidates.size, np.float32)
        return np.asarray(found, np.float32)
