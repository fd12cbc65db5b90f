"""One battery for every architecture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.checkpoint.arrays import load_arrays, save_arrays
from engine.errors import CorruptRecord
from engine.features.columns import columns_from_examples
from engine.features.encoded import EncodedBatch
from engine.models.forward import Predictor
from engine.spec.definition import ModelDefinition
from engine.spec.example import Example
from engine.training.state import TrainingState
from tests.engine.training.made import as_logged, make_definition, make_examples

KINDS = ("two_tower", "deepfm")


def encoded(state: TrainingState, examples: list[Example]) -> EncodedBatch:
    return state.encoder.encode(columns_from_examples(examples, state.encoder.sources()), len(examples))


def scores_of(state: TrainingState, examples: list[Example]) -> np.ndarray:
    predictor = Predictor(state.definition, state.store, state.architecture)
    return predictor.scores(encoded(state, examples))


def trained(definition: ModelDefinition, num_batches: int = 4) -> TrainingState:
    state = TrainingState(definition)
    examples = make_examples(64 * num_batches)
    for start in range(0, len(examples), 64):
        state.learn(as_logged(examples[start : start + 64], start))
    return state


@pytest.mark.parametrize("kind", KINDS)
def test_seed_repeats_to_the_bit(kind: str) -> None:
    first, second = (trained(make_definition(kind)) for _ in range(2))
    assert first.store.digest() == second.store.digest()
    for name, weight in first.architecture.dense_weights().items():
        np.testing.assert_array_equal(weight, second.architecture.dense_weights()[name], err_msg=name)
    other = trained(make_definition(kind, training={"seed": 18}))
    assert other.store.digest() != first.store.digest()


@pytest.mark.parametrize("kind", KINDS)
def test_learning_leaves_its_input_alone(kind: str) -> None:
    examples = make_examples(64)
    before = [example.to_bytes() for example in examples]
    logged = as_logged(examples)
    state = TrainingState(make_definition(kind))
    state.learn(logged)
    assert [example.to_bytes() for example in examples] == before
    np.testing.assert_array_equal(logged.offsets, np.arange(64))


@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_loaded_weights_give_equal_scores(kind: str, tmp_path: Path) -> None:
    state, examples = trained(make_definition(kind)), make_examples(20, seed=1)
    save_arrays(state.architecture.dense_weights(), tmp_path / "dense.arrow")
    predictor = Predictor(state.definition, state.store)
    fresh = predictor.scores(encoded(state, examples))
    predictor.load_dense_weights(load_arrays(tmp_path / "dense.arrow"))
    loaded = predictor.scores(encoded(state, examples))
    np.testing.assert_array_equal(loaded, scores_of(state, examples))
    assert not np.allclose(fresh, loaded)


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_weights_are_refused_and_the_old_ones_stay(kind: str) -> None:
    state, examples = trained(make_definition(kind)), make_examples(20, seed=1)
    predictor = Predictor(state.definition, state.store, state.architecture)
    before = predictor.scores(encoded(state, examples))
    weights = predictor.dense_weights()
    name = next(iter(weights))
    with pytest.raises(CorruptRecord, match="dense weights"):
        predictor.load_dense_weights({**weights, name: weights[name][:1]})
    np.testing.assert_array_equal(predictor.scores(encoded(state, examples)), before)


@pytest.mark.parametrize("kind", KINDS)
def test_unseen_ids_and_empty_rows_score_finitely_and_make_no_rows(kind: str) -> None:
    state = trained(make_definition(kind))
    num_rows = state.store.num_rows
    unseen = [Example("e", "stranger", "novelty", 0, each.origin, {}, each.cause) for each in make_examples(3)]
    predictor = Predictor(state.definition, state.store, state.architecture)
    assert np.isfinite(predictor.scores(encoded(state, unseen))).all()
    assert np.isfinite(predictor.scores(state.encoder.encode({}, 2))).all()
    assert predictor.scores(state.encoder.encode({}, 0)).shape == (0,)
    assert state.store.num_rows == num_rows


@pytest.mark.parametrize("kind", KINDS)
def test_learning_from_rows_without_any_feature_stays_finite(kind: str) -> None:
    state = TrainingState(make_definition(kind))
    bare = [Example("e", "", "", 0, each.origin, {"click": 1.0}, each.cause) for each in make_examples(8)]
    for start in range(3):
        result = state.learn(as_logged(bare, 8 * start))
        assert result is not None and result.finite
    assert all(np.isfinite(weight).all() for weight in state.architecture.dense_weights().values())


@pytest.mark.parametrize("kind", KINDS)
def test_one_batch_can_be_overfitted(kind: str) -> None:
    definition = make_definition(kind)
    state = TrainingState(definition)
    origin = "impression" if kind == "deepfm" else "action"
    examples = make_examples(40, origin=origin)
    losses = []
    for _ in range(150):
        result = state.learn(as_logged(examples))
        assert result is not None
        losses.append(result.loss)
    assert losses[-1] < 0.35 * losses[0]


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_every_slot_and_weight(kind: str) -> None:
    state = TrainingState(make_definition(kind))
    examples = make_examples(64)
    state.builder.build(as_logged(examples), np.zeros(64, np.uint32))
    batch = encoded(state, examples)
    before, weights = {}, state.architecture.dense_weights()
    for slot in state.definition.slots:
        fids = np.unique(batch.slots[slot.name].fids)
        number = np.full(fids.size, state.definition.number_of(slot), np.uint16)
        before[slot.name] = (fids, state.store.table_of(slot).lookup_or_create(fids, number, 0))
    for start in (0, 64):
        state.learn(as_logged(examples, start))
    for slot in state.definition.slots:
        fids, rows = before[slot.name]
        moved = np.abs(state.store.table_of(slot).lookup(fids) - rows).max(axis=1)
        # A drawn negative's rows are among them, so every row seen as the slot's value must have moved.
        assert (moved > 0).mean() > 0.9, slot.name
    for name, weight in state.architecture.dense_weights().items():
        assert not np.array_equal(weight, weights[name]), name


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_compiled_twice_whatever_the_sizes(kind: str) -> None:
    state = TrainingState(make_definition(kind))
    predictor = Predictor(state.definition, state.store, state.architecture)
    start = 0
    for size in (64, 1, 7, 64, 33, 2):
        examples = make_examples(size, seed=size)
        state.learn(as_logged(examples, start))
        predictor.scores(encoded(state, examples))
        start += size
    assert state.step.num_traces == 1
    assert predictor.num_traces == (2 if kind == "two_tower" else 1)


@pytest.mark.parametrize("kind", KINDS)
def test_one_user_with_many_items_scores_as_row_by_row(kind: str) -> None:
    from engine.spec.definition import Side

    state = trained(make_definition(kind))
    examples = make_examples(12, seed=3)
    same_user = [Example(**{**_fields(each), **_user_fields(examples[0])}) for each in examples]
    predictor = Predictor(state.definition, state.store, state.architecture)
    columns = columns_from_examples(same_user, state.encoder.sources())
    by_side = {
        side: state.encoder.encode({name: columns[name] for name in state.encoder.sources(side)}, 12, side)
        for side in Side
    }
    first = {name: columns[name].slice(0, 1) for name in state.encoder.sources(Side.USER)}
    user = state.encoder.encode(first, 1, Side.USER)
    np.testing.assert_allclose(
        predictor.pair_scores(user, by_side[Side.ITEM]),
        predictor.scores(encoded(state, same_user)),
        rtol=1e-5,
        atol=1e-6,
    )


def _fields(example: Example) -> dict[str, Any]:
    return {name: getattr(example, name) for name in Example.__slots__}


def _user_fields(example: Example) -> dict[str, Any]:
    return {name: getattr(example, name) for name in ("user_id", "user", "event", "history")}
