from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from engine.errors import InvalidDocument
from engine.features.columns import columns_for_items, columns_from_examples
from engine.models.architecture import Inputs, Sequence
from engine.models.forward import Predictor
from engine.models.sasrec import SASRecModel
from engine.spec.definition import ModelDefinition, Side
from engine.spec.example import Example
from engine.training.state import TrainingState
from tests.engine.training.made import as_logged, make_example

LENGTH, DIM = 5, 8
ITEM = {"name": "item_id", "number": 1, "source": "item.id", "dim": DIM}
HISTORY = {"name": "history", "number": 2, "source": "user.history", "shares": "item_id", "dim": DIM,
           "max_values": LENGTH, "pooling": "sequence"}  # fmt: skip


def definition(*slots: dict[str, Any], **architecture: Any) -> ModelDefinition:
    return ModelDefinition.parse(
        {
            "slots": [ITEM, *(slots or (HISTORY,))],
            "architecture": {"kind": "sasrec", "output_dim": 8, **architecture},
            "training": {"batch_size": 64},
        }
    )


def sequence(rng: np.random.Generator, lengths: list[int]) -> Sequence:
    mask = np.arange(LENGTH) >= LENGTH - np.array(lengths)[:, np.newaxis]
    values = rng.normal(size=(len(lengths), LENGTH, DIM)).astype(np.float32) * mask[:, :, np.newaxis]
    return Sequence(tf.constant(values), tf.constant(mask))


def inputs_of(each: Sequence) -> Inputs:
    return Inputs({}, tf.zeros((each.values.shape[0], 0)), {"history": each})


def normalised(values: Any) -> Any:
    centred = values - values.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-6)


def dense(weights: dict[str, Any], name: str, values: Any) -> Any:
    return values @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]


def test_user_vector_equals_the_blocks_written_out_in_numpy_one_place_at_a_time() -> None:
    model = SASRecModel(definition(num_blocks=2, num_heads=2))
    weights = {name: each.astype(np.float64) for name, each in model.dense_weights().items()}
    history = sequence(np.random.default_rng(1), [5, 3, 1])
    for user, num in enumerate((5, 3, 1)):
        places = history.values.numpy()[user, LENGTH - num :].astype(np.float64)
        x = np.sqrt(DIM) * places + weights["positions/kernel"][LENGTH - num :]
        for block in ("block_0", "block_1"):
            query, key, value = (dense(weights, f"{block}_{part}", normalised(x)) for part in ("query", "key", "value"))
            attended = np.zeros_like(x)
            for head in (slice(0, 4), slice(4, 8)):
                for place in range(num):
                    logits = key[: place + 1, head] @ query[place, head] / np.sqrt(4)
                    share = np.exp(logits) / np.exp(logits).sum()
                    attended[place, head] = share @ value[: place + 1, head]
            x = x + attended
            hidden = np.maximum(dense(weights, f"{block}_hidden", normalised(x)), 0)
            x = x + dense(weights, f"{block}_output", hidden)
        output = dense(weights, "user_output", normalised(x)[-1])
        vector = model.user_vectors(inputs_of(history)).numpy()[user]
        np.testing.assert_allclose(vector, output / np.linalg.norm(output), rtol=1e-3, atol=1e-5)


def test_no_place_sees_what_comes_after_it() -> None:
    model = SASRecModel(definition())
    history = sequence(np.random.default_rng(2), [5])
    before = model.encoded(inputs_of(history)).numpy()
    changed = history.values.numpy().copy()
    changed[0, 3, 0] += 1.0
    after = model.encoded(inputs_of(replace(history, values=tf.constant(changed)))).numpy()
    np.testing.assert_allclose(after[0, :3], before[0, :3], rtol=1e-5, atol=1e-6)
    assert np.abs(after[0, 3:] - before[0, 3:]).max() > 0.01


