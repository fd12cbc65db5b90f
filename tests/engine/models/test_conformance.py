"""One battery for every architecture of the registry.

Compiling a step takes most of a test's time, so that the tests of an architecture share two states that learned the same examples:
`first` is only read, `second` goes on learning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.checkpoint.arrays import load_arrays, save_arrays
from engine.embedding.store import EmbeddingStore
from engine.errors import CorruptRecord
from engine.features.columns import columns_from_examples
from engine.features.encoded import EncodedBatch
from engine.models.forward import Predictor
from engine.models.registry import MODELS, build_architecture
from engine.spec.architecture import ARCHITECTURES
from engine.spec.definition import Side
from engine.spec.example import Example
from engine.training.state import TrainingState
from tests.engine.models.definitions import KINDS, VARIANTS, definition_of, is_retrieval_kind
from tests.engine.training.made import as_logged, make_examples

NUM, BATCH, OVERFIT_STEPS = 96, 32, 150

every_architecture = pytest.mark.parametrize("kind", [*KINDS, *VARIANTS])


@dataclass
class Trained:
    """Two states that learned the same, the first's predictor, and the log's place that the second has come to."""

    first: TrainingState
    second: TrainingState
    predictor: Predictor
    offset: int

    def learn(self, examples: list[Example]) -> float:
        """The second state goes on; answers the loss before the update."""
        result = self.second.learn(as_logged(examples, self.offset))
        self.offset += len(examples)
        assert result is not None and result.finite
        return result.loss


def learned(kind: str, **training: Any) -> TrainingState:
    state = TrainingState(definition_of(kind, training=training))
    examples = make_examples(NUM)
    for start in range(0, NUM, BATCH):
        assert state.learn(as_logged(examples[start : start + BATCH], start)) is not None
    return state


@cache
def trained(kind: str) -> Trained:
    first, second = learned(kind), learned(kind)
    return Trained(first, second, Predictor(first.definition, first.store, first.architecture), NUM)


def encoded(state: TrainingState, examples: list[Example]) -> EncodedBatch:
    return state.encoder.encode(columns_from_examples(examples, state.encoder.sources()), len(examples))


def test_every_kind_of_the_specification_has_its_layers() -> None:
    assert list(MODELS) == list(ARCHITECTURES)


@every_architecture
def test_seed_repeats_to_the_bit(kind: str) -> None:
    # built anew, for the others may have taken the shared one on
    first, second = trained(kind).first, learned(kind) if trained(kind).offset > NUM else trained(kind).second
    assert first.store.digest() == second.store.digest()
    weights = second.architecture.dense_weights()
    for name, weight in first.architecture.dense_weights().items():
        np.testing.assert_array_equal(weight, weights[name], err_msg=name)
    other = build_architecture(definition_of(kind, training={"seed": 18})).dense_weights()
    start = build_architecture(definition_of(kind)).dense_weights()
    assert all(not np.array_equal(other[name], start[name]) for name in start if _is_drawn(start[name]))


def _is_drawn(weight: Any) -> bool:
    """Biases and moments start the same whatever the seed."""
    return bool(weight.size > 0 and np.unique(weight).size > 2)


@every_architecture
def test_learning_leaves_its_input_alone(kind: str) -> None:
    examples = make_examples(BATCH, seed=5)
    before = [example.to_bytes() for example in examples]
    weights = trained(kind).second.architecture.dense_weights()
    trained(kind).learn(examples)
    assert [example.to_bytes() for example in examples] == before
    assert (
        any(
            not np.array_equal(now, weights[name])
            for name, now in trained(kind).second.architecture.dense_weights().items()
        )
        or not weights
    )


@every_architecture
def test_saved_and_loaded_weights_give_equal_scores(kind: str, tmp_path: Path) -> None:
    state, predictor = trained(kind).first, trained(kind).predictor
    batch = encoded(state, make_examples(20, seed=1))
    before = predictor.scores(batch)
    weights = predictor.dense_weights()
    save_arrays(weights, tmp_path / "dense.arrow")
    predictor.load_dense_weights({name: np.zeros_like(weight) for name, weight in weights.items()})
    cleared = predictor.scores(batch)
    predictor.load_dense_weights(load_arrays(tmp_path / "dense.arrow"))
    np.testing.assert_array_equal(predictor.scores(batch), before)
    assert not np.allclose(cleared, before)


@every_architecture
def test_wrong_weights_are_refused_and_the_old_ones_stay(kind: str) -> None:
    predictor = trained(kind).predictor
    weights = predictor.dense_weights()
    name = next(iter(weights))
    with pytest.raises(CorruptRecord, match="dense weights"):
        predictor.load_dense_weights({**weights, name: weights[name][np.newaxis]})
    with pytest.raises(CorruptRecord, match="dense weights"):
        predictor.load_dense_weights({other: weight for other, weight in weights.items() if other != name})
    for name, weight in predictor.dense_weights().items():
        np.testing.assert_array_equal(weight, weights[name])


@every_architecture
def test_unseen_ids_and_empty_rows_score_finitely_and_make_no_rows(kind: str) -> None:
    state, predictor = trained(kind).first, trained(kind).predictor
    num_rows = state.store.num_rows
    unseen = [Example("e", "stranger", "novelty", 0, each.origin, {}, each.cause) for each in make_examples(3)]
    assert np.isfinite(predictor.scores(encoded(state, unseen))).all()
    assert np.isfinite(predictor.scores(state.encoder.encode({}, 2))).all()
    assert predictor.scores(state.encoder.encode({}, 0)).shape == (0,)
    assert state.store.num_rows == num_rows


@every_architecture
def test_a_property_that_vanishes_and_rows_that_were_evicted_count_as_absent(kind: str) -> None:
    state, predictor = trained(kind).first, trained(kind).predictor
    examples = make_examples(8, seed=2)
    bare = [replace(each, user={}, item={}, event={}, history=()) for each in examples]
    none = [
        replace(each, item={"topic": "never heard of", "price": 0.0}, event={}, user={}, history=())
        for each in examples
    ]
    # An id without a row counts as nothing: what vanished and what was never seen are the same.
    np.testing.assert_array_equal(predictor.scores(encoded(state, bare)), predictor.scores(encoded(state, none)))
    evicted = Predictor(state.definition, EmbeddingStore.for_definition(state.definition), state.architecture)
    scores = evicted.scores(encoded(state, bare))
    assert np.isfinite(scores).all()
    assert np.ptp(scores) == 0.0


@every_architecture
def test_learning_from_rows_without_any_feature_stays_finite(kind: str) -> None:
    bare = [Example("e", "", "", 0, each.origin, {"click": 1.0}, each.cause) for each in make_examples(8)]
    for _ in range(3):
        trained(kind).learn(bare)
    weights = trained(kind).second.architecture.dense_weights()
    assert all(np.isfinite(weight).all() for weight in weights.values())


@every_architecture
def test_gradients_reach_every_slot_and_weight(kind: str) -> None:
    state = trained(kind).second
    examples = make_examples(64, seed=3)
    batch = encoded(state, examples)
    weights, rows = state.architecture.dense_weights(), {}
    trained(kind).learn(examples)
    for slot in state.definition.slots:
        fids = np.unique(batch.slots[slot.name].fids)
        rows[slot.name] = (fids, state.store.table_of(slot).lookup(fids).copy())
    trained(kind).learn(examples)
    for slot in state.definition.slots:
        fids, before = rows[slot.name]
        moved = np.abs(state.store.table_of(slot).lookup(fids) - before).max(axis=1)
        assert (moved > 0).mean() > 0.9, slot.name
    unmoved = {name for name, now in state.architecture.dense_weights().items() if np.array_equal(now, weights[name])}
    assert unmoved <= {name for name, weight in weights.items() if weight.size == 0}


@every_architecture
def test_one_batch_can_be_overfitted(kind: str) -> None:
    origin = "action" if is_retrieval_kind(kind) else "impression"
    examples = make_examples(24, origin=origin, seed=11)
    losses = [trained(kind).learn(examples) for _ in range(OVERFIT_STEPS)]
    assert min(losses[-5:]) < 0.35 * losses[0]


@every_architecture
def test_one_user_with_many_items_scores_as_row_by_row(kind: str) -> None:
    state, predictor = trained(kind).first, trained(kind).predictor
    examples = make_examples(12, seed=3)
    of_user = {name: getattr(examples[0], name) for name in ("user_id", "user", "event", "history")}
    same_user = [replace(each, **of_user) for each in examples]
    columns = columns_from_examples(same_user, state.encoder.sources())
    items, user = (
        {name: columns[name].slice(0, num) for name in state.encoder.sources(side)}
        for side, num in ((Side.ITEM, 12), (Side.USER, 1))
    )
    np.testing.assert_allclose(
        predictor.pair_scores(state.encoder.encode(user, 1, Side.USER), state.encoder.encode(items, 12, Side.ITEM)),
        predictor.scores(encoded(state, same_user)),
        rtol=1e-5,
        atol=1e-6,
    )


@every_architecture
def test_nothing_is_compiled_twice_whatever_the_sizes(kind: str) -> None:
    state, predictor = trained(kind).first, trained(kind).predictor
    for size in (1, 7, 33, 2):
        examples = make_examples(size, seed=size)
        trained(kind).learn(examples)
        predictor.scores(encoded(state, examples))
    # batches whose rows are the pairs already have a compiled step of their own
    assert trained(kind).second.step.num_traces <= (1 if is_retrieval_kind(kind) else 2)
    assert predictor.num_traces == (2 if is_retrieval_kind(kind) else 1)
