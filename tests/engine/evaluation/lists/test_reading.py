"""Files of the forms that others have, read into tasks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.errors import InvalidDocument
from engine.evaluation.lists.reading import (
    RatingColumns,
    read_clicks,
    read_lines_of_items,
    read_pairs_with_negatives,
)
from engine.evaluation.lists.task import Clicks, ListTask, leave_last_out, time_split


def _sought(task: ListTask) -> dict[str, set[str]]:
    ids = task.train.item_ids
    return {
        task.train.user_ids[user]: {ids[item] for item in task.items[task.offsets[row] : task.offsets[row + 1]]}
        for row, user in enumerate(task.users)
    }


def _write(folder: Path, **texts: str) -> list[Path]:
    paths = []
    for name, text in texts.items():
        paths.append(folder / name)
        paths[-1].write_text(text)
    return paths


def test_ratings_from_the_threshold_on_are_clicks_in_time_order(tmp_path: Path) -> None:
    (path,) = _write(tmp_path, ratings="7\ta\t5\t30\n7\tb\t3\t10\n8\ta\t4\t20\n")
    clicks = read_clicks(path, RatingColumns(header=("user", "item", "rating", "timestamp")), threshold=4)
    assert [clicks.user_ids[user] for user in clicks.users] == ["8", "7"]
    assert clicks.times_ms is not None
    assert clicks.times_ms.tolist() == [20_000, 30_000]


def test_ratings_without_times_keep_the_order_of_the_file(tmp_path: Path) -> None:
    (path,) = _write(tmp_path, ratings="user,item,rating\nx,a,1\ny,b,0.5\n")
    clicks = read_clicks(path, RatingColumns(time=None), threshold=0.5)
    assert len(clicks) == 2
    assert clicks.times_ms is None


@pytest.mark.parametrize("prefix", ["({0},{1})\t", "{0}\t", ""])
def test_pairs_with_negatives_find_each_users_item_among_its_own(tmp_path: Path, prefix: str) -> None:
    negatives = [
        prefix.format(user, item) + line for user, item, line in (("2", "20", "11\t12"), ("1", "10", "21\t22"))
    ]
    paths = _write(
        tmp_path,
        train="1\t20\t5\t99\n2\t10\t1\t98\n",
        test="2\t20\t3\t1\n1\t10\t3\t1\n",
        negatives="\n".join(negatives),
    )
    task = read_pairs_with_negatives(*paths)
    assert _sought(task) == {"1": {"10"}, "2": {"20"}}
    assert task.negatives is not None
    found = {
        task.train.user_ids[user]: [task.train.item_ids[item] for item in task.negatives[row]]
        for row, user in enumerate(task.users)
    }
    assert found == {"2": ["11", "12"], "1": ["21", "22"]}


def test_negatives_that_do_not_fit_the_test_file_are_refused(tmp_path: Path) -> None:
    paths = _write(tmp_path, train="1\t20\n2\t10\n", test="1\t10\n2\t20\n", negatives="11\t12\n")
    with pytest.raises(InvalidDocument, match="must be as many as in the test file, 2"):
        read_pairs_with_negatives(*paths)
    paths = _write(tmp_path, train="1\t20\n2\t10\n", test="1\t10\n2\t20\n", negatives="11\t12\n13\n")
    with pytest.raises(InvalidDocument, match="as many negatives as every other"):
        read_pairs_with_negatives(*paths)


def test_lines_of_items_give_each_user_several_to_find(tmp_path: Path) -> None:
    paths = _write(tmp_path, train="0 5 6 7\n1 5\n", test="0 8 9\n1\n2 5\n")
    task = read_lines_of_items(*paths)
    assert _sought(task) == {"0": {"8", "9"}, "2": {"5"}}
    assert len(task.train) == 4
    assert task.num_items == 5


def _clicks(rows: list[tuple[int, int]], times: list[int] | None = None) -> Clicks:
    users, items = np.array(rows, np.int32).T
    return Clicks(
        users, items, [f"u{user}" for user in range(users.max() + 1)], [f"i{item}" for item in range(items.max() + 1)],
        None if times is None else np.array(times, np.int64),
    )  # fmt: skip


def test_a_time_split_seeks_what_known_users_had_not_clicked_before() -> None:
    clicks = _clicks([(0, 0), (1, 1), (0, 2), (2, 0), (0, 0), (1, 2)], [1, 2, 3, 4, 5, 6])
    task = time_split(clicks, 0.5)
    # u2 is new, and u0 has clicked i0 before
    assert _sought(task) == {"u1": {"i2"}}
    assert len(task.train) == 3


def test_the_last_click_of_each_user_is_left_out_and_its_negatives_were_never_clicked() -> None:
    rng = np.random.default_rng(0)
    clicks = _clicks(sorted({(int(rng.integers(20)), int(rng.integers(40))) for _ in range(200)}))
    task = leave_last_out(clicks, 10, seed=1)
    assert task.negatives is not None
    clicked = {(int(user), int(item)) for user, item in zip(clicks.users, clicks.items, strict=True)}
    for row, user in enumerate(task.users.tolist()):
        assert not {(user, item) for item in task.negatives[row].tolist()} & clicked
        assert len(set(task.negatives[row].tolist())) == 10
    assert len(task.train) + task.users.size == len(clicks)
    again = leave_last_out(clicks, 10, seed=1)
    assert again.negatives is not None
    assert (again.negatives == task.negatives).all()


def test_a_split_with_nothing_to_find_is_refused() -> None:
    with pytest.raises(InvalidDocument, match="at least one click"):
        leave_last_out(_clicks([(0, 0), (1, 1)]), None, seed=0)
