"""What is learned from, and what is to be found: clicks of users on items, split in two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from engine.errors import InvalidDocument, Problem

Codes = npt.NDArray[np.int32]
Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Clicks:
    """n clicks: `users`, `items` int32[n] are places in `user_ids`, `item_ids`; `times_ms` int64[n] ascending, where there are times."""

    users: Codes
    items: Codes
    user_ids: list[str]
    item_ids: list[str]
    times_ms: Times | None = None

    def __len__(self) -> int:
        return self.users.size

    def part(self, chosen: npt.NDArray[np.bool_]) -> Clicks:
        times_ms = None if self.times_ms is None else self.times_ms[chosen]
        return Clicks(self.users[chosen], self.items[chosen], self.user_ids, self.item_ids, times_ms)


@dataclass(frozen=True, slots=True)
class ListTask:
    """`train` to learn from; user `users[i]` is to find `items[offsets[i]:offsets[i + 1]]`, of all items but those of its training clicks,
    or, with `negatives` int32[m, c], of these and its own item."""

    train: Clicks
    users: Codes
    offsets: npt.NDArray[np.int64]
    items: Codes
    negatives: Codes | None = None

    @property
    def num_items(self) -> int:
        return len(self.train.item_ids)

    @property
    def num_users(self) -> int:
        return len(self.train.user_ids)

    def clicked(self) -> sp.csr_matrix:
        """float32[num_users, num_items]: 1 for each training click, however often it was repeated."""
        ones = np.ones(len(self.train), np.float32)
        matrix = sp.csr_matrix((ones, (self.train.users, self.train.items)), shape=(self.num_users, self.num_items))
        matrix.sum_duplicates()
        matrix.data[:] = 1.0
        return matrix


def task_of(train: Clicks, users: Codes, items: Codes, negatives: Codes | None = None) -> ListTask:
    """A task of test clicks int32[n], once for each (user, item), users ascending; `negatives` has a row for each user in their order.

    Raises `InvalidDocument` when nothing is left to learn from or to find.
    """
    for name, array in (("train", train.users), ("test", users)):
        if not array.size:
            raise InvalidDocument("split", [Problem(name, "must hold at least one click", "none")])
    pairs = np.unique(users.astype(np.int64) * len(train.item_ids) + items)
    owners = pairs // len(train.item_ids)
    distinct, starts = np.unique(owners, return_index=True)
    offsets = np.r_[starts, pairs.size].astype(np.int64)
    return ListTask(
        train, distinct.astype(np.int32), offsets, (pairs % len(train.item_ids)).astype(np.int32), negatives
    )


def time_split(clicks: Clicks, test_share: float) -> ListTask:
    """The last `test_share` of the clicks in time are to be found, but for what their user had clicked before.

    Raises `InvalidDocument` for clicks without times.
    """
    if clicks.times_ms is None:
        raise InvalidDocument("split", [Problem("time", "is needed to split by time", "no times")])
    cut = int(len(clicks) * (1 - test_share))
    is_train = np.arange(len(clicks)) < cut
    train = clicks.part(is_train)
    known = np.unique(train.users.astype(np.int64) * len(clicks.item_ids) + train.items)
    test = clicks.part(~is_train)
    is_new = ~np.isin(test.users.astype(np.int64) * len(clicks.item_ids) + test.items, known)
    # A user never seen before is no test of what is known of users; the replay protocol is.
    is_known = np.isin(test.users, train.users)
    return task_of(train, test.users[is_new & is_known], test.items[is_new & is_known])


def leave_last_out(clicks: Clicks, num_negatives: int | None, seed: int) -> ListTask:
    """Each user's last click is to be found (in time, or in order where there are no times), by users with at least two.

    With `num_negatives` among so many items that the user never clicked, drawn by `seed`; otherwise among all.
    """
    places = np.arange(len(clicks))
    last = np.full(len(clicks.user_ids), -1, np.int64)
    last[clicks.users] = places
    counts = np.bincount(clicks.users, minlength=len(clicks.user_ids))
    tested = np.flatnonzero(counts >= 2)
    is_test = np.zeros(len(clicks), np.bool_)
    is_test[last[tested]] = True
    train = clicks.part(~is_test)
    users, items = clicks.users[is_test], clicks.items[is_test]
    repeated = np.isin(
        users.astype(np.int64) * len(clicks.item_ids) + items,
        train.users.astype(np.int64) * len(clicks.item_ids) + train.items,
    )
    users, items = users[~repeated], items[~repeated]
    order = np.argsort(users, kind="stable")
    users, items = users[order], items[order]
    negatives = None if num_negatives is None else _drawn(clicks, users, num_negatives, seed)
    return task_of(train, users, items, negatives)


def _drawn(clicks: Clicks, users: Codes, num: int, seed: int) -> Codes:
    """int32[m, num]: distinct items that the user has no click on; with fewer of them, repeats."""
    rng = np.random.default_rng(seed)
    by_user = np.argsort(clicks.users, kind="stable")
    ends = np.searchsorted(clicks.users[by_user], np.arange(len(clicks.user_ids) + 1))
    drawn = np.empty((users.size, num), np.int32)
    everything = np.arange(len(clicks.item_ids), dtype=np.int32)
    for row, user in enumerate(users.tolist()):
        own = clicks.items[by_user[ends[user] : ends[user + 1]]]
        others = np.setdiff1d(everything, own)
        if not others.size:
            raise InvalidDocument("split", [Problem("negatives", "need an item the user never clicked", str(user))])
        drawn[row] = rng.choice(others, num, replace=others.size < num)
    return drawn
