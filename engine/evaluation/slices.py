"""Slices: which group of users, items or declared values each example belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        codes = np.zeros((len(examples), 2 + len(self._sources)), np.uint8)
        codes[:, 0] = [len(example.history) < NEW_USER_HISTORY for example in examples]
        codes[:, 1] = is_new_item
        for index, source in enumerate(self._sources):
            entity, _, name = source.partition(".")
            numbers = self._numbers[index]
            words = [_word(properties.get(name)) for properties in _properties(examples, entity)]
            for word in dict.fromkeys(words):
                if word not in numbers and len(numbers) < MAX_VALUES + 2:
                    numbers[word] = len(numbers)
            other = numbers[OTHER]
            codes[:, 2 + index] = [numbers.get(word, other) for word in words]
        return codes

    def as_json(self) -> dict[str, list[str]]:
        return {source: list(numbers) for source, numbers in zip(self._sources, self._numbers, strict=True)}

    def restore(self, document: Mapping[str, Sequence[str]]) -> None:
        """Take over another slicer's numbers. Raises ValueError when it sliced by something else."""
        if tuple(document) != self._sources:
            raise ValueError(f"slices: must be {list(self._sources)}, received {list(document)}")
        self._numbers = [{str(word): number for number, word in enumerate(words)} for words in document.values()]


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
