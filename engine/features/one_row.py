"""One row encoded from plain values: a request's user, for whom whole columns would be columns of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from engine.embedding.hashing import hash_ids
from engine.features.columns import column_of
from engine.features.encoded import FidArray
from engine.features.encoder import FeatureEncoder, dense_numbers
from engine.features.ids import ids_of
from engine.features.records import RecordLayout, Records
from engine.spec.definition import DenseInput, ModelDefinition, Side, Slot

ValueOf = Callable[[str], Any]
"""The value of a source, as `column_of` takes it: None for one that is missing."""

_INTEGER_SEEDS: Final = 1 << 32
_INT64: Final = range(-(2**63), 2**63)
_WORTH_A_COLUMN: Final = 6
"""Strings of a list, from which on an Arrow array is the shorter way."""


@dataclass(frozen=True, slots=True)
class _PlainSlot:
    place: int
    source: str
    number: int
    most: int
    keeps_first: bool


class OneRowEncoder:
    """The record of one row of a side: to the bit what `FeatureEncoder` and `RecordLayout.pack` make of the same values.

    Inputs that are properties, ids and lists of ids are hashed here; derived ones, and vectors, by the encoder. Safe for any number of
    threads.
    """

    def __init__(self, definition: ModelDefinition, side: Side, elsewhere: frozenset[str] = frozenset()) -> None:
        """Inputs whose source is among `elsewhere` are left to the encoder, too."""
        self.layout = RecordLayout(definition, side)
        encoder = FeatureEncoder(definition)

        def is_plain(source: str) -> bool:
            return not source.startswith("feature.") and source not in elsewhere

        self._dense = encoder.dense(side)
        self._plain = [
            _PlainSlot(place, slot.source, definition.number_of(slot), *encoder.kept_values(slot))
            for place, slot in enumerate(self.layout.slots)
            if is_plain(slot.source)
        ]
        self._has_plain_dense = all(is_plain(each.source) and each.dim == 1 for each in self._dense)
        rest: list[Slot | DenseInput] = [slot for slot in self.layout.slots if not is_plain(slot.source)]
        rest += [] if self._has_plain_dense else self._dense
        self._side = side
        self._rest = FeatureEncoder(definition, [each.name for each in rest]) if rest else None
        self._rest_slots = [place for place, slot in enumerate(self.layout.slots) if not is_plain(slot.source)]
        self._takes_log = np.array([each.transform.takes_log for each in self._dense], np.bool_)
        self._missing = np.array([np.nan if each.transform.standardises else 0.0 for each in self._dense], np.float32)

    @property
    def column_sources(self) -> list[str]:
        """The sources that `encode` wants as columns of one row."""
        return [] if self._rest is None else self._rest.sources(self._side)

    def encode(self, value_of: ValueOf, columns: Mapping[str, pa.Array[Any]]) -> Records:
        """One row's record; `columns` has what `column_sources` names."""
        values: list[list[int] | FidArray] = [[]] * len(self.layout.slots)
        for slot in self._plain:
            values[slot.place] = _fids(value_of(slot.source), slot)
        dense = None
        if self._rest is not None:
            batch = self._rest.encode(columns, 1, self._side)
            for place in self._rest_slots:
                values[place] = batch.slots[self.layout.slots[place].name].fids
            dense = batch.dense[0]
        if self._has_plain_dense:
            dense = self._numbers(value_of)
        assert dense is not None
        return self.layout.pack_one(values, dense)

    def _numbers(self, value_of: ValueOf) -> npt.NDArray[np.float32]:
        if not self._dense:
            return self._missing
        numbers = np.array([_number(value_of(each.source)) for each in self._dense])
        if self._takes_log.any():
            logarithms = np.sign(numbers) * np.log1p(np.abs(numbers))
            numbers = np.where(self._takes_log, logarithms, numbers)
        with np.errstate(over="ignore"):
            dense = numbers.astype(np.float32)
        return np.where(np.isfinite(dense), dense, self._missing)


def _fids(value: Any, slot: _PlainSlot) -> list[int] | FidArray:
    kind = type(value)
    if value is None:
        return []
    if kind is str:
        return [xxhash.xxh64_intdigest(value.encode(), slot.number)] if value else []
    if (kind is int and value in _INT64) or kind is bool:
        return [xxhash.xxh64_intdigest(int(value).to_bytes(8, "little", signed=True), slot.number + _INTEGER_SEEDS)]
    if (kind is list or kind is tuple) and all(type(each) is str for each in value):
        return _fids_of_strings([each for each in value if each], slot)
    return ids_of(column_of([value]), slot.number, slot.most, keep_first=slot.keeps_first).fids


def _fids_of_strings(values: list[str], slot: _PlainSlot) -> list[int] | FidArray:
    kept = values[: slot.most] if slot.keeps_first else values[-slot.most :]
    if len(kept) >= _WORTH_A_COLUMN:
        return hash_ids(pa.array(kept, pa.string()), slot.number)
    return [xxhash.xxh64_intdigest(each.encode(), slot.number) for each in kept]


def _number(value: Any) -> float:
    kind = type(value)
    if kind is float or kind is bool or (kind is int and value in _INT64):
        return float(value)
    if value is None or kind is str:
        return np.nan
    return float(dense_numbers(column_of([value]), 1)[0, 0])
