"""One score for each pair, of what a model predicts for its tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from engine.features.encoded import FloatArray
from engine.spec.score import FirstTask, ProductScore, Score
from engine.spec.task import Task

LEAST: Final = 1e-9
"""What a prediction counts as in a product where it is less: a number below 0 has no power, and 0 would hide all other tasks."""

_GREATEST_LOG: Final = 80.0


def score_of(score: Score, tasks: Sequence[Task], predictions: FloatArray) -> FloatArray:
    """float32[p], finite, of predictions float32[p, num_tasks] as `engine.models.outputs.predictions` gives them.

    A binary task's prediction is its probability, a regression's its number in the property's unit.
    """
    if isinstance(score, FirstTask):
        return predictions[:, 0]
    places = [place for place, task in enumerate(tasks) if task.name in score.weights]
    weights = np.array([score.weights[tasks[place].name] for place in places])
    chosen = predictions[:, places].astype(np.float64)
    if isinstance(score, ProductScore):
        logarithms = np.log(np.maximum(chosen, LEAST)) @ weights
        product: FloatArray = np.exp(np.clip(logarithms, -_GREATEST_LOG, _GREATEST_LOG)).astype(np.float32)
        return product
    limit = float(np.finfo(np.float32).max)
    weighted: FloatArray = np.clip(chosen @ weights, -limit, limit).astype(np.float32)
    return weighted
