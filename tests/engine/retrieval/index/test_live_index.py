"""When lists come and go, and what searches meet meanwhile."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from engine.retrieval.index.choice import IndexChoice
from engine.retrieval.index.exact import search_all
from engine.retrieval.index.live import LiveIndex
from engine.retrieval.index.vector_rows import Vectors
from engine.retrieval.source import Found, Mask, Rows
from tests.bench.index_vectors import clustered, moved, unit

DIM = 16
CHOICE = IndexChoice(lists_from=2_000 * DIM, exact_below=1_000 * DIM, few=300 * DIM)


class Only:
    """`Allowed`: these rows."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask

    def keep(self, rows: Rows) -> Mask:
        kept: Mask = self._mask[rows]
        return kept

    def mask(self) -> Mask:
        return self._mask

    def mask_if_ready(self) -> Mask | None:
        return None


def settle(index: LiveIndex) -> int:
    num_pieces = 0
    while index.maintain():
        num_pieces += 1
    return num_pieces


def rows_from(start: int, stop: int) -> Rows:
    return np.arange(start, stop, dtype=np.int32)


def recall(index: LiveIndex, users: Vectors, num: int, allowed: Only | None = None) -> float:
    def share(user: Vectors) -> float:
        exact = search_all(index.view(), user, num, allowed)
        return float(np.isin(exact.rows, index.search(user, num, allowed).rows).mean())

    return float(np.mean([share(user) for user in users]))


def test_lists_are_made_when_the_index_has_grown_and_let_go_only_when_it_has_shrunk_well_below() -> None:
    world = clustered(2_000, DIM, 1, np.random.default_rng(1))
    index = LiveIndex(DIM, CHOICE)
    index.write(rows_from(0, 1_999), world.items[:1_999])
    assert settle(index) == 0 and index.num_lists == 0
    index.write(rows_from(1_999, 2_000), world.items[1_999:])
    assert settle(index) > 8 and index.num_lists == 32
    index.remove(rows_from(0, 900))
    assert settle(index) == 0 and index.num_lists == 32
    index.remove(rows_from(900, 1_001))
    assert settle(index) == 0 and index.num_lists == 0
    index.write(rows_from(0, 900), world.items[:900])
    assert settle(index) == 0 and index.num_lists == 0


def test_searches_go_on_while_lists_are_made_and_what_is_written_meanwhile_is_in_them() -> None:
    world = clustered(3_000, DIM, 20, np.random.default_rng(2))
    index = LiveIndex(DIM, CHOICE)
    index.write(rows_from(0, 2_900), world.items[:2_900])
    generator = np.random.default_rng(3)
    written = 2_900
    while index.num_lists == 0:
        index.maintain()
        if written < 3_000:
            index.write(rows_from(written, written + 10), world.items[written : written + 10])
            written += 10
        rows = generator.choice(written, 50, replace=False).astype(np.int32)
        index.write(rows, moved(index.vectors_of(rows), generator))
        index.remove(rows[:2])
        user = world.users[0]
        assert index.search(user, 10).scores.tolist() == pytest.approx(
            search_all(index.view(), user, 10, None).scores.tolist(), abs=1e-5
        )
    assert recall(index, world.users, 50) > 0.9
    # Of every row its own vector finds it: nothing was left out of the lists.
    present = np.flatnonzero(index.view().present)
    assert all(index.search(index.vectors_of(rows_from(row, row + 1))[0], 1).rows[0] == row for row in present[::37])


def test_what_is_found_through_lists_is_nearly_what_an_exact_search_finds() -> None:
    world = clustered(20_000, DIM, 100, np.random.default_rng(4))
    index = LiveIndex(DIM, CHOICE)
    index.write(rows_from(0, 20_000), world.items)
    for user in world.users[50:]:
        index.search(user, 200)
    settle(index)
    assert index.num_probes < index.num_lists
    assert recall(index, world.users[:50], 200) > 0.95
    for share in (0.7, 0.3, 0.05, 0.01):
        mask = np.random.default_rng(5).random(20_000) < share
        assert recall(index, world.users[:50], 200, Only(mask)) > 0.93


