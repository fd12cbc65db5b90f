"""One property of every item, laid out by row.

One thread writes at a time; readers need no lock. Whoever read `Catalogue.num_rows` before the column may read all rows below. A value that
is being written meanwhile is seen as it was or as it will be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.retrieval.item_rows import Rows
from engine.retrieval.property_values import as_flag, as_number, as_text, as_texts
from engine.spec.schema import PropertyType

Codes = npt.NDArray[np.int32]

NO_CODE: Final = -1
_LENGTH_BITS: Final = 12
_LENGTH_MASK: Final = (1 << _LENGTH_BITS) - 1
_NO_SPAN: Final = -1
_MIN_WASTE: Final = 4096


class NumberColumn:
    """Integers, floats and timestamps (ms). `values` float64[capacity], NaN for null; whole numbers are exact up to 2**53."""

    def __init__(self, values: Sequence[Any], capacity: int) -> None:
        self.values: npt.NDArray[np.float64] = np.full(capacity, np.nan)
        self.values[: len(values)] = [as_number(value) for value in values]

    def write(self, row: int, value: Any) -> None:
        self.values[row] = as_number(value)

    def make_room(self, capacity: int) -> None:
        self.values = _grown(self.values, capacity, np.nan)

    def is_wasteful(self, num_items: int) -> bool:
        del num_items  # as long as the rows, whatever was written
        return False

    @property
    def memory_bytes(self) -> int:
        return self.values.nbytes


class BooleanColumn:
    """`values` int8[capacity]: 1, 0, or -1 for null."""

    def __init__(self, values: Sequence[Any], capacity: int) -> None:
        self.values: npt.NDArray[np.int8] = np.full(capacity, -1, np.int8)
        self.values[: len(values)] = [_flag_code(value) for value in values]

    def write(self, row: int, value: Any) -> None:
        self.values[row] = _flag_code(value)

    def make_room(self, capacity: int) -> None:
        self.values = _grown(self.values, capacity, -1)

    def is_wasteful(self, num_items: int) -> bool:
        del num_items  # as long as the rows, whatever was written
        return False

    @property
    def memory_bytes(self) -> int:
        return self.values.nbytes


class Dictionary:
    """Distinct texts by number, in the order in which they came. It only grows."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._code_of: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.texts)

    def code_of(self, text: str | None) -> int:
        """`NO_CODE` for null; a number of its own for each text."""
        if text is None:
            return NO_CODE
        code = self._code_of.get(text)
        if code is None:
            code = len(self.texts)
            self.texts.append(text)
            self._code_of[text] = code
        return code

    def find(self, text: str) -> int | None:
        """The text's number; None when no value ever was this text."""
        return self._code_of.get(text)

    def is_wasteful(self, num_values: int) -> bool:
        return len(self.texts) > 2 * num_values + _MIN_WASTE


class TextColumn:
    """Strings. `codes` int32[capacity] into `dictionary.texts`, -1 for null."""

    def __init__(self, values: Sequence[Any], capacity: int) -> None:
        self.dictionary = Dictionary()
        self.codes: Codes = np.full(capacity, NO_CODE, np.int32)
        self.codes[: len(values)] = [self.dictionary.code_of(as_text(value)) for value in values]

    def write(self, row: int, value: Any) -> None:
        self.codes[row] = self.dictionary.code_of(as_text(value))

    def make_room(self, capacity: int) -> None:
        self.codes = _grown(self.codes, capacity, NO_CODE)

    def is_wasteful(self, num_items: int) -> bool:
        """Most of the dictionary is of values that no item has any more."""
        return self.dictionary.is_wasteful(num_items)

    @property
    def memory_bytes(self) -> int:
        """Without the texts themselves, which the items' properties hold."""
        return self.codes.nbytes + 100 * len(self.dictionary)


