"""What every `VectorIndex` promises, compared with NumPy over a dictionary."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.errors import EngineError
from engine.retrieval.index.choice import IndexChoice
from engine.retrieval.index.exact import ExactIndex
from engine.retrieval.index.live import LiveIndex
from engine.retrieval.index.protocol import VectorIndex
from engine.retrieval.index.vector_rows import Vectors
from engine.retrieval.source import Found, Mask, Rows

DIM = 4
# All lists are looked through, so that the answers must be the exact ones.
THROUGH_LISTS = IndexChoice(lists_from=1, exact_below=0, few=0, recall=1.0)
BREATHING = IndexChoice(lists_from=40 * DIM, exact_below=20 * DIM, few=10 * DIM, recall=1.0)

MAKERS: dict[str, Callable[[], VectorIndex]] = {
    "exact": lambda: ExactIndex(DIM),
    "lists": lambda: LiveIndex(DIM, THROUGH_LISTS),
    "breathing": lambda: LiveIndex(DIM, BREATHING),
}


class AllowedMask:
    """`Allowed` as a mask; rows beyond it are not."""

    def __init__(self, mask: Mask, *, is_ready: bool = False) -> None:
        self._mask = mask
        self._is_ready = is_ready

    def keep(self, rows: Rows) -> Mask:
        kept = np.zeros(len(rows), np.bool_)
        known = rows < self._mask.size
        kept[known] = self._mask[rows[known]]
        return kept

    def mask(self) -> Mask:
        return self._mask

    def mask_if_ready(self) -> Mask | None:
        return self._mask if self._is_ready else None


def rows_of(*numbers: int) -> Rows:
    return np.array(numbers, np.int32)


def vectors_for(seed: int, num: int, dim: int = DIM) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((num, dim)).astype(np.float32)
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def settled(index: VectorIndex) -> VectorIndex:
    while index.maintain():
        continue
    return index


@pytest.fixture(params=list(MAKERS))
def index(request: pytest.FixtureRequest) -> VectorIndex:
    return MAKERS[request.param]()


def filled(index: VectorIndex, num: int) -> tuple[VectorIndex, Vectors]:
    vectors = vectors_for(1, num)
    index.write(np.arange(num, dtype=np.int32), vectors)
    return settled(index), vectors


def check_found(found: Found, expected: dict[int, float], num: int) -> None:
    """`expected` has every row that may be found."""
    best = sorted(expected.values(), reverse=True)[:num]
    assert found.scores.tolist() == pytest.approx(best, abs=1e-5)
    assert found.rows.dtype == np.int32 and found.scores.dtype == np.float32
    assert len(set(found.rows.tolist())) == len(found)
    for row, score in zip(found.rows.tolist(), found.scores.tolist(), strict=True):
        assert score == pytest.approx(expected[row], abs=1e-5)


def test_the_best_come_first(index: VectorIndex) -> None:
    index, vectors = filled(index, 500)
    user = vectors_for(2, 1)[0]
    expected = dict(enumerate((vectors @ user).tolist()))
    for num in (0, 1, 10, 499, 500, 900):
        check_found(index.search(user, num), expected, num)


def test_only_allowed_rows_are_found_and_as_many_as_there_are(index: VectorIndex) -> None:
    index, vectors = filled(index, 500)
    user = vectors_for(3, 1)[0]
    for share in (0.0, 0.01, 0.2, 0.9, 1.0):
        mask = np.random.default_rng(4).random(500) < share
        expected = {row: float(vectors[row] @ user) for row in np.flatnonzero(mask).tolist()}
        check_found(index.search(user, 30, AllowedMask(mask)), expected, 30)


def test_a_catalogue_that_knows_fewer_or_more_rows_than_the_index_is_no_error(index: VectorIndex) -> None:
    index, vectors = filled(index, 60)
    user = vectors_for(3, 1)[0]
    for size in (0, 30, 90):
        expected = {row: float(vectors[row] @ user) for row in range(min(size, 60))}
        check_found(index.search(user, 50, AllowedMask(np.ones(size, np.bool_))), expected, 50)


def test_of_equal_scores_the_lower_row_comes_first(index: VectorIndex) -> None:
    index.write(np.arange(300, dtype=np.int32), np.tile(vectors_for(5, 1), (300, 1)))
    found = settled(index).search(vectors_for(5, 1)[0], 20)
    # Which of many equals are looked at is the index's affair when it is approximate; their order is not.
    assert found.rows.tolist() == sorted(found.rows.tolist()) and len(found) == 20


def test_removed_row_is_found_no_more_and_has_no_score(index: VectorIndex) -> None:
    index, vectors = filled(index, 200)
    user = vectors[7]
    assert index.search(user, 1).rows.tolist() == [7]
    index.remove(rows_of(7, 7, 1000, -1))
    assert 7 not in index.search(user, 200).rows.tolist()
    assert np.isnan(index.scores_of(user, rows_of(7))).all()
    assert not index.vectors_of(rows_of(7)).any()
    assert index.num_vectors == 199
    index.write(rows_of(7), vectors[7:8])
    assert index.search(user, 1).rows.tolist() == [7]


def test_written_again_a_row_is_found_by_its_new_vector(index: VectorIndex) -> None:
    index, vectors = filled(index, 200)
    index.write(rows_of(3, 150), -vectors[[3, 150]])
    assert index.search(-vectors[3], 1).rows.tolist() == [3]
    assert index.search(-vectors[150], 1).rows.tolist() == [150]
    assert 3 not in index.search(vectors[3], 150).rows.tolist()


def test_scores_and_vectors_of_rows_and_of_those_without(index: VectorIndex) -> None:
    index, vectors = filled(index, 50)
    user = vectors_for(6, 1)[0]
    scores = index.scores_of(user, rows_of(4, -1, 49, 50, 4))
    assert scores[[0, 2, 4]].tolist() == pytest.approx((vectors[[4, 49, 4]] @ user).tolist(), abs=1e-6)
    assert np.isnan(scores[[1, 3]]).all()
    assert index.vectors_of(rows_of(-1, 4, 2**31 - 1)).tolist() == [[0.0] * DIM, vectors[4].tolist(), [0.0] * DIM]


def test_an_empty_index_finds_nothing(index: VectorIndex) -> None:
    user = vectors_for(6, 1)[0]
    assert len(index.search(user, 5)) == len(settled(index).search(user, 5)) == 0
    assert np.isnan(index.scores_of(user, rows_of(0))).all()
    assert index.vectors_of(rows_of(0)).shape == (1, DIM)


@pytest.mark.parametrize(
    ("rows", "vectors", "said"),
    [
        (rows_of(0), np.zeros((1, DIM + 1), np.float32), r"shape \(1, 5\), not \(1, 4\)"),
        (rows_of(-1), np.zeros((1, DIM), np.float32), "from 0 on, received -1"),
        (rows_of(0, 1), np.array([[1, 0, 0, 0], [np.nan, 0, 0, 0]], np.float32), "1 of 2 item vectors are not finite"),
    ],
)
def test_vectors_that_cannot_be_are_refused_and_change_nothing(
    index: VectorIndex, rows: Rows, vectors: Vectors, said: str
) -> None:
    with pytest.raises(EngineError, match=said):
        index.write(rows, vectors)
    assert index.num_vectors == 0 and not len(index.search(np.ones(DIM, np.float32), 5))


def test_a_user_vector_that_is_not_finite_is_refused(index: VectorIndex) -> None:
    index, _ = filled(index, 50)
    with pytest.raises(EngineError, match="user's vector is not finite"):
        index.search(np.full(DIM, np.inf, np.float32), 5)


class Beside(RuleBasedStateMachine):
    """Every kind of index beside a dictionary, whatever is written, removed and maintained in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.indexes = {name: make() for name, make in MAKERS.items()}
        self.oracle: dict[int, Vectors] = {}

    @rule(rows=st.sets(st.integers(0, 120), max_size=60), seed=st.integers(0, 10_000))
    def write(self, rows: set[int], seed: int) -> None:
        vectors = vectors_for(seed, len(rows)) if rows else np.empty((0, DIM), np.float32)
        for index in self.indexes.values():
            index.write(rows_of(*rows), vectors)
        self.oracle.update(zip(rows, vectors, strict=True))

    @rule(rows=st.lists(st.integers(0, 130), max_size=60))
    def remove(self, rows: list[int]) -> None:
        for index in self.indexes.values():
            index.remove(rows_of(*rows))
        for row in rows:
            self.oracle.pop(row, None)

    @rule(num=st.integers(1, 12))
    def maintain(self, num: int) -> None:
        for index in self.indexes.values():
            for _ in range(num):
                index.maintain()

    @precondition(lambda self: self.oracle)
    @rule(num=st.integers(1, 40), seed=st.integers(0, 50), share=st.sampled_from([0.1, 0.6, 1.0]))
    def search(self, num: int, seed: int, share: float) -> None:
        user = vectors_for(seed, 1)[0]
        mask = np.random.default_rng(seed).random(121) < share
        expected = {row: float(vector @ user) for row, vector in self.oracle.items() if mask[row]}
        for name, index in self.indexes.items():
            found = index.search(user, num, None if share == 1.0 else AllowedMask(mask))
            if name == "exact":
                check_found(found, expected, num)
            # Lists were measured with other users: what they answer is right, and as many as there are.
            assert len(found) == min(num, len(expected))
            assert found.scores.tolist() == pytest.approx([expected[row] for row in found.rows.tolist()], abs=1e-5)
            assert np.all(np.diff(found.scores) <= 0) and len(set(found.rows.tolist())) == len(found)

    @invariant()
    def vectors_are_those_written(self) -> None:
        everyone = np.arange(131, dtype=np.int32)
        expected = np.zeros((131, DIM), np.float32)
        for row, vector in self.oracle.items():
            expected[row] = vector
        for index in self.indexes.values():
            assert index.num_vectors == len(self.oracle)
            assert np.array_equal(index.vectors_of(everyone), expected)


