"""Examples in columns to what a step of a ranking model takes, without a Python object for any row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.features.encoded import EncodedBatch, FloatArray
from engine.features.encoder import FeatureEncoder
from engine.models.inputs import StampArray
from engine.spec.architecture import is_retrieval
from engine.spec.definition import ModelDefinition, Side
from engine.training.example_table import ExampleTable
from engine.training.frequency import FrequencyEstimates
from engine.training.item_catalogue import ItemCatalogue, RowArray
from engine.training.item_pool import ItemPool
from engine.training.ranking_labels import Flags, is_ordered, positives
from engine.training.training_batch import RankingBatch


@dataclass(frozen=True, slots=True)
class EncodedColumns:
    """What of a batch its examples alone say: labels float32[n, num_tasks], 0 where unknown, and known bool[n, num_tasks].

    `kept` int64[k] are those that carry a task's label, `table` has them, and `sides` are they, encoded.
    """

    labels: FloatArray
    known: Flags
    kept: npt.NDArray[np.int64]
    table: ExampleTable
    sides: dict[Side, EncodedBatch]


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

    def encoded(self, table: ExampleTable) -> EncodedColumns:
        """The part of `build` that depends on nothing but the examples, and changes nothing: it may run ahead, on any thread."""
        labels, known = self._labels(table)
        kept = np.flatnonzero(known.any(axis=1))
        chosen = table.take(kept)
        sides = (Side.USER, Side.ITEM, *((Side.PAIR,) if self._encoder.has_pairs else ()))
        return EncodedColumns(
            labels, known, kept, chosen, {side: self._encode(chosen, side) for side in sides if kept.size}
        )

    def build(
        self, table: ExampleTable, seen_at_s: StampArray, encoded: EncodedColumns | None = None
    ) -> RankingBatch | None:
        """As `BatchBuilder.build`, of examples that it `takes`. `encoded` is what `encoded` answered for them, if it was asked."""
        found = encoded or self.encoded(table)
        labels, known, kept = found.labels, found.known, found.kept
        positive = np.any(positives(self._tasks, labels), axis=1)
        note_table(table, positive, self._catalogue, self._pool, self._frequency)
        if not kept.size:
            return None
        table, num = found.table, kept.size
        rows = np.arange(num, dtype=np.int32)
        rates = table.numbers("sampling_rate", 1.0)
        stamps = seen_at_s[kept]
        return RankingBatch(
            user=found.sides[Side.USER],
            items=found.sides[Side.ITEM],
            user_rows=rows,
            item_rows=rows,
            labels=labels[kept],
            known=known[kept],
            weights=table.numbers("weight", 1.0),
            sampling_rates=np.repeat(rates[:, np.newaxis], len(self._tasks), axis=1),
            is_sampled=np.zeros(num, np.bool_),
            seen_at_s=dict.fromkeys(Side, stamps),
            kept=kept,
            pairs=found.sides.get(Side.PAIR),
        )

    def _labels(self, table: ExampleTable) -> tuple[FloatArray, Flags]:
        """float32[n, num_tasks], 0 where unknown, and bool[n, num_tasks]: where the example carries the task's label."""
        values = np.stack([table.numbers(f"label.{task.label()}", np.nan) for task in self._tasks], axis=1)
        known = ~np.isnan(values)
        return np.where(known, values, np.float32(0)), known

    def _encode(self, table: ExampleTable, side: Side) -> EncodedBatch:
        return self._encoder.encode(table.columns(self._encoder.sources(side)), len(table), side)


@dataclass(frozen=True, slots=True)
class NotedTable:
    """Of n examples the catalogue rows of their items, int64[n], and how often the pool was pushed to before each positive, int64[p]."""

    rows: RowArray
    pushed_before: RowArray


def note_table(
    table: ExampleTable, positive: Flags, catalogue: ItemCatalogue, pool: ItemPool, frequency: FrequencyEstimates
) -> NotedTable:
    """What `BatchBuilder.build` notes of examples; `positive` bool[n] says of which the event of any task followed."""
    items, places = table.items
    last = np.empty(len(items), np.int64)
    last[places] = np.arange(len(table))
    distinct = catalogue.note_columns(items, last, table.item_hashes()[last], table.item_properties)
    rows = distinct[places]
    frequency.forget(catalogue.take_reused())
    pushed_before = pool.push(rows[positive])
    frequency.observe(rows[positive])
    return NotedTable(rows, pushed_before)
