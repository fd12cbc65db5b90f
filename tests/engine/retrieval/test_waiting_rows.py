from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.retrieval.item_rows import Rows
from engine.retrieval.waiting_rows import WaitingRows


def rows(*numbers: int) -> Rows:
    return np.array(numbers, np.int32)


def test_urgent_rows_come_first_and_stay_urgent() -> None:
    waiting = WaitingRows()
    waiting.add(rows(1, 2, 3))
    waiting.add_urgent(rows(9, 2))
    waiting.add(rows(9))
    assert waiting.num_urgent == 2
    assert waiting.first(3).tolist() == [2, 9, 1]
    assert len(waiting) == 4


def test_rows_that_come_back_do_not_keep_others_from_their_turn() -> None:
    waiting = WaitingRows()
    waiting.add(np.arange(10, dtype=np.int32))
    seen: set[int] = set()
    for _ in range(4):
        taken = waiting.first(3)
        waiting.remove(taken)
        seen.update(taken.tolist())
        waiting.add(rows(0, 1, 2))
    assert seen == set(range(10))


def test_asking_takes_nothing_away() -> None:
    waiting = WaitingRows()
    waiting.add_urgent(rows(4))
    assert waiting.first(5).tolist() == waiting.first(5).tolist() == [4]
    assert waiting.of(rows(3, 4, 5000)).tolist() == [False, True, False]
    waiting.remove(rows(4, 99_999))
    assert waiting.first(5).size == len(waiting) == 0


changes = st.lists(st.tuples(st.sampled_from(["add", "urgent", "remove"]), st.sets(st.integers(0, 3000), max_size=9)))


@given(changes=changes, num=st.integers(0, 30))
def test_after_any_changes_what_waits_is_what_a_dictionary_says(changes: list[tuple[str, set[int]]], num: int) -> None:
    waiting, oracle = WaitingRows(), dict[int, bool]()
    for kind, numbers in changes:
        if kind == "remove":
            waiting.remove(rows(*numbers))
            for number in numbers:
                oracle.pop(number, None)
        else:
            (waiting.add_urgent if kind == "urgent" else waiting.add)(rows(*numbers))
            oracle |= {number: kind == "urgent" or oracle.get(number, False) for number in numbers}
    taken = waiting.first(num).tolist()
    assert len(waiting) == len(oracle) and waiting.num_urgent == sum(oracle.values())
    assert len(set(taken)) == len(taken) == min(num, len(oracle))
    assert [oracle[number] for number in taken] == sorted((oracle[number] for number in taken), reverse=True)
    assert sum(oracle[number] for number in taken) == min(num, sum(oracle.values()))
