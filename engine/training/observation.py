"""What the metrics are told of a step: whose each score is, and which slices it belongs to, as it was before it was learned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.embedding.hashing import hash_ids
from engine.evaluation.slices import NEW_ITEM_POSITIVES, Codes
from engine.evaluation.stream_metrics import Scored
from engine.evaluation.task_metrics import TaskScores
from engine.features.encoded import SlotValues
from engine.spec.definition import Task
from engine.spec.example import Example
from engine.training.example_table import ExampleTable
from engine.training.train_step import StepResult
from engine.training.training_batch import RankingBatch, RetrievalBatch

if TYPE_CHECKING:
    from engine.training.state import TrainingState

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Observed:
    """Of n logged examples: a hash of each one's user, uint64[n], and its slices, uint8[n, s]."""

    users: npt.NDArray[np.uint64]
    codes: Codes


def observe(state: TrainingState, examples: Sequence[Example]) -> Observed:
    """To be called before the examples are noted anywhere: they are what makes an item known."""
    if isinstance(examples, ExampleTable):
        return Observed(examples.user_hashes(), slice_codes(state, examples))
    users = hash_ids(pa.array([example.user_id for example in examples], pa.string()), 0)
    return Observed(users, slice_codes(state, examples))


def slice_codes(state: TrainingState, examples: Sequence[Example]) -> Codes:
    """uint8[n, s], by what the state knows of the items now."""
    slicer = state.metrics.slicer
    if isinstance(examples, ExampleTable):
        items, places = examples.items
        is_new = _are_new(state, items)[places]
        return slicer.codes_of_columns(examples.history_lengths, is_new, examples.values_of)
    return slicer.codes(examples, _are_new(state, [example.item_id for example in examples]))


def _are_new(state: TrainingState, items: Sequence[str]) -> npt.NDArray[np.bool_]:
    known = state.catalogue.rows_or_none(items)
    positives = np.where(known < 0, 0, state.frequency.count[known])
    flags: npt.NDArray[np.bool_] = positives < NEW_ITEM_POSITIVES
    return flags


def scored(batch: RankingBatch | RetrievalBatch, result: StepResult, observed: Observed) -> Scored:
    """A step's scores with what was observed of their examples, in the examples' order.

    A negative that the trainer drew for an example belongs to that example's user and slices, or no slice could tell them apart.
    """
    asked = batch.user_rows[batch.known[:, 0]] if isinstance(batch, RankingBatch) else _compared_rows(batch)
    order = np.argsort(asked, kind="stable")
    places = batch.kept[asked[order]]
    return Scored(result.scores[order], result.labels[order], observed.users[places], observed.codes[places])


def scored_tasks(
    tasks: Sequence[Task], batch: RankingBatch | RetrievalBatch, result: StepResult, observed: Observed
) -> dict[str, TaskScores]:
    """By task name its predictions where the label is known; nothing of a retrieval step."""
    if not isinstance(batch, RankingBatch) or result.by_task is None:
        return {}
    users = observed.users[batch.kept[batch.user_rows]]
    found = {}
    for place, task in enumerate(tasks):
        rows = np.flatnonzero(batch.known[:, place])
        found[task.name] = TaskScores(result.by_task[rows, place], batch.labels[rows, place], users[rows])
    return found


def slots_of(batch: RankingBatch | RetrievalBatch) -> Iterator[tuple[str, SlotValues]]:
    """The values of each slot by name, of which the first rows are the examples' own."""
    pairs = batch.pairs if isinstance(batch, RankingBatch) else None
    for side in (batch.user, batch.items, pairs):
        if side is not None:
            yield from side.slots.items()


def _compared_rows(batch: RetrievalBatch) -> Rows:
    """Whose each score of a retrieval step is: each user's own item, then the next candidate where it is another item."""
    own = np.arange(batch.weights.size)
    other = (own + 1) % batch.item_keys.size
    return np.concatenate([own, own[batch.item_keys[other] != batch.item_keys[own]]])
