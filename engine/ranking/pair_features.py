"""What depends on user and item together: encoded at each request."""

from __future__ import annotations

from collections.abc import Mapping

from engine.features.columns import columns_for_items, concat, repeat_rows
from engine.features.counter_rows import Floats
from engine.features.counters import counter_columns
from engine.features.encoded import EncodedBatch
from engine.features.encoder import FeatureEncoder
from engine.retrieval.asker import Asker
from engine.retrieval.catalogue import Catalogue
from engine.retrieval.item_rows import Rows
from engine.spec.definition import Side


class PairFeatures:
    """Crosses of the two sides, ages as of the request, counters. Safe to call from several threads."""

    def __init__(self, catalogue: Catalogue, encoder: FeatureEncoder) -> None:
        self._catalogue = catalogue
        self._encoder = encoder
        self._sources = encoder.sources(Side.PAIR)
        self._item_sources = [source for source in self._sources if source.startswith("item.")]
        self.reads_counters = any(source.startswith("counter.") for source in self._sources)

    def encoded(self, asker: Asker, rows: Rows, counters: Mapping[str, Floats]) -> EncodedBatch:
        """n rows of the pair side: the asker beside each of n items. `counters` float64[n] by `<counter>_<window>`."""
        num_rows = len(rows)
        columns = repeat_rows(asker.columns(self._sources), num_rows)
        if self._item_sources:
            ids = self._catalogue.ids_of(rows) if "item.id" in self._item_sources else [""] * num_rows
            items = columns_for_items(ids, self._catalogue.properties_of_rows(rows), self._item_sources)
            columns = concat(columns, items)
        return self._encoder.encode(columns | counter_columns(counters, self._sources), num_rows, Side.PAIR)
