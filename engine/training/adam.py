"""Adam for the dense weights (Kingma and Ba, ICLR 2015), and AdamW (Loshchilov and Hutter, ICLR 2019)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from engine.spec.dense_optimizer import DenseAdam, DenseAdamW
from engine.training.dense_optimizer import ComputedUpdate, Shapes


class Adam(ComputedUpdate):
    """m <- β₁m + (1-β₁)g; v <- β₂v + (1-β₂)g²; w -= lr·√(1-β₂ᵗ)/(1-β₁ᵗ)·m/(√v + ε), as Keras' Adam.

    With `weight_decay` w first loses lr·weight_decay·w, as Keras' AdamW. State: `first` (m), `second` (v).
    """

    def __init__(self, shapes: Shapes, settings: DenseAdam) -> None:
        super().__init__(shapes, settings, {"first": 0.0, "second": 0.0})
        self._adam = settings
        self._weight_decay = settings.weight_decay if isinstance(settings, DenseAdamW) else 0.0

    def _update(self, gradient: Any, weight: Any, state: tuple[Any, ...], rate: Any, step: Any) -> tuple[Any, ...]:
        beta1, beta2, epsilon = self._adam.beta1, self._adam.beta2, self._adam.epsilon
        time = tf.cast(step, tf.float32)
        corrected = rate * tf.sqrt(1.0 - tf.pow(beta2, time)) / tf.maximum(1.0 - tf.pow(beta1, time), 1e-7)
        first = beta1 * state[0] + (1.0 - beta1) * gradient
        second = beta2 * state[1] + (1.0 - beta2) * tf.square(gradient)
        decayed = weight * (1.0 - rate * self._weight_decay) if self._weight_decay else weight
        return decayed - corrected * first / (tf.sqrt(second) + epsilon), first, second
