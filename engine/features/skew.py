"""How far the features that serving logged are from those computed again: the share of rows that differ, by a model's inputs.

The joiner compares raw values by their source as they arrive (`engine.joining.agreement`); this compares what a definition makes of
them, so that a difference shows only where the model would see one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.features.columns import Columns, columns_from_examples
from engine.features.encoded import FloatArray, SlotValues
from engine.features.encoder import FeatureEncoder
from engine.spec.example import Example

TOLERANCE: Final = 1e-3
"""Numbers count as equal within this distance, relative to the larger of 1 and the number: a decayed count moves within milliseconds."""


@dataclass(frozen=True, slots=True)
class FeatureSkew:
    """Of one slot or dense input: how many rows were compared, and how many of them differ."""

    name: str
    num_rows: int
    num_differing: int

    @property
    def share(self) -> float:
        """0 when no row was compared."""
        return self.num_differing / self.num_rows if self.num_rows else 0.0


def skew_of_examples(
    encoder: FeatureEncoder, logged: Sequence[Example], recomputed: Sequence[Example], tolerance: float = TOLERANCE
) -> list[FeatureSkew]:
    """`skew` of the examples as they were logged and the same ones, in the same order, with features computed again."""
    sources = encoder.sources()
    columns = (columns_from_examples(each, sources) for each in (logged, recomputed))
    return skew(encoder, *columns, num_rows=len(logged), tolerance=tolerance)


def skew(
    encoder: FeatureEncoder, logged: Columns, recomputed: Columns, *, num_rows: int, tolerance: float = TOLERANCE
) -> list[FeatureSkew]:
    """The inputs of the encoder's definition, slots before dense ones, each with the rows in which the two sets of columns differ.

    Ids differ when they are not the same in the same order. A number differs from a missing one. Raises ValueError for columns that have
    not `num_rows` rows.
    """
    first, second = encoder.encode(logged, num_rows), encoder.encode(recomputed, num_rows)
    found = [
        FeatureSkew(slot.name, num_rows, int(_differing_ids(first.slots[slot.name], second.slots[slot.name]).sum()))
        for slot in encoder.slots()
    ]
    start = 0
    for dense in encoder.dense():
        place = slice(start, start + dense.dim)
        differing = _differing_numbers(first.dense[:, place], second.dense[:, place], tolerance)
        found.append(FeatureSkew(dense.name, num_rows, int(differing.sum())))
        start += dense.dim
    return found


def _differing_ids(first: SlotValues, second: SlotValues) -> npt.NDArray[np.bool_]:
    """bool[n]."""
    differing: npt.NDArray[np.bool_] = first.lengths != second.lengths
    kept = ~differing
    rows = np.repeat(np.flatnonzero(kept), first.lengths[kept])
    unequal = first.fids[np.repeat(kept, first.lengths)] != second.fids[np.repeat(kept, second.lengths)]
    differing[rows[unequal]] = True
    return differing


def _differing_numbers(first: FloatArray, second: FloatArray, tolerance: float) -> npt.NDArray[np.bool_]:
    """bool[n]: any of a row's numbers differs."""
    missing = np.isnan(first), np.isnan(second)
    apart = np.abs(first - second) > tolerance * np.maximum(1.0, np.abs(second))
    differing: npt.NDArray[np.bool_] = (apart | (missing[0] != missing[1])).any(axis=1)
    return differing