TestBeside = Beside.TestCase
TestBeside.settings = settings(deadline=None, max_examples=60, stateful_step_count=25)


@pytest.mark.parametrize("spread", [1e-6, 1e-3, 1.0])
def test_the_best_of_many_that_bytes_cannot_tell_apart_are_the_best(spread: float) -> None:
    random = np.random.default_rng(5)
    items = (1.0 + spread * random.normal(size=(9_000, 8))).astype(np.float32)
    index = ExactIndex(8)
    index.write(np.arange(9_000, dtype=np.int32), items)
    user = random.normal(size=8).astype(np.float32)
    found = index.search(user, 50)
    scores = items.astype(np.float64) @ user.astype(np.float64)
    assert scores[found.rows].tolist() == pytest.approx(np.sort(scores)[::-1][:50].tolist(), abs=1e-6)


@pytest.mark.parametrize("is_ready", [False, True])
@pytest.mark.parametrize(("share", "num"), [(0.5, 50), (0.5, 4_000), (0.01, 200), (1.0, 9_000), (0.0, 5)])
def test_the_best_of_many_that_are_there_and_allowed_are_found_by_rows_and_by_mask(
    share: float, num: int, is_ready: bool
) -> None:
    random = np.random.default_rng(6)
    items = random.normal(size=(9_003, 7)).astype(np.float32)
    items[::3] = items[0]
    index = ExactIndex(7)
    index.write(np.arange(9_003, dtype=np.int32), items)
    index.remove(np.arange(100, 300, dtype=np.int32))
    mask = random.random(9_001) < share
    user = random.normal(size=7).astype(np.float32)
    found = index.search(user, num, AllowedMask(mask, is_ready=is_ready))
    there = np.flatnonzero(mask & ~np.isin(np.arange(9_001), np.arange(100, 300)))
    scores = items[there].astype(np.float64) @ user.astype(np.float64)
    assert mask[found.rows].all() and len(set(found.rows.tolist())) == len(found) == min(num, there.size)
    assert found.scores.tolist() == pytest.approx(np.sort(scores)[::-1][:num].tolist(), abs=1e-5)
    assert found.scores.tolist() == pytest.approx((items[found.rows] @ user).tolist(), abs=1e-5)
    same = np.flatnonzero(np.diff(found.scores) == 0)
    assert np.all(np.diff(found.rows)[same] > 0)
