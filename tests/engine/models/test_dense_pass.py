"""What a replica computes without TensorFlow is what a model learns with, for every architecture that can be served so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.embedding.store import ServingStore
from engine.features.columns import columns_from_examples
from engine.features.encoded import EncodedBatch
from engine.features.encoder import FeatureEncoder
from engine.features.records import RecordLayout
from engine.models.dense_pass.serving_pass import EMITTERS, can_serve
from engine.models.forward import Predictor
from engine.spec.definition import ModelDefinition, Side
from tests.engine.features import every_kind
from tests.engine.models.definitions import definition_of

NUM = 231
TWO_TASKS = (
    {"name": "click", "event_type": "click"},
    {
        "name": "spent",
        "event_type": "purchase",
        "kind": "regression",
        "property": "amount",
        "transform": "log1p",
    },
)
HIDDEN = ("deepfm", "wide_deep", "dcn_v2", "dlrm", "mmoe", "ple")
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    **{kind: (kind, {}) for kind in EMITTERS},
    **{f"{kind} with a senet": (kind, {"senet_reduction": 2}) for kind in HIDDEN},
    **{f"{kind} with gates": (kind, {"lhuc_slots": ["user_id"]}) for kind in HIDDEN},
    **{f"{kind} with gates of both": (kind, {"lhuc_slots": ["user_id", "item_id"]}) for kind in ("deepfm", "dlrm")},
    "dcn_v2 of full rank": ("dcn_v2", {"rank": None, "num_experts": 1}),
    "dcn_v2 of low rank": ("dcn_v2", {"num_experts": 1}),
    "dcn_v2 stacked": ("dcn_v2", {"structure": "stacked"}),
    "dcn_v2 stacked with a senet": ("dcn_v2", {"structure": "stacked", "senet_reduction": 1}),
    "deepfm of wide layers": ("deepfm", {"hidden": [70, 33]}),
}


def random_weights(predictor: Predictor, rng: np.random.Generator) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    return {
        name: rng.normal(0.0, 0.3, value.shape).astype(np.float32) for name, value in predictor.dense_weights().items()
    }


def filled(definition: ModelDefinition, batch: EncodedBatch, rng: np.random.Generator) -> ServingStore:
    """Rows for most of the batch's FIDs; the others have none."""
    store = ServingStore.for_definition(definition)
    for slot in definition.slots:
        fids = np.unique(batch.slots[slot.name].fids)
        fids = fids[rng.random(fids.size) < 0.8]
        store.tables[f"dim{slot.dim}"].upsert(fids, rng.normal(0, 0.3, (fids.size, slot.dim)).astype(np.float32))
    return store


def drawn(definition: ModelDefinition, seed: int = 5) -> tuple[Predictor, dict[Side, EncodedBatch]]:
    """A predictor of random weights; one user, and the items of `NUM` examples, each beside that user."""
    rng = np.random.default_rng(seed)
    encoder = FeatureEncoder(definition)
    examples = every_kind.examples(NUM, seed)
    columns = columns_from_examples(examples, encoder.sources())
    predictor = Predictor(definition, filled(definition, encoder.encode(columns, NUM), rng))
    predictor.load_dense_weights(random_weights(predictor, rng))
    first = columns_from_examples(examples[:1], encoder.sources())
    sides = {Side.USER: encoder.encode(first, 1, Side.USER), Side.ITEM: encoder.encode(columns, NUM, Side.ITEM)}
    if definition.has_pairs:
        sides[Side.PAIR] = encoder.encode(columns, NUM, Side.PAIR)
    return predictor, sides


def both(predictor: Predictor, sides: dict[Side, EncodedBatch]) -> tuple[Any, Any]:
    """By TensorFlow, and by records."""
    num = sides[Side.ITEM].num_rows
    rows = np.arange(num, dtype=np.int32)
    compiled = predictor.pair_predictions(
        sides[Side.USER], sides[Side.ITEM], np.zeros(num, np.int32), rows, sides.get(Side.PAIR)
    )
    packed = {side: RecordLayout(predictor.definition, side).pack(batch) for side, batch in sides.items()}
    return compiled, predictor.record_predictions(packed[Side.USER], packed[Side.ITEM], packed.get(Side.PAIR))


@pytest.mark.parametrize("num_tasks", [1, 2])
@pytest.mark.parametrize("name", SETTINGS)
def test_every_served_architecture_predicts_as_it_learned(name: str, num_tasks: int) -> None:
    kind, settings = SETTINGS[name]
    compiled, served = both(*drawn(definition_of(kind, tasks=TWO_TASKS[:num_tasks], **settings)))
    assert compiled.std(axis=0).min() > 1e-3
    np.testing.assert_allclose(served, compiled, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["deepfm", "fm", "dcn_v2", "dlrm", "mmoe", "ple"])
def test_inputs_of_every_kind_are_pooled_and_scaled_as_they_were_learned(kind: str) -> None:
    compiled, served = both(*drawn(every_kind.definition(architecture={"kind": kind})))
    np.testing.assert_allclose(served, compiled, rtol=1e-5, atol=1e-5)


def test_what_needs_tensorflow_says_so() -> None:
    definition = definition_of("autoint")
    assert not can_serve(definition)
    predictor, sides = drawn(definition)
    assert not predictor.takes_records
    packed = RecordLayout(definition, Side.ITEM).pack(sides[Side.ITEM])
    with pytest.raises(ValueError, match="a autoint takes no records"):
        predictor.record_predictions(packed, packed)


def test_a_half_precision_model_is_left_to_tensorflow() -> None:
    assert not can_serve(definition_of("deepfm", training={"precision": "bfloat16_mixed"}))
