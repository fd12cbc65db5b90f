"""What holds of every answer, whatever the document asks for."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.ranking.reranking.likeness import cosine_likeness
from engine.ranking.reranking.order import best_places
from engine.ranking.reranking.pool import Pool, ValueLists
from engine.ranking.reranking.rerank import rerank
from engine.ranking.reranking.trace import Trace
from engine.spec.deployment import DeploymentDocument

GENERATOR = np.random.default_rng(11)


def document(**parts: Any) -> DeploymentDocument:
    return DeploymentDocument.model_validate(parts)


def pool_of(*scores: float, **columns: Any) -> Pool:
    return Pool(np.arange(len(scores), dtype=np.int32), np.array(scores, np.float32), **columns)


def mask(*values: int) -> Any:
    return np.array(values, np.bool_)


def order(asked: DeploymentDocument, pool: Pool, k: int) -> list[int]:
    places: list[int] = rerank(asked, pool, k, GENERATOR).order.tolist()
    return places


def test_best_come_first_and_of_equals_the_earlier() -> None:
    reply = rerank(document(), pool_of(0.5, 0.9, 0.5, 0.9, 0.1), 4, GENERATOR)
    assert reply.order.tolist() == [1, 3, 0, 2]
    assert reply.scores.tolist() == pytest.approx([0.9, 0.9, 0.5, 0.5])
    assert (reply.propensities.tolist(), reply.promotions) == ([1] * 4, [None] * 4)


def test_empty_pool_gives_an_empty_answer() -> None:
    everything = document(
        exploration={"kind": "thompson"}, diversity={"kind": "dpp"}, caps=[{"property": "a", "max_items": 1}]
    )
    for asked, columns in ((document(), {}), (everything, {"caps": [np.empty(0, np.int32)], "likeness": np.eye})):
        assert rerank(asked, pool_of(**columns), 5, GENERATOR).order.size == 0


@given(st.lists(st.integers(-3, 3), max_size=60), st.integers(0, 70))
def test_best_places_are_those_of_a_stable_sort(scores: list[int], num: int) -> None:
    values = np.array(scores, np.float32)
    assert best_places(values, num).tolist() == np.argsort(-values, kind="stable")[:num].tolist()


def test_promotions_stand_in_their_slots_best_first_and_only_once() -> None:
    asked = document(
        promotions=[
            {"name": "house", "when": "item.own", "slots": [3, 1]},
            {"name": "late", "items": ["x"], "slots": [1, 4, 9]},
        ]
    )
    pool = pool_of(0.9, 0.1, 0.2, 0.8, 0.7, promotions=[mask(0, 1, 1, 0, 0), mask(1, 0, 1, 0, 0)])
    reply = rerank(asked, pool, 5, GENERATOR)
    # house has two slots: 2 (.2) comes first, then 1; late finds slot 1 and item 2 taken, and slot 9 is beyond the answer.
    assert reply.order.tolist() == [2, 3, 1, 0, 4]
    assert reply.promotions == ["house", None, "house", "late", None]
    assert reply.scores.tolist() == pytest.approx([0.2, 0.8, 0.1, 0.9, 0.7])


def test_promotion_into_a_place_beyond_a_short_answer_comes_last() -> None:
    asked = document(promotions=[{"name": "p", "when": "item.own", "slots": [8]}])
    reply = rerank(asked, pool_of(0.9, 0.1, 0.5, promotions=[mask(0, 1, 0)]), 10, GENERATOR)
    assert (reply.order.tolist(), reply.promotions) == ([0, 2, 1], [None, None, "p"])


def test_caps_count_promoted_items_and_no_promotion_breaks_one() -> None:
    asked = document(
        caps=[{"property": "brand", "max_items": 1}], promotions=[{"name": "p", "when": "item.own", "slots": [1, 2]}]
    )
    brands = np.array([7, 7, 7, 8, -1, -1], np.int32)
    pool = pool_of(0.9, 0.8, 0.7, 0.6, 0.5, 0.4, caps=[brands], promotions=[mask(0, 1, 1, 0, 0, 0)])
    reply = rerank(asked, pool, 6, GENERATOR)
    # the second slot goes to what is left: no value is no reason to leave out
    assert reply.order.tolist() == [1, 3, 4, 5]
    assert reply.promotions == ["p", None, None, None]


def test_caps_by_a_list_property_hold_for_each_of_its_values() -> None:
    asked = document(caps=[{"property": "topics", "max_items": 1}])
    topics = ValueLists(np.array([0, 2, 3, 4, 4]), np.array([1, 2, 2, 3], np.int32))
    assert order(asked, pool_of(0.9, 0.8, 0.7, 0.6, caps=[topics]), 4) == [0, 2, 3]


def test_diversity_keeps_away_from_what_is_promoted() -> None:
    asked = document(
        diversity={"kind": "mmr", "strength": 0.8}, promotions=[{"name": "p", "when": "item.own", "slots": [1]}]
    )
    likeness = np.array([[1, 0, 0.9], [0, 1, 0], [0.9, 0, 1]], np.float32)
    pool = pool_of(0.9, 0.2, 0.1, likeness=lambda rows: likeness[np.ix_(rows, rows)], promotions=[mask(0, 0, 1)])
    assert order(asked, pool, 3) == [2, 1, 0]


def test_diversity_without_anything_to_compare_by_is_passed_over() -> None:
    assert order(document(diversity={"kind": "mmr", "strength": 1.0}), pool_of(0.1, 0.9, 0.5), 3) == [1, 2, 0]


def test_trace_says_what_each_stage_did() -> None:
    asked = document(
        seen={"policy": "demote"},
        boosts=[{"when": "item.a", "multiply": 2.0}],
        caps=[{"property": "brand", "max_items": 1}],
        promotions=[{"name": "p", "items": ["x"], "slots": [2]}],
    )
    pool = pool_of(
        *(0.9, 0.8, 0.7, 0.6),
        seen=mask(1, 0, 0, 0),
        boosts=[mask(0, 1, 0, 0)],
        caps=[np.array([1, 1, 2, 3], np.int32)],
        promotions=[mask(0, 0, 0, 1)],
    )
    trace = Trace()
    assert rerank(asked, pool, 4, GENERATOR, trace).order.tolist() == [1, 3, 2]
    assert [(note.stage, note.place) for note in trace.notes] == [
        ("seen", 0),
        ("boosts", 1),
        ("promotions", 3),
        ("caps", 0),
    ]
    assert {stage: values[1] for stage, values in trace.scores.items()} == pytest.approx(
        {"score": 0.8, "seen": 0.8, "boosts": 1.6}
    )


DIVERSITIES = [{"kind": "none"}, {"kind": "mmr", "among": 5}, {"kind": "dpp", "among": 50}]
EXPLORATIONS = [
    {"kind": "none"},
    {"kind": "epsilon", "epsilon": 0.5, "among": 4},
    {"kind": "thompson", "scale": 1.0, "among": 6},
    {"kind": "ucb"},
]


@given(
    seed=st.integers(0, 2**32),
    num=st.integers(0, 40),
    k=st.integers(1, 45),
    diversity=st.sampled_from(DIVERSITIES),
    exploration=st.sampled_from(EXPLORATIONS),
    max_items=st.none() | st.integers(1, 4),
    slots=st.lists(st.integers(1, 30), unique=True, max_size=4),
)
@settings(max_examples=300, deadline=None)
def test_answer_keeps_its_promises(
    seed: int, num: int, k: int, diversity: Any, exploration: Any, max_items: int | None, slots: list[int]
) -> None:
    generator = np.random.default_rng(seed)
    codes = generator.integers(-1, 5, num).astype(np.int32)
    vectors = generator.normal(size=(num, 4)).astype(np.float32)
    caps = [] if max_items is None else [{"property": "a", "max_items": max_items}]
    promotions = [{"name": "p", "when": "item.x", "slots": slots}] if slots else []
    asked = document(diversity=diversity, exploration=exploration, caps=caps, promotions=promotions)
    is_promoted = generator.random(num) < 0.2
    pool = Pool(
        np.arange(num, dtype=np.int32),
        np.round(generator.normal(size=num), 1).astype(np.float32),
        caps=[codes] if caps else [],
        promotions=[is_promoted] if slots else [],
        likeness=lambda rows: cosine_likeness(vectors[rows]),
        impressions=generator.integers(0, 100, num).astype(np.float64),
        num_impressions=500.0,
    )
    reply = rerank(asked, pool, k, generator)
    places = reply.order.tolist()
    assert len(set(places)) == len(places) <= k
    allowed = num
    if max_items is not None:
        shared = Counter(code for code in codes[places].tolist() if code >= 0)
        assert max(shared.values(), default=0) <= max_items
        counts = Counter(code for code in codes.tolist() if code >= 0)
        allowed = int((codes < 0).sum()) + sum(min(count, max_items) for count in counts.values())
    assert len(places) == min(k, allowed)
    for slot, name in enumerate(reply.promotions, 1):
        if name is not None:
            assert is_promoted[places[slot - 1]]
            assert slot in slots or slot > len(places) - len(slots)
    assert ((reply.propensities > 0) & (reply.propensities <= 1)).all()
    assert np.isfinite(reply.scores).all()
    if exploration["kind"] in {"none", "ucb"}:
        assert rerank(asked, pool, k, np.random.default_rng()).order.tolist() == places
        assert (reply.propensities == 1).all()
