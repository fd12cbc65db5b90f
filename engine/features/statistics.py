"""Running mean and variance of the dense inputs that a definition standardises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.features.encoded import FloatArray
from engine.spec.definition import ModelDefinition, Side

MEMORY_ROWS: Final = 2**20
"""Of more rows than so many the older ones count for less and less, so that the statistics follow a stream that changes."""

PREFIX: Final = "statistics/"

Moments = npt.NDArray[np.float64]


class RunningStatistics:
    """For each column of a standardised input: how many values, their mean, and the sum of their squared distances from it.

    Batches are merged as Chan, Golub and LeVeque do (1979), in float64, so that the order of rows within a batch hardly matters.
    Missing values (NaN) are not counted. Deterministic: the same batches give the same statistics. Not thread-safe.
    """

    def __init__(self, definition: ModelDefinition) -> None:
        self._places: dict[str, tuple[Side, slice]] = {}
        for side in Side:
            start = 0
            for dense in definition.dense_of(side):
                if dense.transform.standardises:
                    self._places[dense.name] = (side, slice(start, start + dense.dim))
                start += dense.dim
        self._moments = {name: np.zeros((3, place.stop - place.start)) for name, (_, place) in self._places.items()}

    def __bool__(self) -> bool:
        return bool(self._places)

    def observe(self, side: Side, dense: FloatArray) -> None:
        """Count the rows of one side's dense inputs, float32[n, num_dense], as the encoder gave them."""
        for name, (of_side, place) in self._places.items():
            if of_side is side:
                self._moments[name] = _merged(self._moments[name], dense[:, place].astype(np.float64))

    def weights(self) -> dict[str, FloatArray]:
        """`statistics/<input>` float32[2, dim]: what to take from each column, and what to multiply the rest with.

        A column that has shown no two values is multiplied with 1, and one that has shown none with 0: weights that never learned what it
        means must not hear of it when a replica suddenly has values.
        """
        return {PREFIX + name: _scale_of(moments) for name, moments in self._moments.items()}

    def to_json(self) -> dict[str, Any]:
        """By input: counts, means and sums of squares of its columns."""
        return {name: moments.tolist() for name, moments in self._moments.items()}

    def restore(self, data: Mapping[str, Any]) -> None:
        """The inverse of `to_json`. Raises KeyError or ValueError when it is not of these inputs."""
        for name, moments in self._moments.items():
            restored = np.array(data[name], np.float64)
            if restored.shape != moments.shape:
                raise ValueError(f"statistics.{name}: must have the shape {moments.shape}, received {restored.shape}")
            self._moments[name] = restored


def _merged(moments: Moments, values: Moments) -> Moments:
    present = np.isfinite(values)
    num = present.sum(axis=0)
    added = np.maximum(num, 1)
    mean = np.where(present, values, 0.0).sum(axis=0) / added
    squares = np.where(present, (values - mean) ** 2, 0.0).sum(axis=0)
    count, known_mean, known_squares = moments
    total = np.maximum(count + num, 1)
    apart = mean - known_mean
    merged = np.stack(
        [
            count + num,
            known_mean + np.where(num, apart * num / total, 0.0),
            known_squares + squares + np.where(num, apart**2 * count * num / total, 0.0),
        ]
    )
    # The sum of squares of as many rows as are remembered: the variance stays, the weight of what was goes.
    kept = np.minimum(1.0, MEMORY_ROWS / np.maximum(merged[0], 1))
    merged[0] *= kept
    merged[2] *= kept
    return merged


def _scale_of(moments: Moments) -> FloatArray:
    count, mean, squares = moments
    deviation = np.sqrt(squares / np.maximum(count, 1))
    with np.errstate(divide="ignore"):
        factor = np.where(deviation > 1e-12 * np.maximum(1.0, np.abs(mean)), 1.0 / deviation, np.minimum(count, 1.0))
    scale: FloatArray = np.stack([mean, factor]).astype(np.float32)
    return scale
