"""Negatives that came with their counters: what a batch makes of them, and that counters can then be learned from clicks alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from engine.evaluation.auc import auc
from engine.features.columns import columns_from_examples
from engine.joining.joiner import Joiner
from engine.joining.state import JoinerSettings
from engine.models.forward import Predictor
from engine.spec.definition import ModelDefinition
from engine.spec.event import Event
from engine.spec.example import DrawnItem, Draws, Example
from engine.spec.schema import EventRole, Schema
from engine.training.state import TrainingState
from engine.training.training_batch import RankingBatch
from tests.engine.training.made import as_logged, make_example

COUNTER = {"name": "clicks", "source": "counter.clicks_10m"}


def definition(
    *, num_negatives: int = 4, dense: tuple[dict[str, Any], ...] = (COUNTER,), **more: Any
) -> ModelDefinition:
    return ModelDefinition.parse(
        {
            "slots": [
                {"name": "user_id", "number": 1, "source": "user.id", "dim": 1},
                {"name": "item_id", "number": 2, "source": "item.id", "dim": 1},
            ],
            "dense": list(dense),
            "architecture": {"kind": "logistic_regression", "num_negatives": num_negatives},
            "dense_optimizer": {"kind": "adam", "learning_rate": 0.05},
            **more,
        }
    )


def an_item(number: int, count: int, clicks: float) -> DrawnItem:
    return DrawnItem(f"item-{number}", count, [clicks])


def with_draws(number: int, item: int, clicks: float, draws: Draws | None) -> Example:
    return replace(make_example(number, 0, item), counters={"clicks_10m": clicks}, drawn=draws)


def state_that_knows(made: ModelDefinition) -> TrainingState:
    """Items 0 to 3, each acted on once: the pool holds four equally frequent items."""
    state = TrainingState(made)
    state.learn(as_logged([make_example(n, n, n) for n in range(4)]))
    return state


def batch_of(state: TrainingState, examples: list[Example]) -> RankingBatch:
    batch = state.builder.build(as_logged(examples, 4), np.zeros(len(examples), np.uint32))
    assert isinstance(batch, RankingBatch)
    return batch


def test_logged_negatives_are_learned_with_their_counters_and_the_rates_of_their_draw() -> None:
    state = state_that_knows(definition())
    draws = Draws(4, 10, 1, (an_item(1, 5, 2.0), an_item(3, 2, 7.0), an_item(1, 5, 2.0)))
    batch = batch_of(state, [with_draws(4, 0, 3.0, draws)])
    assert batch.pairs is not None
    # the action's own row, then item 1 twice and item 3; one of four draws hit the action's own item
    assert batch.labels[:, 0].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert batch.is_sampled.tolist() == [False, True, True, True]
    assert batch.pairs.dense[:, 0].tolist() == [3.0, 2.0, 7.0, 2.0]
    # pushes: items 0, 1, 2, 3 and 0 again, so that 1 / Σq² = 25 / (4 + 1 + 1 + 1)
    rates = 4 * np.array([2 / 11, 5 / 10, 2 / 10, 5 / 10]) * 25 / 7
    np.testing.assert_allclose(batch.sampling_rates[:, 0], rates, rtol=1e-6)


def test_a_model_that_asks_for_fewer_takes_the_first_and_their_share_of_the_draws() -> None:
    state = state_that_knows(definition(num_negatives=2))
    draws = Draws(8, 10, 0, tuple(an_item(1 + n % 2, 5, float(n)) for n in range(8)))
    batch = batch_of(state, [with_draws(4, 0, 3.0, draws)])
    assert batch.pairs is not None and batch.pairs.dense[:, 0].tolist() == [3.0, 0.0, 1.0]
    np.testing.assert_allclose(batch.sampling_rates[:, 0], 2 * np.array([1 / 11, 0.5, 0.5]) * 25 / 7, rtol=1e-6)


def test_an_item_of_before_the_log_is_left_out() -> None:
    draws = Draws(4, 10, 0, (an_item(1, 5, 2.0), an_item(99, 1, 7.0)))
    batch = batch_of(state_that_knows(definition()), [with_draws(4, 0, 3.0, draws)])
    assert batch.pairs is not None and batch.pairs.dense[:, 0].tolist() == [3.0, 2.0]


def test_counters_stay_hidden_where_nobody_logged_negatives() -> None:
    state = state_that_knows(definition())
    logged = Draws(4, 10, 0, (an_item(1, 5, 2.0),))
    batch = batch_of(state, [with_draws(4, 0, 3.0, None), with_draws(5, 2, 9.0, logged)])
    assert batch.pairs is not None
    of_first = batch.user_rows == 0
    assert of_first.sum() > 1 and not batch.pairs.dense[of_first].any()
    assert batch.pairs.dense[~of_first, 0].tolist() == [9.0, 2.0]


def test_a_model_without_counters_learns_as_if_nothing_was_logged() -> None:
    draws = Draws(4, 10, 0, (an_item(1, 5, 2.0),))
    with_logged, without = (
        batch_of(state_that_knows(definition(dense=())), [with_draws(4, 0, 3.0, each)]) for each in (draws, None)
    )
    assert with_logged.item_rows.tolist() == without.item_rows.tolist()
    np.testing.assert_array_equal(with_logged.sampling_rates, without.sampling_rates)


NUM_ITEMS, HOT_FOR = 30, 40


def clicks_of_a_day(num: int) -> list[Event]:
    """One item is in fashion for 40 clicks at a time and gets three in four of them; over the day all are equally popular."""
    rng = np.random.default_rng(3)
    fashions = rng.permutation(np.arange(num // HOT_FOR) % NUM_ITEMS)
    events = []
    for n in range(num):
        item = int(fashions[n // HOT_FOR % len(fashions)] if rng.random() < 0.75 else rng.integers(NUM_ITEMS))
        user = f"u{rng.integers(200)}"
        time_ms = 15_000 * n
        events.append(Event(f"e{n}", "click", EventRole.ACTION, user, f"item-{item}", time_ms, time_ms))
    return events


def examples_of(num_drawn: int, num: int) -> list[Example]:
    document = {
        "events": {"click": {}},
        "num_drawn_negatives": num_drawn,
        "counters": {"clicks": {"keys": ["item.id"], "event_types": ["click"], "windows_s": [600]}},
    }
    joiner = Joiner(JoinerSettings.from_schema(Schema.parse(document)))
    return joiner.process_batch((0, n, event) for n, event in enumerate(clicks_of_a_day(num)))


def learned_from(num_drawn: int, num: int) -> TrainingState:
    state = TrainingState(definition(dense=({**COUNTER, "transform": "log1p"},)))
    examples = examples_of(num_drawn, num)
    for start in range(0, num, 20):
        state.learn(as_logged(examples[start : start + 20], start))
    return state


def auc_of(state: TrainingState, judged: list[Example]) -> float:
    """Of the clicks and, as negatives, the items drawn for them, each with the counters that it had then."""
    rows, labels = [], []
    for example in judged:
        assert example.drawn is not None
        others = [
            replace(example, item_id=each.item_id, counters={"clicks_10m": each.counters[0]})
            for each in example.drawn.items
        ]
        rows += [example, *others]
        labels += [1.0] + [0.0] * len(others)
    columns = columns_from_examples(rows, state.encoder.sources())
    predictor = Predictor(state.definition, state.store, state.architecture)
    found = auc(predictor.scores(state.encoder.encode(columns, len(rows))), np.array(labels, np.float32))
    assert found is not None
    return found


def test_a_counter_is_learned_from_a_log_of_nothing_but_clicks() -> None:
    """What is in fashion now is all there is to know."""
    assert auc_of(learned_from(4, 3_200), examples_of(4, 4_000)[3_200:]) > 0.8
    # Hidden from the drawn negatives, it teaches nothing: its weight stays as it was drawn.
    blind = learned_from(0, 400).architecture.dense_weights()
    begun = TrainingState(definition(dense=({**COUNTER, "transform": "log1p"},))).architecture.dense_weights()
    np.testing.assert_array_equal(blind["first_order/kernel"], begun["first_order/kernel"])
