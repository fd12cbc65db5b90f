"""A model with an input of every kind learns, is saved and serves as any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.features.columns import columns_from_examples
from engine.features.encoded import FloatArray
from engine.models.forward import Predictor
from engine.spec.definition import ModelDefinition, Side
from engine.spec.example import Example, Origin
from engine.training.state import TrainingState
from tests.engine.features import every_kind
from tests.engine.training.made import as_logged

DEFINITION = every_kind.definition(training={"batch_size": 64})


def scores_of(predictor: Predictor, state: TrainingState, examples: list[Example]) -> FloatArray:
    return predictor.scores(
        state.encoder.encode(columns_from_examples(examples, state.encoder.sources()), len(examples))
    )


def learned(num_batches: int, state: TrainingState | None = None, first: int = 0) -> TrainingState:
    state = state or TrainingState(DEFINITION)
    for batch in range(first, first + num_batches):
        origin = Origin.ACTION if batch % 2 else Origin.IMPRESSION
        result = state.learn(as_logged(every_kind.examples(64, seed=batch, origin=origin), 64 * batch))
        assert result is not None and result.finite
    return state


@pytest.fixture(scope="module")
def trained() -> TrainingState:
    return learned(4)


def test_statistics_are_of_what_was_seen_and_travel_with_the_weights(trained: TrainingState) -> None:
    ages = [
        example.user["age"]
        for batch in range(4)
        for example in every_kind.examples(64, seed=batch)
        if "age" in example.user
    ]
    weights = trained.architecture.dense_weights()
    np.testing.assert_allclose(weights["statistics/age"][:, 0], [np.mean(ages), 1 / np.std(ages)], rtol=1e-5)
    assert weights["statistics/embedding"].shape == (2, 3)


def test_replica_with_the_travelled_weights_scores_as_the_trainer(trained: TrainingState) -> None:
    examples = every_kind.examples(20, seed=77)
    live = scores_of(Predictor(DEFINITION, trained.store, trained.architecture), trained, examples)
    replica = Predictor(DEFINITION, trained.store)
    assert not np.allclose(scores_of(replica, trained, examples), live)
    replica.load_dense_weights(trained.architecture.dense_weights())
    np.testing.assert_array_equal(scores_of(replica, trained, examples), live)


def test_restored_copy_learns_on_as_the_original(trained: TrainingState, tmp_path: Path) -> None:
    folder = trained.save(tmp_path, 1)
    copy = learned(2, TrainingState.open(DEFINITION, folder), first=4)
    through = learned(6)
    assert copy.store.digest() == through.store.digest()
    assert copy.statistics.to_json() == through.statistics.to_json()
    for name, weight in through.architecture.dense_weights().items():
        np.testing.assert_array_equal(copy.architecture.dense_weights()[name], weight, err_msg=name)


def test_gradients_reach_every_slot_of_every_side_and_pooling() -> None:
    state = TrainingState(DEFINITION)
    examples = every_kind.examples(64, seed=8)
    batch = state.encoder.encode(columns_from_examples(examples, state.encoder.sources()), 64)
    before = {}
    for slot in DEFINITION.slots:
        fids = np.unique(batch.slots[slot.name].fids)
        number = np.full(fids.size, DEFINITION.number_of(slot), np.uint16)
        before[slot.name] = fids, state.store.table_of(slot).lookup_or_create(fids, number, 0)
    for start in (0, 64):
        state.learn(as_logged(examples, start))
    for slot in DEFINITION.slots:
        fids, rows = before[slot.name]
        moved = np.abs(state.store.table_of(slot).lookup(fids) - rows).max(axis=1)
        assert fids.size and (moved > 0).mean() > 0.9, slot.name


def test_counters_are_hidden_where_their_presence_would_tell_the_label() -> None:
    """Nobody knows a drawn negative's counters, so that its positive goes without them too."""
    state = TrainingState(DEFINITION)
    ratios, clicks = {}, {}
    for origin in Origin:
        examples = every_kind.examples(64, seed=1, origin=origin)
        batch = state.builder.build(as_logged(examples), np.zeros(64, np.uint32))
        assert batch is not None and batch.pairs is not None  # type: ignore[union-attr]
        names = [dense.name for dense in state.encoder.dense(Side.PAIR)]
        pairs = batch.pairs.dense  # type: ignore[union-attr]
        clicks[origin], ratios[origin] = pairs[:, names.index("clicks")], pairs[:, names.index("ctr")]
    logged = np.log1p([example.counters["clicks_10m"] for example in every_kind.examples(64, seed=1)])
    np.testing.assert_allclose(clicks[Origin.IMPRESSION], logged, rtol=1e-6)
    assert np.isnan(clicks[Origin.ACTION]).all()
    np.testing.assert_allclose(ratios[Origin.ACTION], 0.1)


def test_a_retrieval_model_takes_every_kind_that_is_of_one_side() -> None:
    ranking = DEFINITION.as_json()
    one_sided = [slot for slot in ranking["slots"] if DEFINITION.side_of(slot["source"]) is not Side.PAIR]
    dense = [each for each in ranking["dense"] if DEFINITION.side_of(each["source"]) is not Side.PAIR]
    architecture = {"kind": "two_tower", "hidden": [8], "output_dim": 4}
    document = ranking | {"slots": one_sided, "dense": dense, "architecture": architecture, "tasks": [{}]}
    state = TrainingState(ModelDefinition.parse(document))
    losses = []
    for batch in range(8):
        result = state.learn(as_logged(every_kind.examples(64, seed=batch % 2, origin=Origin.ACTION), 64 * batch))
        assert result is not None and result.finite
        losses.append(result.loss)
    assert losses[-1] < losses[0]
    predictor = Predictor(state.definition, state.store, state.architecture)
    examples = every_kind.examples(5, seed=3)
    columns = columns_from_examples(examples, state.encoder.sources(Side.ITEM))
    vectors = predictor.item_vectors(state.encoder.encode(columns, 5, Side.ITEM))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-5)
