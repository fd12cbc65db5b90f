"""Gradients back to the tables, at the learning rate of the step and of each row's slot."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from engine.embedding.store import EmbeddingStore
from engine.embedding.table import Batch, EmbeddingTable
from engine.features.encoded import FloatArray
from engine.models.inputs import Values
from engine.spec.definition import ModelDefinition


class SparseUpdate:
    """Applies a step's gradients. Where every slot learns at the table's own rate the rows are not looked for again."""

    def __init__(self, definition: ModelDefinition, store: EmbeddingStore) -> None:
        self._store = store
        self._rate = definition.sparse_optimizer.learning_rate
        scales = {slot.number: slot.learning_rate_scale for slot in definition.slots if slot.shares is None}
        self._scales = np.ones(max(scales) + 1, np.float64)
        self._scales[list(scales)] = list(scales.values())
        self._is_scaled = bool((self._scales != 1.0).any())

    def apply(
        self, sighted: Mapping[str, Batch], values: Mapping[str, Values], gradients: Mapping[str, FloatArray], step: int
    ) -> None:
        """`sighted` and `values` by table, as the step saw them; `gradients` float32[num_unique, dim] of the same tables.

        `step` counts the steps taken before.
        """
        rate = self._rate.at(step)
        for name, batch in sighted.items():
            table, grads = self._store.tables[name], gradients[name]
            if self._is_scaled:
                self._apply_by_slot(table, batch, values[name].slots, grads, rate)
            else:
                table.apply(batch, grads, rate)

    def _apply_by_slot(
        self, table: EmbeddingTable, batch: Batch, slots: npt.NDArray[np.uint16], grads: FloatArray, rate: float
    ) -> None:
        """One call for each rate: a scaled gradient would not do, as Adagrad and Adam divide the scale out again."""
        slot_of = np.empty(batch.num_unique, np.uint16)
        slot_of[batch.members] = slots
        scales = self._scales[slot_of]
        for scale in np.unique(scales):
            chosen = scales == scale
            table.apply_gradients(batch.fids[chosen], grads[chosen], rate * float(scale))
