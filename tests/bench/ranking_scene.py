"""The model that ranking is measured with: a DeepFM of 26 slots, half of them the user's with a history of 50, over 100,000 items."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from engine.embedding.store import ServingStore
from engine.features.encoder import FeatureEncoder
from engine.models.forward import Predictor
from engine.ranking.ranker import Ranker
from engine.retrieval.asker import Asker
from engine.retrieval.catalogue import Catalogue
from engine.spec.definition import ModelDefinition
from engine.spec.event import CatalogChange

NUM_SLOTS: Final = 26
DIM: Final = 16
HIDDEN: Final = (256, 128, 64)
HISTORY: Final = 50

_NUM_OF_USER: Final = 11
_NUM_OF_ITEM: Final = 12


def definition() -> ModelDefinition:
    """User id, history and 11 properties; item id and 12 properties."""
    slots: list[dict[str, Any]] = [
        {"name": "user_id", "source": "user.id"},
        {"name": "history", "source": "user.history", "shares": "item_id", "max_values": HISTORY},
        *({"name": f"user_{n}", "source": f"user.p{n}"} for n in range(_NUM_OF_USER)),
        {"name": "item_id", "source": "item.id"},
        *({"name": f"item_{n}", "source": f"item.p{n}"} for n in range(_NUM_OF_ITEM)),
    ]
    return ModelDefinition.parse(
        {
            "slots": [{"number": number, "dim": DIM, **slot} for number, slot in enumerate(slots, start=1)],
            "architecture": {"kind": "deepfm", "hidden": list(HIDDEN)},
        }
    )


class Scene:
    """A catalogue, a predictor whose tables have a row for every id of the items, and a ranker that has encoded them."""

    def __init__(self, num_items: int) -> None:
        self.definition = definition()
        self.catalogue = Catalogue()
        rng = np.random.default_rng(0)
        values = rng.integers(0, 1000, (num_items, _NUM_OF_ITEM)).tolist()
        self.catalogue.apply(
            CatalogChange("item", f"item-{number}", {f"p{n}": f"{n}-{value}" for n, value in enumerate(row)})
            for number, row in enumerate(values)
        )
        encoder = FeatureEncoder(self.definition)
        store = ServingStore.for_definition(self.definition)
        self.predictor = Predictor(self.definition, store)
        self.ranker = Ranker(encoder, self.predictor, self.catalogue)
        while self.ranker.refresh():
            continue
        rows = np.arange(num_items, dtype=np.int32)
        fids = np.unique(np.concatenate([each.fids for each in self.ranker.items.encoded(rows).slots.values()]))
        store.tables[f"dim{DIM}"].upsert(fids, rng.normal(0, 0.1, (fids.size, DIM)).astype(np.float32))
        history = tuple(f"item-{number}" for number in rng.integers(0, num_items, HISTORY))
        properties = {f"p{n}": f"{n}-{value}" for n, value in enumerate(rng.integers(0, 100, _NUM_OF_USER))}
        self.asker = Asker("user-1", properties, {}, history, ("click",) * HISTORY, (0,) * HISTORY, 1_000_000)