class TextListColumn:
    """Lists of strings, each value of a list once. An entry is one value of one row: its code, and the row that it belongs to.

    Entries are only appended; those of a list that was written anew have the code -1 from then on.
    """

    def __init__(self, values: Sequence[Any], capacity: int) -> None:
        self.dictionary = Dictionary()
        code_of = self.dictionary.code_of
        lists = [as_texts(value) for value in values]
        codes = np.array([code_of(text) for texts in lists for text in texts or ()], np.int32)
        lengths = np.array([len(texts) if texts is not None else 0 for texts in lists], np.int64)
        present = np.array([texts is not None for texts in lists], np.bool_)
        starts = np.cumsum(lengths) - lengths
        self._spans = np.full(capacity, _NO_SPAN, np.int64)
        self._spans[: len(lists)] = np.where(present, starts << _LENGTH_BITS | np.minimum(lengths, _LENGTH_MASK), -1)
        self._codes: Codes = codes
        self._owners: Rows = np.repeat(np.arange(len(lists), dtype=np.int32), lengths)
        self._num_entries = codes.size
        self._num_wasted = 0

    @property
    def spans_size(self) -> int:
        """More than any row of an entry that `all_entries` gave before."""
        return int(self._spans.size)

    def is_null(self, rows: Rows | slice) -> npt.NDArray[np.bool_]:
        """An empty list is not null."""
        null: npt.NDArray[np.bool_] = self._spans[rows] == _NO_SPAN
        return null

    def all_entries(self) -> tuple[Codes, Rows]:
        """Codes and rows of every entry, int32[num_entries] each; the code is -1 where the entry is void."""
        num_entries = self._num_entries
        return self._codes[:num_entries], self._owners[:num_entries]

    def entries_of(self, rows: Rows) -> tuple[Codes, npt.NDArray[np.int64]]:
        """Codes of the entries of `rows`, and for each its place among `rows`."""
        spans = self._spans[rows]
        lengths = np.where(spans == _NO_SPAN, 0, spans & _LENGTH_MASK)
        places = np.repeat(np.arange(rows.size), lengths)
        ends = np.cumsum(lengths)
        within = np.arange(places.size) - (ends - lengths)[places]
        return self._codes[(spans >> _LENGTH_BITS)[places] + within], places

    def write(self, row: int, value: Any) -> None:
        texts = as_texts(value)
        before = int(self._spans[row])
        if texts is None:
            self._spans[row] = _NO_SPAN
        else:
            self._spans[row] = self._append(row, [self.dictionary.code_of(text) for text in texts[:_LENGTH_MASK]])
        if before != _NO_SPAN:
            start, length = before >> _LENGTH_BITS, before & _LENGTH_MASK
            self._codes[start : start + length] = NO_CODE
            self._num_wasted += length

    def make_room(self, capacity: int) -> None:
        self._spans = _grown(self._spans, capacity, _NO_SPAN)

    def is_wasteful(self, num_items: int) -> bool:
        """Most entries, or most of the dictionary, are of values that no item has any more."""
        num_used = self._num_entries - self._num_wasted
        return self._num_wasted > num_used + _MIN_WASTE or self.dictionary.is_wasteful(max(num_used, num_items))

    @property
    def memory_bytes(self) -> int:
        """Without the texts themselves, which the items' properties hold."""
        return self._codes.nbytes + self._owners.nbytes + self._spans.nbytes + 100 * len(self.dictionary)

    def _append(self, row: int, codes: list[int]) -> int:
        start, end = self._num_entries, self._num_entries + len(codes)
        if end > self._codes.size:
            self._codes = _grown(self._codes, max(end, 2 * self._codes.size), NO_CODE)
            self._owners = _grown(self._owners, self._codes.size, 0)
        self._codes[start:end] = codes
        self._owners[start:end] = row
        # Last: entries up to here are whole.
        self._num_entries = end
        return start << _LENGTH_BITS | len(codes)


PropertyColumn = NumberColumn | BooleanColumn | TextColumn | TextListColumn

_COLUMN_OF: Final[dict[PropertyType, type[PropertyColumn]]] = {
    PropertyType.INTEGER: NumberColumn,
    PropertyType.FLOAT: NumberColumn,
    PropertyType.TIMESTAMP: NumberColumn,
    PropertyType.BOOLEAN: BooleanColumn,
    PropertyType.STRING: TextColumn,
    PropertyType.STRING_LIST: TextListColumn,
}


def new_column(property_type: PropertyType, values: Sequence[Any], capacity: int) -> PropertyColumn:
    """A column of the values of rows 0..len(values)-1, with room for `capacity` rows. Raises ValueError for a vector, which has none."""
    if property_type not in _COLUMN_OF:
        raise ValueError(f"property_type: must be one that has a column, received {property_type}")
    return _COLUMN_OF[property_type](values, max(capacity, len(values)))


def _flag_code(value: Any) -> int:
    flag = as_flag(value)
    return -1 if flag is None else int(flag)


def _grown(array: npt.NDArray[Any], capacity: int, fill: float) -> npt.NDArray[Any]:
    if array.size >= capacity:
        return array
    grown = np.full(capacity, fill, array.dtype)
    grown[: array.size] = array
    return grown
