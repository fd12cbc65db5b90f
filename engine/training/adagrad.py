"""Adagrad for the dense weights (Duchi, Hazan and Singer, JMLR 2011)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from engine.spec.dense_optimizer import DenseAdagrad
from engine.training.dense_optimizer import DenseOptimizer, Shapes


class Adagrad(DenseOptimizer):
    """n <- n + g²; w -= lr·g/√n. State: `accumulator` (n), at first `initial_accumulator`."""

    def __init__(self, shapes: Shapes, settings: DenseAdagrad) -> None:
        super().__init__(shapes, settings, {"accumulator": settings.initial_accumulator})

    def _update(self, gradient: Any, weight: Any, state: tuple[Any, ...], rate: Any, step: Any) -> tuple[Any, ...]:  # noqa: ARG002
        accumulator = state[0] + tf.square(gradient)
        return weight - rate * gradient / tf.sqrt(accumulator), accumulator
