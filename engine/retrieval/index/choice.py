"""When an index looks at every vector, and when through lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class IndexChoice:
    """Sizes are numbers held, vectors times dim: what a search of all vectors costs by, and what a processor's cache holds.

    `lists_from` is where lists begin to be made, `exact_below` where they are let go: apart, so that an index that breathes around one
    size does not make them again and again. `few` is how many numbers of allowed rows are looked at one by one rather than through lists.
    `recall` is the share of the truly nearest rows that the lists looked through must hold, by the index's own measuring.
    """

    lists_from: int = 8_000_000
    exact_below: int = 6_000_000
    few: int = 4_000_000
    recall: float = 0.98


DEFAULT_CHOICE: Final = IndexChoice()
