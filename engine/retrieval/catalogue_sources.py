"""Sources that need nothing but the catalogue: its newest items, and random ones."""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np

from engine.retrieval.asker import Asker
from engine.retrieval.catalogue import Catalogue
from engine.retrieval.source import Eligible, Scored


class NewestItems:
    """The items written first most recently. Scores are 0.0: what is new is not therefore good."""

    def __init__(self, catalogue: Catalogue, name: str = "latest") -> None:
        self.name = name
        self._catalogue = catalogue

    def candidates(self, asker: Asker, num_items: int, eligible: Eligible) -> list[Scored]:
        del asker  # what is new is new for everyone
        newest = self._catalogue.newest(num_items + len(eligible.banned)) if num_items > 0 else []
        return eligible.first(((item_id, 0.0) for item_id in newest), num_items)


class RandomItems:
    """Items drawn uniformly, always the same for one user and catalogue. Scores are 0.0."""

    name: Final = "random"

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def candidates(self, asker: Asker, num_items: int, eligible: Eligible) -> list[Scored]:
        """Fewer than `num_items` when draws repeat or are not eligible: they are not made again."""
        generator = np.random.default_rng(zlib.crc32(asker.user_id.encode()))
        drawn = self._catalogue.sample(num_items, generator) if num_items > 0 else []
        return eligible.first(((item_id, 0.0) for item_id in drawn), num_items)
