"""Runs of neighbouring words or characters of texts, whole columns at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.features.arrow_arrays import buffer_of, list_array
from engine.features.ids import offsets_of
from engine.spec.feature import TextUnit

Rows = npt.NDArray[np.int64]

_COMPUTE: Any = pc
"""Of these functions pyarrow's type hints know nothing."""

_BETWEEN_WORDS: Final = r"[^\pL\pM\pN]+"


def ngrams(column: Any, unit: TextUnit, sizes: Sequence[int]) -> Any:
    """A column of lists of strings: the n-grams of each row's text, or of each of its texts, in the order in which they begin.

    The text is normalised (NFKC), lower-cased, and everything that is no letter, mark or digit parts words; characters are those
    of the words with one space between two of them. What is no text has none.
    """
    num_rows = len(column)
    texts, rows = _texts(column)
    texts = _COMPUTE.utf8_lower(_COMPUTE.utf8_normalize(texts, form="NFKC"))
    tokens, owners = _words(texts) if unit is TextUnit.WORDS else _characters(texts)
    pieces, places = [], []
    joint = " " if unit is TextUnit.WORDS else ""
    for index, size in enumerate(sizes):
        starts = np.arange(max(0, len(tokens) - size + 1))
        starts = starts[owners[starts] == owners[starts + size - 1]] if starts.size else starts
        pieces.append(_joined(tokens, starts, size, joint))
        places.append(starts * len(sizes) + index)
    grams = pa.concat_arrays(pieces)
    order = np.argsort(np.concatenate(places), kind="stable")
    owner_of = rows[owners[np.concatenate(places)[order] // len(sizes)]]
    counts = np.bincount(owner_of, minlength=num_rows)
    return list_array(offsets_of(counts), grams.take(pa.array(order)))


def _texts(column: Any) -> tuple[Any, Rows]:
    """Every text of a column without nulls, and the row of each."""
    kind = column.type
    if pa.types.is_struct(kind):
        column, kind = column.field("strings"), pa.list_(pa.string())
    elif pa.types.is_dictionary(kind):
        return _texts(column.dictionary_decode())
    rows = np.arange(len(column))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        column, rows = column.flatten(), np.repeat(rows, lengths)
        kind = column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        return pa.array([], pa.string()), np.empty(0, np.int64)
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    return column.drop_null().cast(pa.string()), rows[valid]


def _words(texts: Any) -> tuple[Any, Rows]:
    """Every word, and the text of each."""
    split = pc.split_pattern_regex(texts, _BETWEEN_WORDS)
    owners = np.repeat(np.arange(len(texts)), pc.list_value_length(split).to_numpy(zero_copy_only=False))
    words = split.flatten()
    filled = pc.greater(pc.binary_length(words), pa.scalar(0))
    return words.filter(filled), owners[filled.to_numpy(zero_copy_only=False)]


def _characters(texts: Any) -> tuple[Any, Rows]:
    """Every character, and the text of each."""
    spaced = pc.utf8_trim(pc.replace_substring_regex(texts, _BETWEEN_WORDS, " "), " ")
    if not len(spaced):
        return spaced, np.empty(0, np.int64)
    offsets = np.frombuffer(spaced.buffers()[1], np.int32)[spaced.offset : spaced.offset + len(spaced) + 1]
    data = np.frombuffer(spaced.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    # A byte that continues a character in UTF-8 is 10xxxxxx.
    starts = np.flatnonzero((data & 0xC0) != 0x80)
    ends = np.append(starts, data.size).astype(np.int32)
    characters = pa.StringArray.from_buffers(starts.size, buffer_of(ends), buffer_of(data))
    return characters, np.searchsorted(offsets[1:] - offsets[0], starts, side="right")


def _joined(tokens: Any, starts: Rows, size: int, joint: str) -> Any:
    """`size` tokens from each start on, `joint` between them."""
    parts = [tokens.take(pa.array(starts + step)) for step in range(size)]
    return pc.binary_join_element_wise(*parts, joint) if size > 1 else parts[0]
