"""A catalogue of random items, a predictor with a row for most of their ids, and someone who asks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.embedding.store import ServingStore
from engine.features.columns import columns_from_examples
from engine.features.encoded import FloatArray
from engine.features.encoder import FeatureEncoder
from engine.models.forward import Predictor
from engine.ranking.ranker import Ranker
from engine.retrieval.asker import Asker
from engine.retrieval.catalogue import Catalogue
from engine.retrieval.item_rows import Rows
from engine.spec.definition import ModelDefinition
from engine.spec.event import CatalogChange
from engine.spec.example import Example
from tests.engine.features import every_kind


@dataclass
class Clock:
    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


class Scene:
    """`num` items with the properties of `every_kind`'s examples, and the asker of the first of these."""

    def __init__(self, definition: ModelDefinition, num: int = 40, seed: int = 3) -> None:
        self.definition = definition
        self.rng = np.random.default_rng(seed)
        self.examples = every_kind.examples(num, seed)
        self.clock = Clock()
        self.catalogue = Catalogue(self.clock)
        self.encoder = FeatureEncoder(definition)
        self.catalogue.apply(item(f"item-{number}", each.item) for number, each in enumerate(self.examples))
        self.asker = asker_of(self.examples[0])
        self.predictor = Predictor(definition, ServingStore.for_definition(definition))
        self.predictor.replace(self.store(), self.weights())
        self.ranker = Ranker(self.encoder, self.predictor, self.catalogue)

    @property
    def rows(self) -> Rows:
        return self.catalogue.rows_of(sorted(self.catalogue.all_ids()))

    def store(self) -> ServingStore:
        """A vector for four in five of all ids."""
        batch = self.encoder.encode(columns_from_examples(self.as_examples(), self.encoder.sources()), len(self.rows))
        store = ServingStore.for_definition(self.definition)
        for slot in self.definition.slots:
            fids = np.unique(batch.slots[slot.name].fids)
            fids = fids[self.rng.random(fids.size) < 0.8]
            vectors = self.rng.normal(0, 0.5, (fids.size, slot.dim)).astype(np.float32)
            store.tables[f"dim{slot.dim}"].upsert(fids, vectors)
        return store

    def weights(self) -> dict[str, FloatArray]:
        return {
            name: self.rng.normal(0, 0.3, value.shape).astype(np.float32)
            for name, value in self.predictor.dense_weights().items()
        }

    def counters(self, num: int) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
        return {"clicks_10m": np.arange(num, dtype=np.float64), "views_10m": np.full(num, 9.0)}

    def as_examples(self, counters: dict[str, Any] | None = None) -> list[Example]:
        """The asker beside each item as the catalogue has it now, as the training examples that it would make."""
        rows, read = self.rows, counters or {}
        items = zip(self.catalogue.ids_of(rows), self.catalogue.properties_of_rows(rows), strict=True)
        return [
            replace(
                self.examples[0],
                item_id=item_id,
                item=dict(properties),
                counters={name: float(values[place]) for name, values in read.items()},
            )
            for place, (item_id, properties) in enumerate(items)
        ]

    def expected(self, counters: dict[str, Any] | None = None) -> FloatArray:
        """What training says of the same pairs, by whole columns and TensorFlow."""
        columns = columns_from_examples(self.as_examples(counters), self.encoder.sources())
        return self.predictor.scores(self.encoder.encode(columns, len(self.rows)))

    def apply(self, *changes: CatalogChange) -> None:
        self.ranker.mark_changed(self.catalogue.apply(changes))


def item(item_id: str, properties: Any) -> CatalogChange:
    return CatalogChange("item", item_id, dict(properties))


def asker_of(example: Example) -> Asker:
    return Asker(
        example.user_id,
        example.user,
        example.event,
        example.history,
        example.history_types,
        example.history_times_ms,
        example.request_time_ms,
    )
