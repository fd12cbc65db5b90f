from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from engine.errors import InvalidDocument
from engine.features.columns import columns_for_items, columns_for_user
from engine.models.architecture import Inputs
from engine.models.forward import Predictor
from engine.models.matrix_factorisation import MatrixFactorisationModel
from engine.spec.definition import ModelDefinition, Side
from engine.training.state import TrainingState
from tests.engine.training.made import as_logged, make_definition, make_example


def plain(dim: int = 8, **more: Any) -> ModelDefinition:
    """User and item ids, nothing else: no dense weight is left."""
    return ModelDefinition.parse(
        {
            "slots": [
                {"name": "user_id", "number": 1, "source": "user.id", "dim": dim},
                {"name": "item_id", "number": 2, "source": "item.id", "dim": dim},
            ],
            "architecture": {"kind": "matrix_factorisation", "output_dim": dim},
            "training": {"batch_size": 64},
            **more,
        }
    )


def test_vectors_are_the_sums_of_a_side_with_the_items_bias_last() -> None:
    model = MatrixFactorisationModel(make_definition("matrix_factorisation", output_dim=8))
    rng = np.random.default_rng(1)
    slots = {name: rng.normal(size=(3, 8)).astype(np.float32) / 8 for name in ("user_id", "history", "device")}
    age = rng.normal(size=(3, 1)).astype(np.float32)
    expected = sum(slots.values()) + age @ model.dense_weights()["user_dense/kernel"]
    expected[:, -1] = 0.5
    lengths = np.maximum(1.0, np.linalg.norm(expected, axis=1, keepdims=True))
    vectors = model.user_vectors(Inputs({name: tf.constant(each) for name, each in slots.items()}, tf.constant(age)))
    np.testing.assert_allclose(vectors.numpy(), expected / lengths, rtol=1e-5)
    item = np.full((1, 8), 0.1, np.float32)
    inputs = Inputs({"item_id": tf.constant(item), "topic": tf.constant(item)}, tf.zeros((1, 1)))
    np.testing.assert_allclose(model.item_vectors(inputs).numpy(), 2 * item, rtol=1e-6)


def test_vectors_stay_within_the_unit_ball_and_have_a_gradient_everywhere() -> None:
    model = MatrixFactorisationModel(plain(4))
    rows = tf.constant([[0.0] * 4, [3.0, 0.0, 4.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(rows)
        vectors = model.item_vectors(Inputs({"item_id": rows}, tf.zeros((2, 0))))
        total = tf.reduce_sum(vectors * tf.constant([[1.0, 2.0, 3.0, 4.0]] * 2))
    np.testing.assert_allclose(vectors.numpy(), [[0.0] * 4, [0.6, 0.0, 0.8, 0.0]], rtol=1e-6)
    gradient = tape.gradient(total, rows).numpy()
    np.testing.assert_allclose(gradient[0], [1, 2, 3, 4], rtol=1e-6)
    # On the sphere a step along the vector changes nothing.
    assert gradient[1] @ [3.0, 0.0, 4.0, 0.0] == pytest.approx(0.0, abs=1e-6)


def trained_on_groups(definition: ModelDefinition, num_examples: int = 6_000) -> TrainingState:
    """Twenty users and twenty items in two groups; users take items of their own group, the low numbers more often."""
    rng = np.random.default_rng(4)
    users = rng.integers(20, size=num_examples)
    items = 2 * np.minimum(rng.geometric(0.25, num_examples) - 1, 9) + users % 2
    state = TrainingState(definition)
    examples = [make_example(number, int(users[number]), int(items[number])) for number in range(num_examples)]
    for start in range(0, num_examples, 64):
        state.learn(as_logged(examples[start : start + 64], start))
    return state


def ranked(state: TrainingState, user_id: str) -> list[int]:
    predictor, encoder = Predictor(state.definition, state.store, state.architecture), state.encoder
    ids = [f"item-{item}" for item in range(20)]
    columns = columns_for_items(ids, [{}] * 20, encoder.sources(Side.ITEM))
    items = predictor.item_vectors(encoder.encode(columns, 20, Side.ITEM))
    asker = columns_for_user(user_id, {}, {}, (), encoder.sources(Side.USER))
    user = predictor.user_vectors(encoder.encode(asker, 1, Side.USER))
    return [int(item) for item in np.argsort(-(items @ user[0]))]


def test_users_learn_their_group_and_strangers_get_what_is_popular() -> None:
    state = trained_on_groups(plain())
    assert state.architecture.variables == {}
    for user in range(20):
        assert [item % 2 for item in ranked(state, f"user-{user}")[:6]] == [user % 2] * 6
    # Items 0 and 1 are a quarter of all clicks each half, 18 and 19 the rarest but for the tail they hold.
    best = ranked(state, "stranger")
    assert set(best[:4]) <= set(range(8)) and set(best[-4:]) <= set(range(10, 18))


@pytest.mark.parametrize(
    ("slots", "reason"),
    [
        ([{"name": "user_id", "number": 1, "source": "user.id", "dim": 8}], "one of the item side"),
        (
            [{"name": "u", "number": 1, "source": "user.id", "dim": 8}, {"name": "i", "number": 2, "source": "item.id", "dim": 4}],
            "slot i has dim 4, but a matrix_factorisation adds up its slots, and its output_dim is 8",
        ),
    ],
)  # fmt: skip
def test_definition_that_cannot_be_added_up_is_refused(slots: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(InvalidDocument, match=reason):
        plain(slots=slots)
