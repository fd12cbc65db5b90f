from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.ranking.reranking.likeness import cosine_likeness, property_likeness
from engine.ranking.reranking.pool import Pool, ValueLists
from engine.ranking.reranking.rerank import rerank
from engine.spec.deployment import DeploymentDocument

Floats = npt.NDArray[Any]


def ordered(scores: Floats, likeness: Floats, k: int, **diversity: Any) -> list[int]:
    document = DeploymentDocument.model_validate({"diversity": diversity})
    rows = np.arange(scores.size, dtype=np.int32)
    pool = Pool(rows, scores.astype(np.float32), likeness=lambda asked: likeness[np.ix_(asked, asked)])
    places: list[int] = rerank(document, pool, k, np.random.default_rng(0)).order.tolist()
    return places


def scaled(scores: Floats) -> Floats:
    span = np.ptp(scores)
    return (scores - scores.min()) / span if span else np.zeros(scores.size)


def plain_mmr(scores: Floats, likeness: Floats, k: int, strength: float) -> list[int]:
    """The definition, in loops."""
    relevance = scaled(scores)
    chosen: list[int] = []
    left = sorted(range(scores.size), key=lambda place: (-scores[place], place))
    while left and len(chosen) < k:

        def value(place: int) -> float:
            nearest = max((float(likeness[place, other]) for other in chosen), default=0.0)
            return (1 - strength) * float(relevance[place]) - strength * nearest

        best = max(left, key=value)
        left.remove(best)
        chosen.append(best)
    return chosen


def plain_dpp(scores: Floats, likeness: Floats, k: int, strength: float) -> list[int]:
    """Determinants of whole submatrices of the kernel."""
    quality = np.exp(scaled(scores) * (1 - strength) / (2 * strength))
    kernel = quality[:, None] * likeness * quality
    left = sorted(range(scores.size), key=lambda place: (-scores[place], place))
    chosen: list[int] = []
    while left and len(chosen) < k:
        best = max(left, key=lambda place: log_determinant(kernel, [*chosen, place]))
        left.remove(best)
        chosen.append(best)
    return chosen


def log_determinant(kernel: Floats, places: list[int]) -> float:
    return float(np.linalg.slogdet(kernel[np.ix_(np.array(places), np.array(places))])[1])


def random_case(seed: int, num: int = 12, dim: int = 16) -> tuple[Floats, Floats]:
    generator = np.random.default_rng(seed)
    scores = np.round(generator.normal(size=num), 3).astype(np.float32)
    return scores, cosine_likeness(generator.normal(size=(num, dim)).astype(np.float32))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("strength", [0.05, 0.3, 0.9])
def test_mmr_is_what_the_definition_says(seed: int, strength: float) -> None:
    scores, likeness = random_case(seed)
    assert ordered(scores, likeness, 8, kind="mmr", strength=strength) == plain_mmr(scores, likeness, 8, strength)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("strength", [0.05, 0.3, 0.9])
def test_dpp_is_the_greedy_growth_of_the_determinant(seed: int, strength: float) -> None:
    scores, likeness = random_case(seed)
    assert ordered(scores, likeness, 8, kind="dpp", strength=strength) == plain_dpp(scores, likeness, 8, strength)


def test_mmr_by_hand() -> None:
    # relevance 1, .8, .5, 0; the second is the first's double. strength .5: .4 - .5 for the double, .25 for the third.
    scores = np.array([10.0, 8.0, 5.0, 0.0])
    likeness = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], np.float32)
    assert ordered(scores, likeness, 4, kind="mmr", strength=0.5) == [0, 2, 3, 1]
    assert ordered(scores, likeness, 4, kind="mmr", strength=0.0) == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", ["mmr", "dpp"])
def test_what_is_not_among_the_best_follows_by_score(kind: str) -> None:
    scores, likeness = random_case(3)
    by_score = np.argsort(-scores, kind="stable").tolist()
    found = ordered(scores, likeness, 12, kind=kind, strength=0.9, among=4)
    assert sorted(found[:4]) == sorted(by_score[:4])
    assert found[4:] == by_score[4:]


def test_dpp_beyond_the_rank_of_the_likeness_goes_by_relevance() -> None:
    scores = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    codes = np.array([0, 0, 0, 1, 1], np.int32)
    assert ordered(scores, property_likeness(codes), 5, kind="dpp", strength=0.5) == [0, 3, 1, 2, 4]


@given(st.integers(0, 10_000), st.sampled_from(["mmr", "dpp"]), st.floats(0.01, 0.99), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_every_item_comes_at_most_once_and_as_many_as_asked(seed: int, kind: str, strength: float, k: int) -> None:
    scores, likeness = random_case(seed, dim=3)
    found = ordered(scores, likeness, k, kind=kind, strength=strength)
    assert len(found) == len(set(found)) == k
    assert scores[found[0]] == scores.max()


def test_likeness_of_vectors_is_their_cosine_and_no_vector_is_like_nothing() -> None:
    found = cosine_likeness(np.array([[2, 0], [1, 1], [0, 0]], np.float32))
    half = 0.5**0.5
    assert found == pytest.approx(np.array([[1, half, 0], [half, 1, 0], [0, 0, 1]]), abs=1e-6)


def test_likeness_of_values_is_equality() -> None:
    found = property_likeness(np.array([3, 3, 4, -1, -1], np.int32))
    expected = np.eye(5)
    expected[0, 1] = expected[1, 0] = 1
    assert found.tolist() == expected.tolist()


def test_likeness_of_lists_is_jaccards() -> None:
    lists = ValueLists(np.array([0, 2, 5, 5, 6]), np.array([1, 2, 2, 1, 9, -1], np.int32))
    found = property_likeness(lists)
    assert found[0, 1] == pytest.approx(2 / 3)
    assert found[2].tolist() == [0, 0, 1, 0]
    assert found[3].tolist() == [0, 0, 0, 1]


def test_lists_of_some_candidates_keep_their_values() -> None:
    lists = ValueLists(np.array([0, 2, 2, 5]), np.array([1, 2, 7, 8, 9], np.int32))
    some = lists.of(np.array([2, 1, 0, 2]))
    assert some.offsets.tolist() == [0, 3, 3, 5, 8]
    assert some.codes.tolist() == [7, 8, 9, 1, 2, 7, 8, 9]
