"""Adam for the dense weights (Kingma and Ba, ICLR 2015), with its state under stable names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from engine.errors import CorruptRecord

_BETA_1: Final = 0.9
_BETA_2: Final = 0.999
_EPSILON: Final = 1e-7


class Adam:
    """m <- β₁m + (1-β₁)g; v <- β₂v + (1-β₂)g²; w -= lr·√(1-β₂ᵗ)/(1-β₁ᵗ)·m/(√v + ε), β = (0.9, 0.999), ε = 1e-7, as Keras' Adam.

    Keras' own names its state by the order in which optimizers were made in the process, which a checkpoint cannot build on.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], learning_rate: float) -> None:
        """`shapes` of the weights by name, in the order `apply` gets them."""
        self._learning_rate = learning_rate
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._first = {name: tf.Variable(tf.zeros(shape), trainable=False) for name, shape in shapes.items()}
        self._second = {name: tf.Variable(tf.zeros(shape), trainable=False) for name, shape in shapes.items()}

    def apply(self, gradients: list[Any], weights: list[Any], enabled: Any) -> None:
        """Update `weights` (tf.Variable) in place, inside a compiled function; nothing changes unless `enabled` (bool scalar)."""
        step = self._step + tf.cast(enabled, tf.int64)
        self._step.assign(step)
        time = tf.cast(step, tf.float32)
        rate = (
            self._learning_rate
            * tf.sqrt(1.0 - tf.pow(_BETA_2, time))
            / tf.maximum(1.0 - tf.pow(_BETA_1, time), _EPSILON)
        )
        moments = zip(gradients, weights, self._first.values(), self._second.values(), strict=True)
        for gradient, weight, first, second in moments:
            new_first = _BETA_1 * first + (1.0 - _BETA_1) * gradient
            new_second = _BETA_2 * second + (1.0 - _BETA_2) * tf.square(gradient)
            new_weight = weight - rate * new_first / (tf.sqrt(new_second) + _EPSILON)
            for variable, value in ((first, new_first), (second, new_second), (weight, new_weight)):
                variable.assign(tf.where(enabled, value, variable))

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """A copy of the moments: `<weight>/first`, `<weight>/second`. The step count is `num_steps`."""
        moments = {f"{name}/first": np.array(variable.numpy()) for name, variable in self._first.items()}
        return moments | {f"{name}/second": np.array(variable.numpy()) for name, variable in self._second.items()}

    @property
    def num_steps(self) -> int:
        return int(self._step.numpy())

    def restore(self, state: Mapping[str, npt.NDArray[np.float32]], num_steps: int) -> None:
        """Take over another Adam's `state()` and `num_steps`. Raises `CorruptRecord` on other names or shapes."""
        expected = {name: value.shape for name, value in self.state().items()}
        received = {name: value.shape for name, value in state.items()}
        if expected != received:
            raise CorruptRecord(f"optimizer state: must be {expected}, received {received}")
        for name, variable in self._first.items():
            variable.assign(state[f"{name}/first"])
        for name, variable in self._second.items():
            variable.assign(state[f"{name}/second"])
        self._step.assign(num_steps)
