"""Logistic regression: one weight for each id and number (Richardson, Dominowska and Ragno, Predicting Clicks, WWW 2007)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from engine.models.architecture import Inputs, RankingArchitecture
from engine.spec.definition import ModelDefinition


class LogisticRegressionModel(RankingArchitecture):
    """logit_t = Σ_s e_s[t] + ⟨w_t, x⟩ + b_t.

    A slot's dim is the number of tasks, so that an id's row is nothing but its weight for each task: the table is the model. A list is
    pooled, so that its ids' weights count by their mean or sum as the slot's pooling says.
    """

    def __init__(self, definition: ModelDefinition) -> None:
        super().__init__(definition)
        self._slots = [slot.name for slot in definition.slots]
        # Without numbers the kernel has no rows, and the layer is the bias alone.
        self._numbers = self.add_dense("first_order", definition.num_dense(), self.num_tasks, full_precision=True)

    def logits(self, inputs: Inputs) -> Any:
        """float32[n, num_tasks]."""
        return tf.add_n([inputs.slots[name] for name in self._slots]) + self._numbers(inputs.dense)
