"""What every optimizer of the dense weights does: rate, clipping, a step that may be refused, and state under stable names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from engine.errors import CorruptRecord
from engine.spec.dense_optimizer import NetworkOptimizer
from engine.training.scheduled_rate import rate_at

Shapes = Mapping[str, tuple[int, ...]]


class DenseOptimizer(ABC):
    """Updates weights by their gradients inside a compiled function.

    Keras' own name their state by the order in which optimizers were made in the process, which a checkpoint cannot build on.
    """

    def __init__(self, shapes: Shapes, settings: NetworkOptimizer, state: Mapping[str, float]) -> None:
        """`shapes` of the weights by name, in the order `apply` gets them; `state`: what each weight has, with its first value."""
        self._settings = settings
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._state = {
            part: {name: tf.Variable(tf.fill(shape, first), trainable=False) for name, shape in shapes.items()}
            for part, first in state.items()
        }

    def apply(self, gradients: list[Any], weights: list[Any], enabled: Any) -> Any:
        """Update `weights` (tf.Variable) in place, inside a compiled function; nothing changes unless `enabled` (bool scalar).

        Answers the number of steps taken before, int64 scalar: the count travels with the checkpoint, and to read it by itself takes
        as long as the table's whole update.
        """
        before = self._step + tf.constant(0, tf.int64)
        rate = rate_at(self._settings.learning_rate, before)
        self._step.assign_add(tf.cast(enabled, tf.int64))
        states = (
            zip(*(parts.values() for parts in self._state.values()), strict=True)
            if self._state
            else ((),) * len(weights)
        )
        for gradient, weight, state in zip(self._clipped(gradients), weights, states, strict=True):
            self._apply_one(gradient, weight, state, rate, before + 1, enabled)
        return before

    @abstractmethod
    def _apply_one(  # noqa: PLR0917 - all that an update is made of
        self, gradient: Any, weight: Any, state: tuple[Any, ...], rate: Any, step: Any, enabled: Any
    ) -> None:
        """Update one weight and its state, in the state's order, unless not `enabled`; `step` (int64 scalar) counts this step too."""

    def _clipped(self, gradients: list[Any]) -> list[Any]:
        limit = self._settings.clip_norm
        if limit is None:
            return gradients
        scale = limit / tf.maximum(tf.linalg.global_norm(gradients), limit)
        return [gradient * scale for gradient in gradients]

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """A copy of what each weight has: `<weight>/<part>`. The step count is `num_steps`."""
        return {
            f"{name}/{part}": np.array(variable.numpy())
            for part, variables in self._state.items()
            for name, variable in variables.items()
        }

    @property
    def num_steps(self) -> int:
        return int(self._step.numpy())

    def restore(self, state: Mapping[str, npt.NDArray[np.float32]], num_steps: int) -> None:
        """Take over another's `state()` and `num_steps`. Raises `CorruptRecord` on other names or shapes."""
        expected = {name: value.shape for name, value in self.state().items()}
        received = {name: value.shape for name, value in state.items()}
        if expected != received:
            raise CorruptRecord(f"optimizer state: must be {expected}, received {received}")
        for part, variables in self._state.items():
            for name, variable in variables.items():
                variable.assign(state[f"{name}/{part}"])
        self._step.assign(num_steps)


class ComputedUpdate(DenseOptimizer):
    """An optimizer whose update is a formula in TensorFlow."""

    def _apply_one(  # noqa: PLR0917 - all that an update is made of
        self, gradient: Any, weight: Any, state: tuple[Any, ...], rate: Any, step: Any, enabled: Any
    ) -> None:
        new = self._update(gradient, weight, state, rate, step)
        for variable, value in zip((weight, *state), new, strict=True):
            variable.assign(tf.where(enabled, value, variable))

    @abstractmethod
    def _update(self, gradient: Any, weight: Any, state: tuple[Any, ...], rate: Any, step: Any) -> tuple[Any, ...]:
        """The new weight, then the new state in its order."""