def test_lists_are_made_anew_when_the_index_has_doubled() -> None:
    world = clustered(8_000, DIM, 1, np.random.default_rng(6))
    index = LiveIndex(DIM, CHOICE)
    index.write(rows_from(0, 2_000), world.items[:2_000])
    settle(index)
    assert index.num_lists == 32
    index.write(rows_from(2_000, 3_900), world.items[2_000:3_900])
    settle(index)
    assert index.num_lists == 32
    index.write(rows_from(3_900, 8_000), world.items[3_900:])
    settle(index)
    assert index.num_lists == 64


def test_vectors_that_have_all_moved_elsewhere_are_found_as_well_as_before() -> None:
    generator = np.random.default_rng(7)
    before, after = clustered(6_000, DIM, 1, generator), clustered(6_000, DIM, 120, generator)
    index = LiveIndex(DIM, CHOICE)
    index.write(rows_from(0, 6_000), before.items)
    settle(index)
    for start in range(0, 6_000, 500):
        index.write(rows_from(start, start + 500), after.items[start : start + 500])
        index.maintain()
    for user in after.users[:60]:
        index.search(user, 10)
    settle(index)
    assert recall(index, after.users[60:], 100) > 0.95


def test_users_near_to_nothing_that_is_allowed_get_as_many_as_there_are() -> None:
    world = clustered(5_000, DIM, 5, np.random.default_rng(8))
    index = LiveIndex(DIM, CHOICE)
    index.write(rows_from(0, 5_000), world.items)
    settle(index)
    for user in world.users:
        far = np.argsort(world.items @ user)[:1_500]
        mask = np.zeros(5_000, np.bool_)
        mask[far] = True
        found = index.search(user, 400, Only(mask))
        assert len(found) == 400 and mask[found.rows].all()


def test_memory_is_that_of_vectors_and_lists() -> None:
    world = clustered(4_000, DIM, 1, np.random.default_rng(9))
    index = LiveIndex(DIM, CHOICE)
    index.write(rows_from(0, 4_000), world.items)
    without = index.memory_bytes
    assert without == 4_000 * (4 * DIM + 1 + DIM + 4)  # floats, presence, bytes, scales
    settle(index)
    assert 4_000 * (2 * DIM + 16) < index.memory_bytes - without < 4_000 * (2 * DIM + 16) + 100_000


def test_readers_beside_a_writer_always_get_a_whole_answer() -> None:
    """Rows of even number never change, and one of them is what the readers ask for: however much the others move, come and go and the
    lists are made, it is found, and nothing that was never written."""
    num_rows, dim = 3_000, 8
    generator = np.random.default_rng(10)
    items = unit(generator.standard_normal((num_rows, dim)))
    index = LiveIndex(dim, IndexChoice(lists_from=1_000 * dim, exact_below=500 * dim, few=100 * dim))
    index.write(rows_from(0, num_rows), items)
    odd = rows_from(0, num_rows)[1::2]
    problems: list[object] = []
    is_over = threading.Event()

    def read(row: int) -> None:
        while not is_over.is_set():
            try:
                found = index.search(items[row], 50)
                problems.extend(_wrong(found, row, num_rows))
            except Exception as error:
                problems.append(error)
                return

    readers = [threading.Thread(target=read, args=(row,)) for row in (2, 1_000, 2_222)]
    for reader in readers:
        reader.start()
    for turn in range(60):
        rows = generator.choice(odd, 300, replace=False)
        index.remove(rows[:100])
        index.write(rows, moved(items[rows], generator))
        if turn % 20 == 10:
            index.remove(odd)
        index.maintain()
    settle(index)
    is_over.set()
    for reader in readers:
        reader.join()
    assert problems == []


def _wrong(found: Found, row: int, num_rows: int) -> list[object]:
    rows = found.rows.tolist()
    problems: list[object] = []
    if row not in rows or len(set(rows)) != len(rows) or not all(0 <= each < num_rows for each in rows):
        problems.append(rows)
    if np.any(np.diff(found.scores) > 0):
        problems.append(found.scores)
    return problems
