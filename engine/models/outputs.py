"""What a task's logit says: a probability, or a number on the scale it was given in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import tensorflow as tf

from engine.spec.task import RegressionTask, TargetTransform, Task

_GREATEST_LOG: Final = 60.0
"""e^60 is 1e26: a prediction that has run away stays a finite float32."""


def transformed(transform: TargetTransform, targets: Any) -> Any:
    """A regression's targets on the scale on which it is learned."""
    if transform is TargetTransform.LOG1P:
        return tf.sign(targets) * tf.math.log1p(tf.abs(targets))
    return targets


def untransformed(transform: TargetTransform, values: Any) -> Any:
    """The inverse of `transformed`."""
    if transform is TargetTransform.LOG1P:
        return tf.sign(values) * tf.math.expm1(tf.minimum(tf.abs(values), _GREATEST_LOG))
    return values


def predictions(tasks: Sequence[Task], logits: Any) -> Any:
    """float32[n, num_tasks] of logits float32[n, num_tasks]: a binary task's probability, a regression's number."""
    columns = [
        untransformed(task.transform, logits[:, place])
        if isinstance(task, RegressionTask)
        else tf.sigmoid(logits[:, place])
        for place, task in enumerate(tasks)
    ]
    return tf.stack(columns, axis=1)
