"""From a definition to the optimizer of its dense weights."""

from __future__ import annotations

from engine.spec.dense_optimizer import DenseAdagrad, DenseAdam, DenseMomentum, NetworkOptimizer
from engine.training.adagrad import Adagrad
from engine.training.adam import Adam
from engine.training.dense_optimizer import DenseOptimizer, Shapes
from engine.training.momentum import Momentum


def build_dense_optimizer(shapes: Shapes, settings: NetworkOptimizer) -> DenseOptimizer:
    """`shapes` of the weights by name. Raises TypeError for settings of no known optimizer."""
    if isinstance(settings, DenseAdam):
        return Adam(shapes, settings)
    if isinstance(settings, DenseAdagrad):
        return Adagrad(shapes, settings)
    if isinstance(settings, DenseMomentum):
        return Momentum(shapes, settings)
    raise TypeError(f"{type(settings).__name__} is no optimizer of dense weights")
