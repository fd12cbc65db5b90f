"""Slices: which group of users, items or declared values each example belongs to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.spec.example import Example

NEW_USER_HISTORY: Final = 5
"""A user is new while the history logged with the example has fewer items."""

NEW_ITEM_POSITIVES: Final = 20
"""An item is new while fewer positive examples of it were learned."""

MAX_VALUES: Final = 20
"""Of a declared slice the first so many values have a row of their own; what comes later is counted as `OTHER`."""

MAX_VALUE_LENGTH: Final = 60
OTHER: Final = "(other)"
NONE: Final = "(none)"

Codes = npt.NDArray[np.uint8]
"""uint8[n, num_slices]: the place of each row's value in the slice's `values`."""


class Slicer:
    """The slices `users` and `items` (new or known), and one for each declared source, such as `event.device`.

    Values of a declared slice are numbered as they come, so its numbers are part of the checkpoint.
    """

    def __init__(self, sources: Sequence[str] = ()) -> None:
        self._sources = tuple(sources)
        self._numbers: list[dict[str, int]] = [{NONE: 0, OTHER: 1} for _ in sources]

    @property
    def values(self) -> dict[str, list[str]]:
        """The values of each slice, by its name, in the order of their numbers."""
        declared = {source: list(numbers) for source, numbers in zip(self._sources, self._numbers, strict=True)}
        return {"users": ["known", "new"], "items": ["known", "new"], **declared}

    def codes(self, examples: Sequence[Example], is_new_item: npt.NDArray[np.bool_]) -> Codes:
        """`is_new_item` bool[n] says of which examples the item is new."""
        lengths = np.fromiter((len(example.history) for example in examples), np.int64, len(examples))
        return self._codes(lengths, is_new_item, lambda source: _distinct_words(examples, source))

    def codes_of_columns(
        self,
        history_lengths: npt.NDArray[np.int64],
        is_new_item: npt.NDArray[np.bool_],
        values_of: Callable[[str], tuple[list[Any], npt.NDArray[np.int64]]],
    ) -> Codes:
        """The same of examples in columns: `values_of` tells a source's distinct values, in the order in which they come, and which of
        them each example has."""

        def words_of(source: str) -> tuple[list[str], npt.NDArray[np.int64]]:
            values, places = values_of(source)
            return [_word(value) for value in values], places

        return self._codes(history_lengths, is_new_item, words_of)

    def _codes(
        self,
        history_lengths: npt.NDArray[np.int64],
        is_new_item: npt.NDArray[np.bool_],
        words_of: Callable[[str], tuple[list[str], npt.NDArray[np.int64]]],
    ) -> Codes:
        codes = np.zeros((history_lengths.size, 2 + len(self._sources)), np.uint8)
        codes[:, 0] = history_lengths < NEW_USER_HISTORY
        codes[:, 1] = is_new_item
        for index, source in enumerate(self._sources):
            numbers = self._numbers[index]
            words, places = words_of(source)
            for word in words:
                if word not in numbers and len(numbers) < MAX_VALUES + 2:
                    numbers[word] = len(numbers)
            other = numbers[OTHER]
            codes[:, 2 + index] = np.array([numbers.get(word, other) for word in words], np.uint8)[places]
        return codes

    def as_json(self) -> dict[str, list[str]]:
        return {source: list(numbers) for source, numbers in zip(self._sources, self._numbers, strict=True)}

    def restore(self, document: Mapping[str, Sequence[str]]) -> None:
        """Take over another slicer's numbers. Raises ValueError when it sliced by something else."""
        if tuple(document) != self._sources:
            raise ValueError(f"slices: must be {list(self._sources)}, received {list(document)}")
        self._numbers = [{str(word): number for number, word in enumerate(words)} for words in document.values()]


def _distinct_words(examples: Sequence[Example], source: str) -> tuple[list[str], npt.NDArray[np.int64]]:
    entity, _, name = source.partition(".")
    words: dict[str, int] = {}
    found = (_word(properties.get(name)) for properties in _properties(examples, entity))
    places = np.fromiter((words.setdefault(word, len(words)) for word in found), np.int64, len(examples))
    return list(words), places


def _properties(examples: Sequence[Example], entity: str) -> list[dict[str, Any]]:
    if entity == "user":
        return [example.user for example in examples]
    return [example.item if entity == "item" else example.event for example in examples]


def _word(value: Any) -> str:
    if type(value) is str and value:
        return value if len(value) <= MAX_VALUE_LENGTH else value[:MAX_VALUE_LENGTH]
    if value is None or value == "" or isinstance(value, list | dict):
        return NONE
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:MAX_VALUE_LENGTH]
