"""Stochastic gradient descent with momentum for the dense weights (Sutskever et al., ICML 2013)."""

from __future__ import annotations

from typing import Any

from engine.spec.dense_optimizer import DenseMomentum
from engine.training.dense_optimizer import ComputedUpdate, Shapes


class Momentum(ComputedUpdate):
    """v <- momentum·v + g; w -= lr·v, or lr·(g + momentum·v) with Nesterov's look ahead. State: `velocity` (v), none at momentum 0."""

    def __init__(self, shapes: Shapes, settings: DenseMomentum) -> None:
        super().__init__(shapes, settings, {"velocity": 0.0} if settings.momentum else {})
        self._momentum = settings

    def _update(self, gradient: Any, weight: Any, state: tuple[Any, ...], rate: Any, step: Any) -> tuple[Any, ...]:  # noqa: ARG002
        if not state:
            return (weight - rate * gradient,)
        velocity = self._momentum.momentum * state[0] + gradient
        if self._momentum.nesterov:
            return weight - rate * (gradient + self._momentum.momentum * velocity), velocity
        return weight - rate * velocity, velocity
