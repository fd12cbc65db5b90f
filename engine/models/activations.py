"""Activations with parameters of their own, for hidden layers: PReLU, and DIN's Dice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import tensorflow as tf

from engine.spec.layer_settings import Activation

if TYPE_CHECKING:
    from engine.models.architecture import Architecture

MEMORY_ROWS: Final = 2.0**16
"""Of more rows than so many the older ones count for less and less: the moments follow a layer that learns."""

_EPSILON: Final = 1e-8


class PReLU:
    """f(s) = max(s, 0) + α·min(s, 0), an α for each unit, at first 1/4 (He et al., Delving Deep into Rectifiers, ICCV 2015)."""

    def __init__(self, architecture: Architecture, name: str, units: int) -> None:
        self._alpha = architecture.add_filled(name, (units,), 0.25)

    def __call__(self, values: Any, mask: Any | None = None) -> Any:  # noqa: ARG002 - as `Dice`
        """[…, units] of the same."""
        alpha = tf.cast(tf.convert_to_tensor(self._alpha.value), values.dtype)
        return tf.maximum(values, 0) + alpha * tf.minimum(values, 0)


class Dice:
    """f(s) = p·s + (1 - p)·α·s with p = σ((s - E[s]) / √(Var[s] + ε)), an α for each unit, at first 0 (Zhou et al., KDD 2018, section 5.3).

    A PReLU whose bend lies where the layer's inputs are. The paper takes E and Var of the mini-batch when it learns, and moving averages
    when it answers. Here both take the running moments of the last `MEMORY_ROWS` rows, this batch's counted in when it is learned: an
    online batch may be a single click, which has no variance, and no row's score depends on its neighbours. No gradient flows
    through the moments. They travel with the dense weights, as `<name>/moments` float32[3, units]: rows, mean, variance.
    """

    def __init__(self, architecture: Architecture, name: str, units: int) -> None:
        self._architecture = architecture
        self._alpha = architecture.add_filled(name, (units,), 0.0)
        self._moments = architecture.add_moments(name, units)

    def __call__(self, values: Any, mask: Any | None = None) -> Any:
        """[…, units] of the same; only the places where `mask` bool[…] is true count for the moments."""
        inputs = tf.cast(values, tf.float32)
        moments = tf.convert_to_tensor(self._moments.value)
        if self._architecture.is_learning:
            moments = tf.stop_gradient(merged(moments, inputs, mask))
            self._architecture.note_moments(self._moments, moments)
        _, mean, variance = tf.unstack(moments)
        share = tf.sigmoid((inputs - mean) * tf.math.rsqrt(variance + _EPSILON))
        alpha = tf.convert_to_tensor(self._alpha.value)
        return tf.cast(inputs * (share + (1.0 - share) * alpha), values.dtype)


def merged(moments: Any, values: Any, mask: Any | None) -> Any:
    """float32[3, units]: the moments with those of `values` float32[…, units], merged as Chan, Golub and LeVeque do (1979)."""
    units = moments.shape[1]
    rows = tf.reshape(values, (-1, units))
    weights = tf.ones_like(rows[:, :1]) if mask is None else tf.cast(tf.reshape(mask, (-1, 1)), tf.float32)
    num_rows = tf.reduce_sum(weights)
    batch_mean = tf.math.divide_no_nan(tf.reduce_sum(rows * weights, axis=0), num_rows)
    batch_variance = tf.math.divide_no_nan(tf.reduce_sum(tf.square(rows - batch_mean) * weights, axis=0), num_rows)
    before, mean, variance = tf.unstack(moments)
    total = before + num_rows
    share = tf.math.divide_no_nan(num_rows, total)
    distance = batch_mean - mean
    mean += share * distance
    variance += share * (batch_variance - variance) + share * (1.0 - share) * tf.square(distance)
    return tf.stack([tf.minimum(total, MEMORY_ROWS), mean, variance])


def build_activation(kind: Activation, architecture: Architecture, name: str, units: int) -> PReLU | Dice | None:
    """What follows the linear part of a hidden layer; None for ReLU, which the layer does itself."""
    if kind is Activation.RELU:
        return None
    made: type[PReLU] | type[Dice] = PReLU if kind is Activation.PRELU else Dice
    return made(architecture, name, units)
