"""What decides which item comes next: the score alone, or the score and what was chosen already."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np

from engine.ranking.reranking.pool import Doubles, Scores

SHUT: Final = -np.inf


class Chooser(Protocol):
    """Chooses among m items, numbered in the order of their scores, the best 0."""

    def best(self) -> int:
        """The number of the item to choose next; -1 when none is left."""

    def shut(self, number: int) -> None:
        """The item was chosen, or must not be."""

    def add(self, number: int) -> None:
        """The item is in the answer; from m on, something that was not up for choice is."""


class ByScore:
    """The first that is left, from item number `first` on."""

    def __init__(self, num_items: int, first: int = 0) -> None:
        self._shut = bytearray(num_items + 1)
        self._num_items = num_items
        self._first = first

    def best(self) -> int:
        while self._shut[self._first]:
            self._first += 1
        return self._first if self._first < self._num_items else -1

    def shut(self, number: int) -> None:
        self._shut[number] = 1

    def add(self, number: int) -> None:
        """What was chosen changes nothing."""


def relevance(scores: Scores) -> Doubles:
    """float64[m]: the scores stretched to 0..1; all 0 when they are the same."""
    values = scores.astype(np.float64)
    least, span = float(values.min()), float(np.ptp(values))
    return (values - least) / span if span > 0 else np.zeros(values.size)
