from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import EngineError
from engine.retrieval import exact_index
from engine.retrieval.exact_index import ExactIndex

DIM = 3


def vectors_for(numbers: list[int]) -> exact_index.Vectors:
    return np.stack([np.random.default_rng(number).normal(size=DIM) for number in numbers]).astype(np.float32)


edits = st.lists(
    st.tuples(
        st.lists(st.integers(0, 30), max_size=6, unique=True),
        st.lists(st.tuples(st.integers(0, 30), st.integers(0, 1000)), max_size=8, unique_by=lambda pair: pair[0]),
    ),
    max_size=12,
)


@settings(deadline=None)
@given(edits=edits, query=st.integers(0, 5), num_items=st.integers(0, 40))
def test_search_after_any_edits_finds_what_a_plain_dictionary_would(
    edits: list[tuple[list[int], list[tuple[int, int]]]], query: int, num_items: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact_index, "CHUNK_ROWS", 4)
        index = ExactIndex(DIM)
        oracle: dict[str, exact_index.Vectors] = {}
        for removed, written in edits:
            vectors = vectors_for([seed for _, seed in written]) if written else np.empty((0, DIM), np.float32)
            index.apply([f"i{n}" for n in removed], [f"i{n}" for n, _ in written], vectors)
            for number in removed:
                oracle.pop(f"i{number}", None)
            oracle.update({f"i{n}": vector for (n, _), vector in zip(written, vectors, strict=True)})
        asked = vectors_for([query])[0]
        expected = sorted((float(vector @ asked) for vector in oracle.values()), reverse=True)[:num_items]
        found = index.search(asked, num_items)
        assert [score for _, score in found] == pytest.approx(expected, abs=1e-5)
        assert all(score == pytest.approx(float(oracle[item_id] @ asked), abs=1e-5) for item_id, score in found)
        assert len({item_id for item_id, _ in found}) == len(found)
        assert index.num_items == len(oracle)
        everyone = [f"i{n}" for n in range(31)]
        scores = index.scores_of(asked, everyone)
        assert {i for i, score in zip(everyone, scores, strict=True) if score is not None} == set(oracle)


def test_search_spanning_chunks_orders_by_score() -> None:
    index = ExactIndex(1)
    count = exact_index.CHUNK_ROWS * 2 + 5
    values = np.random.default_rng(1).permutation(count).astype(np.float32)
    index.apply([], [str(int(value)) for value in values], values[:, None])
    assert index.search(np.ones(1, np.float32), 4) == [(str(count - n), float(count - n)) for n in (1, 2, 3, 4)]


def test_generation_in_use_is_not_changed_by_an_edit() -> None:
    index = ExactIndex(1)
    index.apply([], ["a", "b"], np.array([[1.0], [2.0]], np.float32))
    before = index._generation
    index.apply(["a"], ["c"], np.array([[9.0]], np.float32))
    assert before.chunks[0].ids[:2].tolist() == ["a", "b"]
    assert before.chunks[0].vectors[:2, 0].tolist() == [1.0, 2.0]


def test_vectors_of_another_shape_are_refused() -> None:
    with pytest.raises(EngineError, match=r"shape \(1, 2\), not \(1, 3\)"):
        ExactIndex(3).apply([], ["a"], np.zeros((1, 2), np.float32))


def test_empty_index_finds_nothing() -> None:
    assert ExactIndex(2).search(np.ones(2, np.float32), 5) == []
