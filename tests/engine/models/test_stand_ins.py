from __future__ import annotations

import numpy as np
import pyarrow as pa

from engine.embedding.hashing import hash_ids
from engine.embedding.store import ServingStore
from engine.features.columns import columns_for_items
from engine.features.encoder import FeatureEncoder
from engine.models.forward import Predictor
from engine.models.stand_ins import StandIns
from engine.spec.definition import ModelDefinition, Side

DEFINITION = ModelDefinition.parse(
    {
        "slots": [
            {"name": "user", "number": 1, "source": "user.id", "dim": 8},
            {"name": "item", "number": 2, "source": "item.id", "dim": 8},
            {"name": "kind", "number": 3, "source": "item.kind", "dim": 4},
        ],
        "architecture": {"kind": "two_tower", "output_dim": 6, "hidden": [16]},
    }
)


def test_a_stand_in_gives_the_vector_that_a_row_of_its_own_would() -> None:
    generator = np.random.default_rng(1)
    store, encoder = ServingStore.for_definition(DEFINITION), FeatureEncoder(DEFINITION)
    known, new = hash_ids(pa.array(["a"]), 2), hash_ids(pa.array(["new"]), 2)
    store.tables["dim8"].upsert(known, generator.standard_normal((1, 8)).astype(np.float32))
    store.tables["dim4"].upsert(hash_ids(pa.array(["film"]), 3), generator.standard_normal((1, 4)).astype(np.float32))
    items = encoder.encode(
        columns_for_items(["a", "new"], [{"kind": "film"}] * 2, encoder.sources(Side.ITEM)), 2, Side.ITEM
    )
    predictor = Predictor(DEFINITION, store)
    row = generator.standard_normal((1, 8)).astype(np.float32)
    without = predictor.item_vectors(items)
    stood_in = predictor.item_vectors(items, StandIns({"dim8": (new, row)}))
    store.tables["dim8"].upsert(new, row)
    np.testing.assert_allclose(stood_in, predictor.item_vectors(items), rtol=1e-6)
    np.testing.assert_array_equal(stood_in[0], without[0])
    assert not np.allclose(stood_in[1], without[1], atol=1e-2)
    assert predictor.num_traces == 1 + 1
