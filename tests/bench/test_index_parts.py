from __future__ import annotations

import numpy as np
import pytest

from tests.bench import index_peer
from tests.bench.index_contestants import CONTESTANTS
from tests.bench.index_peer import Setting, measure
from tests.bench.index_vectors import WORLDS, moved

INSTALLED = ("exact, NumPy float32", "exact, faiss float16", "lists, faiss float16", "graph, faiss", "Freshet's")
"""Those that need no library that the product does not need."""


@pytest.mark.parametrize("world", list(WORLDS))
def test_vectors_and_users_are_of_unit_length_and_move_a_little(world: str) -> None:
    generator = np.random.default_rng(1)
    made = WORLDS[world](3_000, 16, 20, generator)
    for vectors in made:
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    later = moved(made.items, generator)
    assert 0.98 < float((made.items * later).sum(axis=1).mean()) < 0.999


def test_clustered_items_lie_nearer_to_users_than_uniform_ones() -> None:
    near = {
        name: float((made.items @ made.users.T).max(axis=0).mean())
        for name in WORLDS
        for made in [WORLDS[name](3_000, 16, 50, np.random.default_rng(1))]
    }
    assert near["clustered"] > near["uniform"] + 0.05


@pytest.mark.parametrize("name", INSTALLED)
def test_contestant_finds_what_is_near_and_changes_what_it_can(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_peer, "NUM", 20)
    monkeypatch.setattr(index_peer, "_WRITE_ROWS", 50)
    figures = measure(Setting(name, "clustered", 2_000, 16, 0.01))
    assert figures["recall"] is not None and figures["recall"] > (0.995 if name.startswith("exact") else 0.9)
    assert (figures["write_us"] is None) == (name == "graph, faiss")
    assert (figures["remove_us"] is None) == (name in {"graph, faiss", "exact, faiss float16"})
    assert set(INSTALLED) <= CONTESTANTS.keys()
