"""Texts of items: a string property or the id. Whatever looks at a text looks at each distinct one once, never at a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.retrieval.catalogue import Catalogue
from engine.retrieval.filters.frame import Frame, Mask
from engine.retrieval.item_rows import Rows
from engine.retrieval.property_column import NO_CODE, Codes, Dictionary, TextColumn, TextListColumn
from engine.spec.expression_tree import Path
from engine.spec.schema import PropertyType

NO_SUCH_CODE: Final = -2
"""The code of a text that a dictionary does not have: no row has it, not even one without a value."""

_COMPARED_ONE_BY_ONE: Final = 4
_ROOM: Final = 1024


@dataclass(frozen=True, slots=True)
class ItemTexts:
    """A string property of the item."""

    name: str

    def column(self, catalogue: Catalogue) -> TextColumn:
        column = catalogue.column(self.name, PropertyType.STRING)
        assert isinstance(column, TextColumn)
        return column


@dataclass(frozen=True, slots=True)
class ItemIds:
    """The item's id."""


@dataclass(frozen=True, slots=True)
class ItemTextLists:
    """A list of strings of the item."""

    name: str

    def column(self, catalogue: Catalogue) -> TextListColumn:
        column = catalogue.column(self.name, PropertyType.STRING_LIST)
        assert isinstance(column, TextListColumn)
        return column


def item_texts(path: Path) -> ItemTexts | ItemIds:
    return ItemIds() if path.name == "id" else ItemTexts(path.name)


def codes_among(codes: Codes, dictionary: Dictionary, texts: Iterable[str]) -> Mask:
    """Where the code is that of one of `texts`."""
    wanted = [code for code in map(dictionary.find, texts) if code is not None]
    if len(wanted) > _COMPARED_ONE_BY_ONE:
        table = _table(dictionary, np.bool_, False)
        table[wanted] = True
        return _looked_up(table, codes)
    if not wanted:
        return np.zeros(codes.size, np.bool_)
    mask: Mask = codes == wanted[0]
    for code in wanted[1:]:
        mask |= codes == code
    return mask


def codes_where(codes: Codes, dictionary: Dictionary, holds: Callable[[str], bool]) -> Mask:
    """Where there is a text for which it holds."""
    table = _table(dictionary, np.bool_, False)
    answers = [holds(text) for text in dictionary.texts[: table.size - 1]]
    table[: len(answers)] = answers
    return _looked_up(table, codes)


def translated(codes: Codes, dictionary: Dictionary, into: Dictionary) -> Codes:
    """The codes that `into` has for the same texts; `NO_SUCH_CODE` where there is no text, or none of them."""
    table = _table(dictionary, np.int32, NO_SUCH_CODE)
    found = [into.find(text) for text in dictionary.texts[: table.size - 1]]
    table[: len(found)] = [NO_SUCH_CODE if code is None else code for code in found]
    return _looked_up(table, codes)


def ranked(codes: Codes, dictionary: Dictionary, order: dict[str, int]) -> npt.NDArray[np.int32]:
    """The rank that `order` gives each text; -1 where there is none."""
    table = _table(dictionary, np.int32, NO_CODE)
    ranks = [order.get(text, NO_CODE) for text in dictionary.texts[: table.size - 1]]
    table[: len(ranks)] = ranks
    return _looked_up(table, codes)


def named_rows(codes: Codes, dictionary: Dictionary, catalogue: Catalogue) -> Rows:
    """The rows of the items whose ids the texts are; `NO_SUCH_CODE` where there is no text, or it is no item's id."""
    table = _table(dictionary, np.int32, NO_SUCH_CODE)
    rows = catalogue.rows_of(dictionary.texts[: table.size - 1])
    table[: rows.size] = np.where(rows < 0, NO_SUCH_CODE, rows)
    return _looked_up(table, codes)


def rows_among(frame: Frame, item_ids: Iterable[str]) -> Mask:
    """Where the item's id is one of these."""
    table = np.zeros(frame.num_rows, np.bool_)
    rows = frame.catalogue.rows_of(item_ids)
    # An item that was added since the frame was made is beyond it.
    table[rows[(rows >= 0) & (rows < frame.num_rows)]] = True
    return table if frame.rows is None else table[frame.rows]


def _table(dictionary: Dictionary, dtype: type[np.bool_] | type[np.int32], fill: int) -> npt.NDArray[Any]:
    """An entry for each code, for those that a writer adds meanwhile, and last one for -1."""
    return np.full(2 * len(dictionary) + _ROOM, fill, dtype)


def _looked_up(table: npt.NDArray[Any], codes: Codes) -> npt.NDArray[Any]:
    found: npt.NDArray[Any] = table[codes]
    return found
