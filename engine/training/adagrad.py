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

    def _apply_one(  # noqa: PLR0917 - as `DenseOptimizer` calls it
        self,
        gradient: Any,
        weight: Any,
        state: tuple[Any, ...],
        rate: Any,
        step: Any,  # noqa: ARG002
        enabled: Any,
    ) -> None:
        """In one pass of TensorFlow's own; a gradient of zeros changes nothing."""
        tf.raw_ops.ResourceApplyAdagradV2(
            var=weight.handle,
            accum=state[0].handle,
            lr=rate,
            epsilon=tf.zeros([], gradient.dtype),
            grad=tf.where(enabled, gradient, tf.zeros_like(gradient)),
        )
