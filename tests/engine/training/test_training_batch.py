from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from engine.embedding.hashing import hash_ids
from engine.spec.example import Example
from engine.training.logged import LoggedExamples
from engine.training.state import TrainingState
from engine.training.training_batch import FILL_CANDIDATES, RankingBatch, RetrievalBatch
from tests.engine.training.made import as_logged, make_definition, make_example, make_examples


def build(state: TrainingState, logged: LoggedExamples) -> RankingBatch | RetrievalBatch | None:
    """Each example is seen as many seconds after 1970 as its offset says."""
    return state.builder.build(logged, logged.offsets.astype(np.uint32))


def ranking_batch(state: TrainingState, examples: list[Example], start: int = 0) -> RankingBatch:
    batch = build(state, as_logged(examples, start))
    assert isinstance(batch, RankingBatch)
    return batch


def test_impressions_are_learned_as_they_are() -> None:
    state = TrainingState(make_definition("deepfm"))
    examples = [make_example(n, n, n, label=float(n % 2), origin="impression") for n in range(6)]
    batch = ranking_batch(state, examples)
    assert batch.labels[:, 0].tolist() == [0, 1, 0, 1, 0, 1]
    assert batch.user_rows.tolist() == batch.item_rows.tolist() == list(range(6))
    assert not batch.is_sampled.any()


def test_action_gets_negatives_from_the_items_before_it_but_never_itself() -> None:
    state = TrainingState(make_definition("deepfm", num_negatives=50))
    batch = ranking_batch(state, [make_example(n, n, item) for n, item in enumerate([1, 2, 1])])
    fids = batch.items.slots["item_id"].fids
    item_1, item_2 = fids[0], fids[1]
    drawn = {
        user: set(fids[batch.item_rows[batch.is_sampled & (batch.user_rows == user)]].tolist()) for user in range(3)
    }
    assert drawn == {0: set(), 1: {item_1}, 2: {item_2}}
    assert batch.labels[batch.is_sampled].sum() == 0


def test_negatives_do_not_depend_on_how_the_stream_is_cut() -> None:
    examples = make_examples(60)
    pairs = []
    for size in (60, 7):
        state, found = TrainingState(make_definition("deepfm")), []
        for start in range(0, 60, size):
            batch = ranking_batch(state, examples[start : start + size], start)
            fids = batch.items.slots["item_id"].fids[batch.item_rows[batch.is_sampled]]
            found += list(zip((batch.user_rows[batch.is_sampled] + start).tolist(), fids.tolist(), strict=True))
        pairs.append(sorted(found))
    assert pairs[0] == pairs[1]
    assert len(pairs[0]) > 150


def test_popular_items_are_corrected_for_being_drawn_more_often_and_impressions_are_not() -> None:
    state = TrainingState(make_definition("deepfm", num_negatives=3))
    items = np.random.default_rng(0).choice(3, 2_000, p=[0.6, 0.3, 0.1])
    for start in range(0, 2_000, 50):
        examples = [make_example(n, 0, int(item)) for n, item in enumerate(items[start : start + 50], start)]
        batch = ranking_batch(state, examples, start)
    fids = batch.items.slots["item_id"].fids[batch.item_rows]
    # three draws of probability q, times 1 / (.6² + .3² + .1²) = 2.17 effective items; positives and drawn rows alike
    for item, share in enumerate([0.6, 0.3, 0.1]):
        of_item = batch.sampling_rates[:, 0][fids == hash_ids(pa.array([f"item-{item}"]), 2)[0]]
        assert of_item.size > 5 and np.ptp(of_item) == 0
        assert of_item[0] == pytest.approx(3 * share * 2.17, rel=0.5)
    shown = ranking_batch(state, [make_example(n, 0, n, origin="impression") for n in range(3)], 2_000)
    assert shown.sampling_rates[:, 0].tolist() == [1.0, 1.0, 1.0]


def test_example_without_the_tasks_label_is_counted_but_not_learned() -> None:
    state = TrainingState(make_definition("deepfm"))
    other = make_example(0, 0, 0)
    other.labels.clear()
    assert state.learn(as_logged([other])) is None
    assert (state.progress.num_examples, state.progress.examples, state.store.num_rows) == (1, {0: 1}, 0)


def test_two_tower_learns_from_positives_only() -> None:
    state = TrainingState(make_definition("two_tower"))
    examples = [make_example(n, n, n, label=float(n % 2), origin="impression") for n in range(6)]
    batch = build(state, as_logged(examples))
    assert isinstance(batch, RetrievalBatch)
    assert batch.user.num_rows == 3
    assert batch.item_keys[:3].tolist() == [1, 3, 5]
    assert build(state, as_logged(examples[::2], 6)) is None


def test_lone_click_is_told_from_drawn_candidates() -> None:
    state = TrainingState(make_definition("two_tower"))
    state.learn(as_logged(make_examples(64)))
    batch = build(state, as_logged([make_example(0, 0, 0)], 64))
    assert isinstance(batch, RetrievalBatch)
    assert (batch.user.num_rows, batch.items.num_rows, batch.log_q.size) == (1, FILL_CANDIDATES, FILL_CANDIDATES)
    assert np.unique(batch.item_keys).size > 10
    before = state.architecture.dense_weights()
    result = state.learn(as_logged([make_example(0, 0, 0)], 65))
    assert result is not None and result.loss > 0.1
    assert any(not np.array_equal(weight, before[name]) for name, weight in state.architecture.dense_weights().items())


def test_correction_is_left_out_when_the_definition_says_so() -> None:
    for corrected in (True, False):
        state = TrainingState(make_definition("two_tower", log_q_correction=corrected))
        batch = build(state, as_logged(make_examples(64)))
        assert isinstance(batch, RetrievalBatch)
        assert bool(batch.log_q.any()) is corrected


def test_batch_with_an_infinite_loss_is_refused_and_counted() -> None:
    state = TrainingState(make_definition("deepfm"))
    state.learn(as_logged(make_examples(32)))
    before, digest = state.architecture.dense_weights(), state.store.digest()
    bad = make_example(0, 0, 0)
    result = state.learn(
        as_logged([type(bad)(**{**{n: getattr(bad, n) for n in bad.__slots__}, "weight": float("inf")})], 32)
    )
    assert result is not None and not result.finite
    assert state.progress.num_refused_batches == 1
    assert state.progress.num_examples == 33
    for name, weight in state.architecture.dense_weights().items():
        np.testing.assert_array_equal(weight, before[name])
    assert state.store.digest() == digest
