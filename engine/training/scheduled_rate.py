"""Learning-rate schedules inside a compiled step: the same course as `engine.spec.learning_rate`, of a step that is a tensor."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from engine.spec.learning_rate import ConstantRate, CosineDecay, PolynomialDecay, Schedule


def rate_at(schedule: Schedule, step: Any) -> Any:
    """float32 scalar: the rate of the step before which `step` (int64 scalar) others were taken. Computed in float64."""
    if schedule == ConstantRate(value=schedule.value):
        return tf.constant(schedule.value, tf.float32)
    after = tf.cast(step, tf.float64) - float(schedule.warmup_steps)
    rate = _course(schedule, tf.maximum(after, 0.0))
    if schedule.warmup_steps:
        rising = schedule.value * ((after + schedule.warmup_steps + 1.0) / schedule.warmup_steps)
        rate = tf.where(after < 0.0, rising, rate)
    return tf.cast(rate, tf.float32)


def _course(schedule: Schedule, step: Any) -> Any:
    """The rate so many steps after the warm-up, float64. Raises TypeError for a schedule that is unknown here."""
    if isinstance(schedule, ConstantRate):
        return tf.constant(schedule.value, tf.float64)
    if not isinstance(schedule, PolynomialDecay | CosineDecay):
        raise TypeError(f"{type(schedule).__name__} has no course inside a compiled step")
    progress = tf.minimum(step / float(schedule.decay_steps), 1.0)
    if isinstance(schedule, PolynomialDecay):
        left = tf.pow(1.0 - progress, tf.constant(schedule.power, tf.float64))
    else:
        left = (1.0 + tf.cos(math.pi * progress)) / 2.0
    return schedule.final + (schedule.value - schedule.final) * left