def test_places_without_an_item_say_nothing_and_an_empty_history_is_zero() -> None:
    model = SASRecModel(definition())
    history = sequence(np.random.default_rng(3), [2, 0])
    rubbish = history.values.numpy() + ~history.mask.numpy()[:, :, np.newaxis] * 100.0
    vectors = model.user_vectors(inputs_of(history)).numpy()
    other = model.user_vectors(inputs_of(replace(history, values=tf.constant(rubbish, tf.float32)))).numpy()
    np.testing.assert_allclose(other, vectors, rtol=1e-5, atol=1e-6)
    assert np.linalg.norm(vectors[0]) == pytest.approx(1.0, abs=1e-4) and not vectors[1].any()


def test_parallel_sequences_and_the_users_other_inputs_count() -> None:
    types = {
        "name": "types",
        "number": 3,
        "source": "user.tags",
        "dim": DIM,
        "max_values": LENGTH,
        "pooling": "sequence",
    }
    user = {"name": "user_id", "number": 4, "source": "user.id", "dim": 4}
    model = SASRecModel(definition(HISTORY, types, user, context_slots=["types"]))
    rng = np.random.default_rng(4)
    history, kinds = sequence(rng, [4]), sequence(rng, [4])
    slots = {"user_id": tf.constant(rng.normal(size=(1, 4)), tf.float32)}
    whole = Inputs(slots, tf.zeros((1, 0)), {"history": history, "types": kinds})
    vector = model.user_vectors(whole).numpy()
    for other in (
        replace(whole, sequences=whole.sequences | {"types": sequence(rng, [4])}),
        replace(whole, slots={"user_id": tf.zeros((1, 4))}),
    ):
        assert np.abs(model.user_vectors(other).numpy() - vector).max() > 1e-3


def walks(num: int, num_items: int, seed: int) -> list[Example]:
    """Each user goes round a ring of items by steps of one or two, the same all the way: two past items tell the third."""
    rng = np.random.default_rng(seed)
    examples = []
    for number in range(num):
        start, step = int(rng.integers(num_items)), int(rng.integers(1, 3))
        path = [(start + step * place) % num_items for place in range(LENGTH + 1)]
        history = tuple(f"item-{item}" for item in path[:-1])
        examples.append(make_example(number, number, path[-1], history=history))
    return examples


def test_it_learns_what_comes_next_from_more_than_the_last_item() -> None:
    state, num_items = TrainingState(definition(num_heads=2)), 30
    examples = walks(64 * 120, num_items, seed=1)
    for start in range(0, len(examples), 64):
        state.learn(as_logged(examples[start : start + 64], start))
    predictor, encoder = Predictor(state.definition, state.store, state.architecture), state.encoder
    ids = [f"item-{item}" for item in range(num_items)]
    columns = columns_for_items(ids, [{}] * num_items, encoder.sources(Side.ITEM))
    items = predictor.item_vectors(encoder.encode(columns, num_items, Side.ITEM))
    asked = walks(200, num_items, seed=2)
    users = encoder.encode(columns_from_examples(asked, encoder.sources(Side.USER)), 200, Side.USER)
    best = np.argmax(predictor.user_vectors(users) @ items.T, axis=1)
    # The last item alone leaves two that are as likely as each other: half would be right.
    assert np.mean([f"item-{item}" == each.item_id for item, each in zip(best, asked, strict=True)]) > 0.8


@pytest.mark.parametrize(
    ("slots", "architecture", "reason"),
    [
        ((HISTORY,), {"sequence_slot": "past"}, "sequence_slot must name a slot, received past"),
        ((HISTORY | {"pooling": "mean"},), {}, "needs slot history as a sequence of the user side"),
        ((HISTORY,), {"num_heads": 3}, "slot history has dim 8, which 3 heads cannot share"),
        (
            (HISTORY, HISTORY | {"name": "types", "number": 3, "source": "user.tags", "shares": None, "dim": 4}),
            {"context_slots": ["types"]},
            "slot types has dim 4 and max_values 5, but is added to history, which has 8 and 5",
        ),
    ],
)
def test_definition_without_a_fitting_sequence_is_refused(
    slots: tuple[dict[str, Any], ...], architecture: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidDocument, match=reason):
        definition(*slots, **architecture)
