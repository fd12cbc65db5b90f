"""What is drawn, and that the logged chance of it is the true one."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from engine.ranking.reranking.normal import normal_cdf
from engine.ranking.reranking.pool import Pool, Reranked
from engine.ranking.reranking.rerank import rerank
from engine.ranking.reranking.thompson_chances import NEVER, order_chances
from engine.spec.deployment import DeploymentDocument


def document(**parts: Any) -> DeploymentDocument:
    return DeploymentDocument.model_validate(parts)


def pool_of(*scores: float, **columns: Any) -> Pool:
    return Pool(np.arange(len(scores), dtype=np.int32), np.array(scores, np.float32), **columns)


def draws(asked: DeploymentDocument, pool: Pool, k: int, num: int, seed: int = 1) -> list[Reranked]:
    generator = np.random.default_rng(seed)
    return [rerank(asked, pool, k, generator) for _ in range(num)]


def chance_of_list(reply: Reranked) -> float:
    chances: list[float] = reply.propensities.tolist()
    return math.prod(chances)


def assert_lists_come_as_often_as_they_say(replies: list[Reranked], *, complete: bool = True) -> None:
    """Each list has one chance wherever it comes, and comes about as often; the chances of all lists add up to 1."""
    counts = Counter(tuple(reply.order.tolist()) for reply in replies)
    chances = {tuple(reply.order.tolist()): chance_of_list(reply) for reply in replies}
    for order, chance in chances.items():
        error = math.sqrt(max(chance * (1 - chance), 1e-9) / len(replies))
        assert abs(counts[order] / len(replies) - chance) < 4.5 * error + 0.003, (order, chance)
    if complete:
        assert sum(chances.values()) == pytest.approx(1.0, abs=0.02)


def test_epsilon_lists_come_as_often_as_their_propensities_say() -> None:
    rule = document(exploration={"kind": "epsilon", "epsilon": 0.6, "among": 3})
    replies = draws(rule, pool_of(0.9, 0.5, 0.7, 0.1), 2, 6000)
    assert_lists_come_as_often_as_they_say(replies)
    # place 1: best .4 + .6 / 3, another of the window .6 / 3; the fourth cannot come first.
    assert {reply.order[0] for reply in replies} == {0, 1, 2}
    first = {int(reply.order[0]): float(reply.propensities[0]) for reply in replies}
    assert first == pytest.approx({0: 0.6, 1: 0.2, 2: 0.2})


def test_epsilon_under_a_cap_draws_from_what_is_left() -> None:
    rule = document(
        exploration={"kind": "epsilon", "epsilon": 0.5, "among": 10}, caps=[{"property": "a", "max_items": 1}]
    )
    replies = draws(rule, pool_of(0.9, 0.5, 0.7, 0.1, caps=[np.array([0, 0, 1, 1], np.int32)]), 2, 6000)
    assert_lists_come_as_often_as_they_say(replies)
    assert all({int(place) // 2 for place in reply.order} == {0, 1} for reply in replies)


def test_epsilon_with_diversity_mixes_the_diverse_choice_with_the_draw() -> None:
    likeness = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], np.float32)
    pool = pool_of(0.9, 0.8, 0.1, likeness=lambda rows: likeness[np.ix_(rows, rows)])
    rule = document(exploration={"kind": "epsilon", "epsilon": 0.3}, diversity={"kind": "mmr", "strength": 0.9})
    replies = draws(rule, pool, 2, 6000)
    assert_lists_come_as_often_as_they_say(replies)
    usual = next(reply for reply in replies if reply.order.tolist() == [0, 2])
    assert usual.propensities.tolist() == pytest.approx([0.8, 0.85])


def test_thompson_lists_come_as_often_as_their_propensities_say() -> None:
    rule = document(exploration={"kind": "thompson", "scale": 0.5, "prior_impressions": 10.0})
    shown = np.array([0.0, 0.0, 30.0, 1e6])
    replies = draws(rule, pool_of(1.0, 0.8, 1.1, 0.9, impressions=shown), 3, 8000)
    assert_lists_come_as_often_as_they_say(replies)
    assert all(np.all(np.diff(reply.scores) <= 0) for reply in replies)


def test_thompson_under_a_cap_counts_what_the_cap_took_out_of_play() -> None:
    rule = document(exploration={"kind": "thompson", "scale": 0.6}, caps=[{"property": "a", "max_items": 1}])
    caps = [np.array([0, 0, 1, 1, -1], np.int32)]
    replies = draws(rule, pool_of(1.0, 0.9, 0.8, 1.1, 0.7, caps=caps), 3, 8000)
    assert_lists_come_as_often_as_they_say(replies)


def test_thompson_leaves_alone_what_is_not_among_the_best_and_what_has_no_spread() -> None:
    rule = document(exploration={"kind": "thompson", "among": 2, "scale": 2.0})
    for reply in draws(rule, pool_of(0.9, 0.8, 0.7, 0.6), 4, 50):
        assert reply.order.tolist()[2:] == [2, 3]
        assert reply.propensities.tolist()[2:] == [1, 1]
        assert reply.scores.tolist()[2:] == pytest.approx([0.7, 0.6])
    (reply,) = draws(rule, pool_of(0.0, 0.0), 2, 1)
    assert (reply.order.tolist(), reply.propensities.tolist()) == ([0, 1], [1, 1])


def test_chances_of_thompson_are_those_of_many_draws() -> None:
    generator = np.random.default_rng(5)
    means, spreads = generator.uniform(0.5, 1.0, 20), generator.uniform(0.002, 0.3, 20)
    orders = np.argsort(-(means + spreads * generator.standard_normal((400_000, 20))), axis=1)
    first = np.bincount(orders[:, 0], minlength=20) / len(orders)
    never = np.full(20, NEVER)
    for item in np.flatnonzero(first > 0.01).tolist():
        found = order_chances(means, spreads, np.array([item]), never)[0]
        assert found == pytest.approx(first[item], rel=0.03)
    # two places: of all with the most usual first item, how often each second
    best = int(first.argmax())
    second = np.bincount(orders[orders[:, 0] == best, 1], minlength=20) / (orders[:, 0] == best).sum()
    for item in np.flatnonzero(second > 0.02).tolist():
        found = order_chances(means, spreads, np.array([best, item]), never)[1]
        assert found == pytest.approx(second[item], rel=0.05)


def test_chances_of_all_orders_add_up_to_one() -> None:
    means, spreads = np.array([1.0, 0.9, 0.7]), np.array([0.3, 0.1, 0.5])
    never = np.full(3, NEVER)
    total = sum(
        math.prod(order_chances(means, spreads, np.array(order), never)) for order in itertools.permutations(range(3))
    )
    assert total == pytest.approx(1.0, abs=0.01)


def test_upper_confidence_raises_what_was_seldom_shown_by_its_formula() -> None:
    rule = document(exploration={"kind": "ucb", "scale": 0.5})
    pool = pool_of(1.0, 0.9, -0.5, impressions=np.array([1000.0, 0.0, 3.0]), num_impressions=1003.0)
    reply = rerank(rule, pool, 3, np.random.default_rng(0))
    growth = math.log(1004.0)
    raised = [
        1.0 * (1 + 0.5 * math.sqrt(growth / 1001)),
        0.9 * (1 + 0.5 * math.sqrt(growth)),
        -0.5 / (1 + 0.5 * math.sqrt(growth / 4)),
    ]
    assert reply.order.tolist() == [1, 0, 2]
    assert reply.scores.tolist() == pytest.approx([raised[1], raised[0], raised[2]], rel=1e-6)
    assert reply.propensities.tolist() == [1, 1, 1]


def test_normal_distribution_is_that_of_the_library() -> None:
    values = np.linspace(-6, 6, 241)
    exact = [0.5 * math.erfc(-value / math.sqrt(2)) for value in values.tolist()]
    assert np.abs(normal_cdf(values) - exact).max() < 7.5e-8
