"""The user's vector that a replica makes without TensorFlow is the one that the model learned with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.features.columns import columns_from_examples
from engine.features.encoder import FeatureEncoder
from engine.features.records import RecordLayout
from engine.models.dense_pass.towers import TowerPass, can_serve_tower
from engine.models.forward import Predictor
from engine.spec.definition import ModelDefinition, Side
from tests.engine.features import every_kind
from tests.engine.models.definitions import definition_of
from tests.engine.models.test_dense_pass import NUM, filled, random_weights

DEFINITIONS: dict[str, Any] = {
    "two_tower": lambda: definition_of("two_tower"),
    "two_tower of no hidden layer": lambda: definition_of("two_tower", hidden=[]),
    "two_tower of wide layers": lambda: definition_of("two_tower", hidden=[70, 33]),
    "matrix_factorisation": lambda: definition_of("matrix_factorisation"),
    "several dims, poolings and scaled numbers": lambda: of_several_kinds(),
}


def of_several_kinds() -> ModelDefinition:
    """Slots of two dims out of order, each pooled in its own way, and standardised numbers on the user's side."""
    document = definition_of("two_tower").as_json()
    users = [
        {"name": "user_id", "number": 1, "source": "user.id", "dim": 4},
        {"name": "history", "number": 2, "source": "user.history", "dim": 8, "pooling": "sqrtn", "max_values": 6},
        {"name": "device", "number": 3, "source": "event.device", "dim": 4},
        {"name": "again", "number": 4, "source": "user.history", "dim": 8, "pooling": "sum", "max_values": 3},
        {"name": "newest", "number": 5, "source": "user.history", "dim": 4, "pooling": "first"},
    ]
    items = [{"name": "item_id", "number": 6, "source": "item.id", "dim": 8}]
    dense = [
        {"name": "age", "source": "user.age", "transform": "standardise"},
        {"name": "age_log", "source": "user.age", "transform": "log1p_standardise"},
        {"name": "age_plain", "source": "user.age"},
    ]
    return ModelDefinition.parse(document | {"slots": users + items, "dense": dense})


def drawn(definition: ModelDefinition) -> tuple[Predictor, Any]:
    """A predictor of random weights and rows; the user sides of `NUM` examples."""
    rng = np.random.default_rng(3)
    encoder = FeatureEncoder(definition)
    columns = columns_from_examples(every_kind.examples(NUM, 3), encoder.sources())
    predictor = Predictor(definition, filled(definition, encoder.encode(columns, NUM), rng))
    predictor.load_dense_weights(random_weights(predictor, rng))
    return predictor, encoder.encode(columns, NUM, Side.USER)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_vectors_are_those_that_the_model_learned_with(name: str) -> None:
    definition = DEFINITIONS[name]()
    predictor, users = drawn(definition)
    assert predictor.takes_user_records
    records = RecordLayout(definition, Side.USER).pack(users)
    compiled = predictor.user_vectors(users)
    assert compiled.std(axis=0).max() > 1e-3
    np.testing.assert_allclose(predictor.user_record_vectors(records), compiled, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["two_tower", "matrix_factorisation"])
def test_a_user_of_whom_nothing_is_known_has_the_same_vector(name: str) -> None:
    definition = DEFINITIONS[name]()
    predictor, _ = drawn(definition)
    predictor.load_dense_weights({key: 0 * value for key, value in predictor.dense_weights().items()})
    nobody = FeatureEncoder(definition).encode({}, 1, Side.USER)
    records = RecordLayout(definition, Side.USER).pack(nobody)
    np.testing.assert_array_equal(predictor.user_record_vectors(records), predictor.user_vectors(nobody))


def test_what_needs_tensorflow_says_so() -> None:
    definition = definition_of("sasrec")
    assert not can_serve_tower(definition)
    predictor, users = drawn(definition)
    assert not predictor.takes_user_records
    with pytest.raises(ValueError, match="a sasrec takes no users' records"):
        predictor.user_record_vectors(RecordLayout(definition, Side.USER).pack(users))
    with pytest.raises(ValueError, match="sasrec"):
        TowerPass(definition, Side.USER)
    assert not can_serve_tower(definition_of("deepfm"))
    assert not can_serve_tower(definition_of("two_tower", training={"precision": "bfloat16_mixed"}))
