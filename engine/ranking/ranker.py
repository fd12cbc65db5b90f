"""Scores for the candidates of one user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from engine.errors import EngineError
from engine.features.columns import columns_for_items, concat, repeat_rows
from engine.features.counter_rows import Floats
from engine.features.counters import counter_columns
from engine.features.encoded import EncodedBatch
from engine.features.encoder import FeatureEncoder
from engine.retrieval.asker import Asker
from engine.spec.definition import Side


class PairScorer(Protocol):
    """A model that scores pairs (`engine.models.forward.Predictor`)."""

    def pair_scores(
        self, user: EncodedBatch, items: EncodedBatch, *, pairs: EncodedBatch | None = None
    ) -> npt.NDArray[np.float32]:
        """float32[n]: the one user of `user` with each of the n items of `items`; `pairs` has n rows of what is of both together."""


class Ranker:
    """The ranking model's score of each candidate, in one call of the model. Safe to call from several threads."""

    def __init__(self, encoder: FeatureEncoder, scorer: PairScorer) -> None:
        self._encoder = encoder
        self._scorer = scorer
        self._user_sources = encoder.sources(Side.USER)
        self._item_sources = encoder.sources(Side.ITEM)
        self._pair_sources = encoder.sources(Side.PAIR)

    @property
    def reads_counters(self) -> bool:
        return any(source.startswith("counter.") for source in self._pair_sources)

    def score(
        self,
        asker: Asker,
        item_ids: Sequence[str],
        properties: Sequence[Mapping[str, Any]],
        counters: Mapping[str, Floats] | None = None,
    ) -> npt.NDArray[np.float32]:
        """float32[n] for n candidates with their properties, the greater the better. Raises `EngineError` when one is not finite.

        `counters` has the values float64[n] of each by `<counter>_<window>`; one that is not there is missing.
        """
        user = self._encoder.encode(asker.columns(self._user_sources), 1, Side.USER)
        columns = columns_for_items(item_ids, properties, self._item_sources)
        items = self._encoder.encode(columns, len(item_ids), Side.ITEM)
        pairs = self._pairs(asker, item_ids, properties, counters) if self._encoder.has_pairs else None
        scores = self._scorer.pair_scores(user, items, pairs=pairs)
        if not np.isfinite(scores).all():
            raise EngineError(f"{int((~np.isfinite(scores)).sum())} of {len(scores)} scores are not finite")
        return scores

    def _pairs(
        self,
        asker: Asker,
        item_ids: Sequence[str],
        properties: Sequence[Mapping[str, Any]],
        counters: Mapping[str, Floats] | None,
    ) -> EncodedBatch:
        num_rows, sources = len(item_ids), self._pair_sources
        user = repeat_rows(asker.columns(sources), num_rows)
        items = columns_for_items(item_ids, properties, sources)
        columns = concat(user, items) | counter_columns(counters or {}, sources)
        return self._encoder.encode(columns, num_rows, Side.PAIR)
