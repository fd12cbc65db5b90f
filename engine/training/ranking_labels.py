"""What a ranking batch's rows say to each task: labels and where they are known, which rows ask for negatives, which are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.features.encoded import FloatArray
from engine.spec.definition import Task
from engine.spec.example import Example
from engine.spec.task import BinaryLoss, BinaryTask

Flags = npt.NDArray[np.bool_]
RowPairs = npt.NDArray[np.int32]

MAX_PAIRS: Final = 64
"""The most negatives that one positive is compared with: a user's longest list must not outgrow the batch."""


def task_labels(tasks: Sequence[Task], examples: Sequence[Example]) -> tuple[FloatArray, Flags]:
    """float32[n, num_tasks], 0 where unknown, and bool[n, num_tasks]: where the example carries the task's label."""
    values = np.full((len(examples), len(tasks)), np.nan, np.float32)
    for place, task in enumerate(tasks):
        key = task.label()
        values[:, place] = [example.labels.get(key, np.nan) for example in examples]
    known = ~np.isnan(values)
    return np.where(known, values, np.float32(0)), known


def is_ordered(task: Task) -> bool:
    """Whether the task's loss compares a user's rows with each other."""
    return isinstance(task, BinaryTask) and task.loss is not BinaryLoss.BCE


def positives(tasks: Sequence[Task], labels: FloatArray) -> Flags:
    """bool[n, num_tasks]: rows of which the event of a binary task followed."""
    is_binary = np.array([isinstance(task, BinaryTask) for task in tasks])
    flags: Flags = (labels > 0.5) & is_binary
    return flags


def asking(tasks: Sequence[Task], positive: Flags, is_action: Flags) -> Flags:
    """bool[n, num_tasks]: positives for which the trainer draws negatives, `is_action` bool[n] being of those that nobody logged a list of.

    A task that orders a user's items asks for every positive: the negatives of an impression come when its window ends, long after
    the positive, and so in another batch.
    """
    compares = np.array([is_ordered(task) for task in tasks])
    flags: Flags = positive & (is_action[:, np.newaxis] | compares)
    return flags


def user_pairs(users: npt.NDArray[np.int64], positive: Flags, negative: Flags) -> RowPairs:
    """int32[m, 2]: each positive row beside each negative row of its user, at most `MAX_PAIRS` of them, the first by row.

    users int64[p]: equal for rows of one user; positive, negative bool[p].
    """
    negatives = np.flatnonzero(negative)
    negatives = negatives[np.argsort(users[negatives], kind="stable")]
    rows = np.flatnonzero(positive)
    first = np.searchsorted(users[negatives], users[rows], side="left")
    last = np.searchsorted(users[negatives], users[rows], side="right")
    counts = np.minimum(last - first, MAX_PAIRS)
    places = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack([np.repeat(rows, counts), negatives[np.repeat(first, counts) + places]], axis=1).astype(np.int32)


def ordered_pairs(
    tasks: Sequence[Task], labels: FloatArray, known: Flags, users: npt.NDArray[np.int64]
) -> dict[str, RowPairs]:
    """`user_pairs` by the name of each task whose loss compares; arguments of p rows, drawn negatives among them."""
    return {
        task.name: user_pairs(
            users, known[:, place] & (labels[:, place] > 0.5), known[:, place] & (labels[:, place] <= 0.5)
        )
        for place, task in enumerate(tasks)
        if is_ordered(task)
    }


def user_numbers(examples: Sequence[Example]) -> npt.NDArray[np.int64]:
    """int64[n]: the same for examples of one user."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(example.user_id, len(numbers)) for example in examples], np.int64)
