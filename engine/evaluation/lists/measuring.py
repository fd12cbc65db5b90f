"""Metrics of lists: hit rate, recall and NDCG at k, of each user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from engine.evaluation.lists.plan import Metrics, Ranks, Values
from engine.evaluation.lists.recommenders import Recommender, Scores
from engine.evaluation.lists.task import ListTask

_USERS_AT_ONCE: Final = 512


def measure(
    task: ListTask, recommender: Recommender, metrics: Metrics, on_progress: Callable[[int], None] = lambda _: None
) -> Values:
    """The metrics of each of the task's users, float64[m] by name."""
    clicked = task.clicked()
    ranks: list[Ranks] = []
    for start in range(0, task.users.size, _USERS_AT_ONCE):
        users = task.users[start : start + _USERS_AT_ONCE]
        begin, end = task.offsets[start], task.offsets[start + users.size]
        owners = np.repeat(np.arange(users.size), np.diff(task.offsets[start : start + users.size + 1]))
        items = task.items[begin:end].astype(np.int64)
        if task.negatives is not None:
            candidates = np.concatenate([items[:, np.newaxis], task.negatives[start : start + users.size]], axis=1)
            scores = recommender.candidate_scores(users, candidates.astype(np.int32))
            ranks.append(_ranks(scores, np.arange(users.size), np.zeros(users.size, np.int64)))
        else:
            scores = np.array(recommender.scores(users), np.float32)
            own = clicked[users]
            scores[np.repeat(np.arange(users.size), np.diff(own.indptr)), own.indices] = -np.inf
            ranks.append(_all_ranks(scores, owners, items, max(metrics.lengths)))
        on_progress(users.size)
    sizes = np.diff(task.offsets)
    return metrics.of_users(np.concatenate(ranks), np.repeat(np.arange(sizes.size), sizes), sizes)


def _ranks(scores: Scores, rows: Ranks, columns: Ranks) -> Ranks:
    """The place from 0 of each (row, column); equal scores count half of those that tie, rounded up: a constant finds nothing by luck."""
    own = scores[rows, columns][:, np.newaxis]
    ties = (scores[rows] == own).sum(axis=1) - 1
    found: Ranks = (scores[rows] > own).sum(axis=1) + (ties + 1) // 2
    return found


def _all_ranks(scores: Scores, rows: Ranks, columns: Ranks, length: int) -> Ranks:
    """The same where several columns of a row are sought; what is not among the first `length` is of rank `length`.

    Of equal scores the item that is further left goes first, so that a list holds `length` items and not more.
    """
    length = min(length, scores.shape[1])
    top = np.argpartition(-scores, length - 1, axis=1)[:, :length]
    # argpartition settles ties at the edge as it likes; sorting by (score, place) settles the rest.
    order = np.lexsort((top, -np.take_along_axis(scores, top, axis=1)), axis=1)
    top = np.take_along_axis(top, order, axis=1)
    places = np.full(scores.shape, length, np.int64)
    np.put_along_axis(places, top, np.broadcast_to(np.arange(length), top.shape), axis=1)
    found = places[rows, columns]
    return np.where(np.isfinite(scores[rows, columns]), found, length)
