"""Examples in columns to what a step of a ranking model takes, without a Python object for any row."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.features.encoded import EncodedBatch, FloatArray
from engine.features.encoder import FeatureEncoder
from engine.models.inputs import StampArray
from engine.spec.architecture import is_retrieval
from engine.spec.definition import ModelDefinition, Side
from engine.training.example_table import ExampleTable
from engine.training.frequency import FrequencyEstimates
from engine.training.item_catalogue import ItemCatalogue
from engine.training.item_pool import ItemPool
from engine.training.ranking_labels import Flags, is_ordered, positives
from engine.training.training_batch import RankingBatch


class ColumnarBuilder:
    """`BatchBuilder` for examples in columns: the same batches, and the same notes in catalogue, pool and frequencies."""

    def __init__(
        self,
        definition: ModelDefinition,
        encoder: FeatureEncoder,
        catalogue: ItemCatalogue,
        pool: ItemPool,
        frequency: FrequencyEstimates,
    ) -> None:
        self._encoder = encoder
        self._catalogue = catalogue
        self._pool = pool
        self._frequency = frequency
        self._tasks = definition.tasks
        compares = any(is_ordered(task) for task in definition.tasks)
        self._needs_rows = is_retrieval(definition.architecture) or compares

    def takes(self, table: ExampleTable) -> bool:
        """Whether nothing has to be drawn for the examples, and none is compared with another: then a batch is what its columns say."""
        return not self._needs_rows and not bool(table.is_action.any())

    def build(self, table: ExampleTable, seen_at_s: StampArray) -> RankingBatch | None:
        """As `BatchBuilder.build`, of examples that it `takes`."""
        labels, known = self._labels(table)
        self._note(table, np.any(positives(self._tasks, labels), axis=1))
        kept = np.flatnonzero(known.any(axis=1))
        if not kept.size:
            return None
        table, num = table.take(kept), kept.size
        rows = np.arange(num, dtype=np.int32)
        rates = table.numbers("sampling_rate", 1.0)
        stamps = seen_at_s[kept]
        return RankingBatch(
            user=self._encode(table, Side.USER),
            items=self._encode(table, Side.ITEM),
            user_rows=rows,
            item_rows=rows,
            labels=labels[kept],
            known=known[kept],
            weights=table.numbers("weight", 1.0),
            sampling_rates=np.repeat(rates[:, np.newaxis], len(self._tasks), axis=1),
            is_sampled=np.zeros(num, np.bool_),
            seen_at_s=dict.fromkeys(Side, stamps),
            kept=kept,
            pairs=self._encode(table, Side.PAIR) if self._encoder.has_pairs else None,
        )

    def _labels(self, table: ExampleTable) -> tuple[FloatArray, Flags]:
        """float32[n, num_tasks], 0 where unknown, and bool[n, num_tasks]: where the example carries the task's label."""
        values = np.stack([table.numbers(f"label.{task.label()}", np.nan) for task in self._tasks], axis=1)
        known = ~np.isnan(values)
        return np.where(known, values, np.float32(0)), known

    def _note(self, table: ExampleTable, positive: npt.NDArray[np.bool_]) -> None:
        items, places = table.items
        last = np.empty(len(items), np.int64)
        last[places] = np.arange(len(table))
        distinct = self._catalogue.note_columns(items, last, table.item_hashes()[last], table.item_properties)
        rows = distinct[places]
        self._frequency.forget(self._catalogue.take_reused())
        self._pool.push(rows[positive])
        self._frequency.observe(rows[positive])

    def _encode(self, table: ExampleTable, side: Side) -> EncodedBatch:
        return self._encoder.encode(table.columns(self._encoder.sources(side)), len(table), side)
