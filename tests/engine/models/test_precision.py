"""bfloat16_mixed: hidden layers in bfloat16; weights, logits, vectors and updates stay float32."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from engine.features.columns import columns_from_examples
from engine.models.forward import Predictor
from engine.models.registry import build_architecture
from engine.training.state import TrainingState
from tests.engine.models.definitions import KINDS, definition_of, is_retrieval_kind
from tests.engine.models.written_out import case_of
from tests.engine.training.made import as_logged, make_examples

MIXED = {"precision": "bfloat16_mixed"}
RANKING = [kind for kind in KINDS if not is_retrieval_kind(kind)]
WITHOUT_HIDDEN = {"logistic_regression", "fm"}


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_the_same_float32_ones_under_the_same_names(kind: str) -> None:
    plain, mixed = build_architecture(definition_of(kind)), build_architecture(definition_of(kind, training=MIXED))
    assert {variable.dtype for variable in mixed.variables.values()} <= {"float32"}
    weights = mixed.dense_weights()
    for name, weight in plain.dense_weights().items():
        np.testing.assert_array_equal(weights[name], weight)


@pytest.mark.parametrize("kind", RANKING)
def test_logits_and_gradients_are_float32_and_near_those_of_full_precision(kind: str) -> None:
    found = {}
    for precision in ("float32", "bfloat16_mixed"):
        case = case_of(definition_of(kind, training={"precision": precision}))
        inputs = case.inputs
        with tf.GradientTape() as tape:
            tape.watch(inputs.slots)
            logits = case.model.logits(inputs)
        gradient = tape.gradient(logits, inputs.slots["item_id"])
        assert logits.dtype == gradient.dtype == tf.float32
        found[precision] = (logits.numpy(), gradient.numpy())
    for full, mixed in zip(*found.values(), strict=True):
        assert np.abs(full - mixed).max() < 0.05 * max(1.0, np.abs(full).max())
    assert np.array_equal(found["float32"][0], found["bfloat16_mixed"][0]) == (kind in WITHOUT_HIDDEN)


@pytest.mark.parametrize("kind", ["two_tower", "sasrec", "matrix_factorisation", "deepfm"])
def test_a_model_of_mixed_precision_learns_and_answers_in_float32(kind: str) -> None:
    state = TrainingState(definition_of(kind, training=MIXED))
    examples = make_examples(32)
    losses = []
    for step in range(40):
        result = state.learn(as_logged(examples, 32 * step))
        assert result is not None and result.finite
        losses.append(result.loss)
    assert losses[-1] < 0.8 * losses[0]
    predictor = Predictor(state.definition, state.store, state.architecture)
    scores = predictor.scores(state.encoder.encode(columns_from_examples(examples, state.encoder.sources()), 32))
    assert scores.dtype == np.float32 and np.isfinite(scores).all()
