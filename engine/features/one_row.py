"""One row encoded from plain values: a request's user, for whom whole columns would be columns of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import engine_cc
from engine.features.columns import column_of
from engine.features.encoded import FidArray
from engine.features.encoder import FeatureEncoder, dense_numbers
from engine.features.ids import ids_of
from engine.features.records import RecordLayout, Records
from engine.spec.definition import DenseInput, ModelDefinition, Side, Slot

_INT64: Final = range(-(2**63), 2**63)
_ONLY_ROW: Final = np.zeros(1, np.int64)


@dataclass(frozen=True, slots=True)
class _PlainSlot:
    place: int
    source: str
    number: int
    most: int
    keeps_first: bool


class OneRowEncoder:
    """The record of one row of a side: to the bit what `FeatureEncoder` and `RecordLayout.pack` make of the same values.

    Inputs that are properties, ids and lists of ids are hashed by the C++ core as they are; derived ones, and vectors, by the encoder.
    Safe for any number of threads.
    """

    def __init__(self, definition: ModelDefinition, side: Side, elsewhere: frozenset[str] = frozenset()) -> None:
        """Inputs whose source is among `elsewhere` are left to the encoder, too."""
        self.layout = RecordLayout(definition, side)
        encoder = FeatureEncoder(definition)

        def is_plain(source: str) -> bool:
            return not source.startswith("feature.") and source not in elsewhere

        slots = self.layout.slots
        self._dense = encoder.dense(side)
        self._plain = [
            _PlainSlot(place, slot.source, definition.number_of(slot), *encoder.kept_values(slot))
            for place, slot in enumerate(slots)
            if is_plain(slot.source)
        ]
        self._has_plain_dense = all(is_plain(each.source) and each.dim == 1 for each in self._dense)
        rest: list[Slot | DenseInput] = [slot for slot in slots if not is_plain(slot.source)]
        rest += [] if self._has_plain_dense else self._dense
        self._side = side
        self._rest = FeatureEncoder(definition, [each.name for each in rest]) if rest else None
        self._rest_slots = [place for place, slot in enumerate(slots) if not is_plain(slot.source)]
        self._core = engine_cc.RowEncoder(
            [(definition.number_of(slot), *encoder.kept_values(slot)) for slot in slots], self.layout.num_dense
        )
        self._takes_log = np.array([each.transform.takes_log for each in self._dense], np.bool_)
        self._missing = np.array([np.nan if each.transform.standardises else 0.0 for each in self._dense], np.float32)
        self.plain_sources = [slot.source for slot in self._plain]
        """The sources whose values `encode` wants as they are."""
        self.plain_sources += [each.source for each in self._dense] if self._has_plain_dense else []

    @property
    def column_sources(self) -> list[str]:
        """The sources that `encode` wants as columns of one row."""
        return [] if self._rest is None else self._rest.sources(self._side)

    def encode(self, plain: Sequence[Any], columns: Mapping[str, pa.Array[Any]]) -> Records:
        """One row's record. `plain` has a value for each of `plain_sources`, as `column_of` takes it, None for one that is missing;
        `columns` has what `column_sources` names."""
        values = list(plain[: len(self._plain)])
        dense = self._missing
        if self._rest is not None:
            batch = self._rest.encode(columns, 1, self._side)
            for place in self._rest_slots:
                values.insert(place, batch.slots[self.layout.slots[place].name].fids)
            dense = batch.dense[0]
        if self._has_plain_dense and self._dense:
            dense = self._numbers(plain[len(self._plain) :])
        words = self._core.encode(values, dense)
        if words is None:
            for slot in self._plain:
                values[slot.place] = _fids(values[slot.place], slot)
            words = self._core.encode(values, dense)
            assert words is not None
        return Records(words, _ONLY_ROW)

    def _numbers(self, values: Sequence[Any]) -> npt.NDArray[np.float32]:
        numbers = np.array([_number(value) for value in values])
        if self._takes_log.any():
            logarithms = np.sign(numbers) * np.log1p(np.abs(numbers))
            numbers = np.where(self._takes_log, logarithms, numbers)
        with np.errstate(over="ignore"):
            dense = numbers.astype(np.float32)
        return np.where(np.isfinite(dense), dense, self._missing)


def _fids(value: Any, slot: _PlainSlot) -> FidArray:
    return ids_of(column_of([value]), slot.number, slot.most, keep_first=slot.keeps_first).fids


def _number(value: Any) -> float:
    kind = type(value)
    if kind is float or kind is bool or (kind is int and value in _INT64):
        return float(value)
    if value is None or kind is str:
        return np.nan
    return float(dense_numbers(column_of([value]), 1)[0, 0])
