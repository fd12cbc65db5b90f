"""Standardised dense inputs inside a model: the running statistics are weights that nobody trains."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import keras
import numpy as np
import tensorflow as tf

from engine.features.statistics import PREFIX
from engine.spec.definition import DenseInput, ModelDefinition, Side

if TYPE_CHECKING:
    from engine.models.architecture import Inputs

MAX_DEVIATIONS: Final = 10.0
"""How far from the mean a value can count: one wild value must not overthrow the weights."""


class Scaling:
    """(x - mean) / deviation of every standardised column, held within ±`MAX_DEVIATIONS`; a missing value, NaN, becomes 0.

    `variables`: `statistics/<input>` float32[2, dim], the mean and the inverse of the deviation. They travel with the dense weights, so
    that a replica scales as the trainer did when it learned them.
    """

    def __init__(self, definition: ModelDefinition) -> None:
        self._dense = {side: definition.dense_of(side) for side in Side}
        self.variables: dict[str, Any] = {
            PREFIX + dense.name: keras.Variable(
                np.zeros((2, dense.dim)), trainable=False, dtype="float32", name=dense.name
            )
            for dense in definition.dense
            if dense.transform.standardises
        }

    def scaled(self, side: Side, inputs: Inputs) -> Inputs:
        """The side's inputs with their standardised columns scaled. Runs inside a compiled function."""
        if not any(dense.transform.standardises for dense in self._dense[side]):
            return inputs
        parts = tf.split(inputs.dense, [dense.dim for dense in self._dense[side]], axis=1)
        scaled = [self._column(dense, part) for dense, part in zip(self._dense[side], parts, strict=True)]
        return replace(inputs, dense=tf.concat(scaled, axis=1))

    def _column(self, dense: DenseInput, values: Any) -> Any:
        if not dense.transform.standardises:
            return values
        mean, factor = tf.unstack(tf.convert_to_tensor(self.variables[PREFIX + dense.name].value))
        held = tf.clip_by_value((values - mean) * factor, -MAX_DEVIATIONS, MAX_DEVIATIONS)
        return tf.where(tf.math.is_nan(values), tf.zeros_like(values), held)
