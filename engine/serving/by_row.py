"""Sources that answer ids, asked for rows."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.retrieval.asker import Asker
from engine.retrieval.catalogue import Catalogue
from engine.retrieval.source import Allowed, CandidateSource, Eligible, Found, allowed_first

_OVERDRAW: Final = 4


class ByRow:
    """A source that answers ids, as one that answers rows."""

    def __init__(self, source: CandidateSource, catalogue: Catalogue) -> None:
        self.name = source.name
        self._source = source
        self._catalogue = catalogue

    def retrieve(self, asker: Asker, num_items: int, allowed: Allowed) -> Found:
        eligible = Eligible((), self._catalogue.serves)
        found = self._source.candidates(asker, _OVERDRAW * num_items + len(asker.history), eligible)
        rows = self._catalogue.rows_of(item_id for item_id, _ in found)
        scores = np.fromiter((score for _, score in found), np.float32, len(found))
        known = rows >= 0
        return allowed_first(Found(rows[known], scores[known]), num_items, allowed)
