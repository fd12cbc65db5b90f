"""Columns of raw values to FIDs and dense floats: the one encoder of training and of serving."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from engine.features.derived import derive
from engine.features.encoded import EncodedBatch, FloatArray, SlotValues
from engine.features.ids import ids_of, nothing
from engine.features.numbers import Numbers, numbers_of, vectors_of
from engine.spec.definition import DenseInput, DenseTransform, ModelDefinition, Side, Slot
from engine.spec.feature import Cross, Feature, Text
from engine.spec.slot import Pooling


class FeatureEncoder:
    """Turns columns into an `EncodedBatch` as a model definition says; see docs/features.md for what each kind of value becomes.

    What is hashed: strings as strings, integers as integers, booleans as the integers 0 and 1, timestamps as the value the schema's
    validation stored (integer milliseconds). A float that is a whole number is that integer. Null, the empty string, NaN, fractions
    and objects have no FID: the pooled embedding of a row without FIDs is zero. A slot that `shares` hashes with its owner's number.
    Of a list, the last `max_values` usable values count, repeats included; of a cross or a text, and where only the first is pooled,
    the first. Dense: missing, malformed, NaN and infinite are 0.0; where the model standardises, they are NaN here and 0.0 after it.
    """

    def __init__(self, definition: ModelDefinition, inputs: Collection[str] | None = None) -> None:
        """With `inputs`, names of slots and dense inputs, of these alone."""
        self.definition = definition
        self.has_pairs = definition.has_pairs
        self._numbers = {slot.name: definition.number_of(slot) for slot in definition.slots}
        self._first = {slot.name for slot in definition.slots if _keeps_first(definition, slot)}
        sides = [*Side, None]
        slots = {side: definition.slots if side is None else definition.slots_of(side) for side in sides}
        dense = {side: definition.dense if side is None else definition.dense_of(side) for side in sides}
        self._slots = {
            side: [slot for slot in mine if inputs is None or slot.name in inputs] for side, mine in slots.items()
        }
        self._dense = {
            side: [each for each in mine if inputs is None or each.name in inputs] for side, mine in dense.items()
        }
        self._features = {side: _needed(definition, self._named(side)) for side in sides}
        self._sources = {side: _raw(self._named(side), self._features[side]) for side in sides}

    def slots(self, side: Side | None = None) -> list[Slot]:
        """The definition's slots of one side, or all, in its order."""
        return list(self._slots[side])

    def dense(self, side: Side | None = None) -> list[DenseInput]:
        """The definition's dense inputs of one side, or all, in its order."""
        return list(self._dense[side])

    def sources(self, side: Side | None = None) -> list[str]:
        """Every raw source that `encode` reads for the side, each once: those of its inputs and of the features that they are."""
        return list(self._sources[side])

    def kept_values(self, slot: Slot) -> tuple[int, bool]:
        """How many values of a row count for the slot, and whether these are the first instead of the last."""
        return 1 if slot.pooling is Pooling.FIRST else slot.max_values, slot.name in self._first

    def encode(self, columns: Mapping[str, pa.Array[Any]], num_rows: int, side: Side | None = None) -> EncodedBatch:
        """Encode `num_rows` rows. A source absent from `columns` is missing in every row. Raises ValueError on another length."""
        for source, column in columns.items():
            if len(column) != num_rows:
                raise ValueError(f"columns.{source}: must have {num_rows} rows, received {len(column)}")
        if self._features[side]:
            known = dict(columns)
            for feature in self._features[side]:
                known[f"feature.{feature.name}"] = derive(feature, known, num_rows)
            columns = known
        slots = {slot.name: self._encode_slot(slot, columns.get(slot.source), num_rows) for slot in self._slots[side]}
        return EncodedBatch(slots, _dense(self._dense[side], columns, num_rows), num_rows)

    def _encode_slot(self, slot: Slot, column: Any, num_rows: int) -> SlotValues:
        if column is None:
            return nothing(num_rows)
        most, keep_first = self.kept_values(slot)
        return ids_of(column, self._numbers[slot.name], most, keep_first=keep_first)

    def _named(self, side: Side | None) -> list[str]:
        return [slot.source for slot in self._slots[side]] + [dense.source for dense in self._dense[side]]


def _keeps_first(definition: ModelDefinition, slot: Slot) -> bool:
    if slot.pooling is Pooling.FIRST:
        return True
    return slot.source.startswith("feature.") and isinstance(definition.feature(slot.source), Cross | Text)


def _needed(definition: ModelDefinition, sources: list[str]) -> list[Feature]:
    """The features behind the sources, those behind these included, in the definition's order."""
    names = set(sources)
    needed = []
    for feature in reversed(definition.features):
        if f"feature.{feature.name}" in names:
            needed.append(feature)
            names.update(feature.inputs)
    return needed[::-1]


def _raw(sources: list[str], features: list[Feature]) -> list[str]:
    named = dict.fromkeys([*sources, *(source for feature in features for source in feature.inputs)])
    return [source for source in named if not source.startswith("feature.")]


def _dense(inputs: list[DenseInput], columns: Mapping[str, pa.Array[Any]], num_rows: int) -> FloatArray:
    dense = np.zeros((num_rows, sum(each.dim for each in inputs)), np.float32)
    start = 0
    for each in inputs:
        missing = np.nan if each.transform.standardises else 0.0
        place = dense[:, start : start + each.dim]
        if each.source in columns:
            _fill(place, dense_numbers(columns[each.source], each.dim), each.transform, missing)
        else:
            place.fill(missing)
        start += each.dim
    return dense


def dense_numbers(column: Any, dim: int) -> Numbers:
    """float64[n, dim] of a dense input's column. A vector of one number may come as the number too."""
    if dim > 1:
        return vectors_of(column, dim)
    numbers = numbers_of(column)[:, np.newaxis]
    return np.where(np.isnan(numbers), vectors_of(column, 1), numbers) if pa.types.is_nested(column.type) else numbers


def _fill(place: FloatArray, numbers: Numbers, transform: DenseTransform, missing: float) -> None:
    if transform.takes_log:
        numbers = np.sign(numbers) * np.log1p(np.abs(numbers))
    with np.errstate(over="ignore"):
        place[:] = numbers
    place[~np.isfinite(place)] = missing
