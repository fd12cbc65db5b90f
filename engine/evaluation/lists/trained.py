"""Freshet's own models on clicks of users: the product's batches and steps, several times over the training clicks."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.errors import InvalidDocument, Problem
from engine.evaluation.lists.definitions import MAX_HISTORY
from engine.evaluation.lists.measuring import measure
from engine.evaluation.lists.plan import Metrics, Schedule
from engine.evaluation.lists.recommenders import CoOccurrence, Recommender, Scores
from engine.evaluation.lists.task import Codes, ListTask, task_of
from engine.features.columns import Columns, RowIndices, columns_for_items, columns_from_examples, pair_columns
from engine.models.forward import Predictor
from engine.spec.architecture import is_retrieval
from engine.spec.definition import ModelDefinition, Side, side_of
from engine.spec.example import Cause, Example, Origin
from engine.training.logged import LoggedExamples
from engine.training.state import TrainingState

_CAUSE: Final = Cause(0, 0, 0)
_NUM_VALIDATION_USERS: Final = 2000
_RERANKED: Final = 200
_ENCODE_ROWS: Final = 8192
_PAIRS_AT_ONCE: Final = 16_384


class Trained(Recommender):
    """A model of a definition after training. A retrieval model scores every item by its vectors; a ranking model orders the
    `_RERANKED` items that co-occurrence finds, or the candidates it is given."""

    def __init__(
        self,
        task: ListTask,
        definition: ModelDefinition,
        schedule: Schedule,
        on_progress: Callable[[int, int], None] = lambda *_: None,
    ) -> None:
        """`on_progress` gets clicks learned just now, and how many there will be at most."""
        self._take(TrainingState(definition))
        self._is_retrieval = is_retrieval(definition.architecture)
        self.num_epochs = 0
        self._num_offsets = 0
        held_out = _held_out(task, self._state.definition.training.seed) if schedule.patience else task
        self._look_at(held_out)
        self._train(schedule, on_progress)
        self._look_at(task)

    def _take(self, state: TrainingState) -> None:
        self._state = state
        self._predictor = Predictor(state.definition, state.store, state.architecture)

    def _look_at(self, task: ListTask) -> None:
        """From now on users have the training clicks of this task."""
        self._task = task
        self._examples = _Examples(task)
        self._clicked = task.clicked()
        self._found = None if self._is_retrieval or task.negatives is not None else CoOccurrence(task)
        self._refresh()

    def scores(self, users: Codes) -> Scores:
        if self._vectors is not None:
            user_vectors, item_vectors = self._vectors
            found: Scores = user_vectors[users] @ item_vectors.T
            return found
        assert self._found is not None
        first = self._found.scores(users)
        own = self._clicked[users]
        first[np.repeat(np.arange(users.size), np.diff(own.indptr)), own.indices] = -np.inf
        candidates = np.argsort(-first, axis=1, kind="stable")[:, :_RERANKED].astype(np.int32)
        ranked = np.full(first.shape, -1.0, np.float32)
        np.put_along_axis(ranked, candidates.astype(np.int64), self.candidate_scores(users, candidates), axis=1)
        return ranked

    def candidate_scores(self, users: Codes, candidates: Codes) -> Scores:
        if self._is_retrieval:
            return super().candidate_scores(users, candidates)
        size = max(1, _PAIRS_AT_ONCE // max(1, candidates.shape[1]))
        starts = range(0, users.size, size)
        parts = [self._pair_scores(users[start : start + size], candidates[start : start + size]) for start in starts]
        return np.concatenate([np.empty((0, candidates.shape[1]), np.float32), *parts])

    def _pair_scores(self, users: Codes, candidates: Codes) -> Scores:
        distinct, columns = np.unique(candidates, return_inverse=True)
        item_rows = columns.ravel().astype(np.int32)
        user_rows = np.repeat(np.arange(users.size, dtype=np.int32), candidates.shape[1])
        pairs = self._encode_pairs(users, distinct, user_rows, item_rows) if self._state.encoder.has_pairs else None
        user, items = self._encode_users(users), self._encode_items(distinct)
        return self._predictor.pair_scores(user, items, user_rows, item_rows, pairs).reshape(candidates.shape)

    def _train(self, schedule: Schedule, on_progress: Callable[[int, int], None]) -> None:
        rng = np.random.default_rng(self._state.definition.training.seed)
        num = len(self._task.train)
        best, since = -1.0, 0
        with tempfile.TemporaryDirectory() as folder:
            checkpoint: Path | None = None
            for epoch in range(schedule.max_epochs):
                self._epoch(rng, lambda done: on_progress(done, num * schedule.max_epochs))
                if schedule.patience is None:
                    self.num_epochs = epoch + 1
                    continue
                self._refresh()
                value = float(measure(self._task, self, Metrics(["ndcg"], [10]))["ndcg_at_10"].mean())
                since += 1
                if value > best:
                    best, since, self.num_epochs = value, 0, epoch + 1
                    checkpoint = self._state.save(Path(folder), epoch)
                if since >= schedule.patience:
                    break
            if checkpoint is not None:
                self._take(TrainingState.open(self._state.definition, checkpoint))

    def _epoch(self, rng: np.random.Generator, on_progress: Callable[[int], None]) -> None:
        size = self._state.definition.training.batch_size
        self._examples.shuffle(rng)
        order = rng.permutation(len(self._task.train))
        for start in range(0, order.size, size):
            chosen = order[start : start + size]
            offsets = self._num_offsets + np.arange(chosen.size, dtype=np.int64)
            self._num_offsets += chosen.size
            logged = LoggedExamples(self._examples.of(chosen), np.zeros(chosen.size, np.int64), offsets)
            batch = self._state.builder.build(logged, np.zeros(chosen.size, np.uint32))
            if batch is not None:
                self._state.step.learn(batch)
            on_progress(chosen.size)

    def _refresh(self) -> None:
        """Take over the weights of now, and with them every vector."""
        self._predictor.follow(self._state.architecture)
        self._vectors: tuple[Scores, Scores] | None = None
        if self._is_retrieval:
            users = np.arange(self._task.num_users, dtype=np.int32)
            items = np.arange(self._task.num_items, dtype=np.int32)
            self._vectors = (
                _in_parts(users, lambda part: self._predictor.user_vectors(self._encode_users(part))),
                _in_parts(items, lambda part: self._predictor.item_vectors(self._encode_items(part))),
            )

    def _encode_users(self, users: Codes) -> Any:
        encoder = self._state.encoder
        examples = self._examples.asking(users)
        return encoder.encode(columns_from_examples(examples, encoder.sources(Side.USER)), users.size, Side.USER)

    def _encode_items(self, items: Codes) -> Any:
        encoder = self._state.encoder
        columns = self._columns_of(items, encoder.sources(Side.ITEM))
        return encoder.encode(columns, items.size, Side.ITEM)

    def _encode_pairs(self, users: Codes, items: Codes, user_rows: RowIndices, item_rows: RowIndices) -> Any:
        encoder = self._state.encoder
        sources = encoder.sources(Side.PAIR)
        asked = [source for source in sources if side_of(source) is Side.USER]
        of_users = columns_from_examples(self._examples.asking(users), asked)
        columns = pair_columns(of_users, self._columns_of(items, sources), user_rows, item_rows)
        return encoder.encode(columns, user_rows.size, Side.PAIR)

    def _columns_of(self, items: Codes, sources: list[str]) -> Columns:
        ids = [self._task.train.item_ids[item] for item in items]
        return columns_for_items(ids, [{}] * items.size, sources)


class _Examples:
    """A task's training clicks as examples. A user's history is its other clicks, in an order that `shuffle` changes."""

    def __init__(self, task: ListTask) -> None:
        train = task.train
        self._train = train
        order = np.argsort(train.users, kind="stable")
        bounds = np.searchsorted(train.users[order], np.arange(task.num_users + 1))
        self._own = [
            [train.item_ids[item] for item in train.items[order[start:end]]] for start, end in pairwise(bounds)
        ]

    def shuffle(self, rng: np.random.Generator) -> None:
        for own in self._own:
            if len(own) > MAX_HISTORY:
                rng.shuffle(own)

    def of(self, places: npt.NDArray[np.int64]) -> list[Example]:
        return [self._example(int(self._train.users[place]), int(self._train.items[place])) for place in places]

    def asking(self, users: Codes) -> list[Example]:
        """Users as they ask for a list: with all of their history."""
        return [self._example(int(user), None) for user in users]

    def _example(self, user: int, item: int | None) -> Example:
        item_id = "" if item is None else self._train.item_ids[item]
        history = self._own[user][-MAX_HISTORY - 1 :]
        return Example(
            example_id="",
            user_id=self._train.user_ids[user],
            item_id=item_id,
            event_time_ms=0,
            origin=Origin.ACTION,
            labels={"click": 1.0},
            cause=_CAUSE,
            history=tuple([other for other in history if other != item_id]),
        )


def _held_out(task: ListTask, seed: int) -> ListTask:
    """A task within the training clicks: one click each of some users is to be found, to see how training goes.

    Raises `InvalidDocument` when no user has two clicks.
    """
    train, rng = task.train, np.random.default_rng([seed, 1])
    counts = np.bincount(train.users, minlength=task.num_users)
    able = np.flatnonzero(counts >= 2)
    if not able.size:
        raise InvalidDocument("training clicks", [Problem("user", "must have two clicks, some at least", "one each")])
    users = rng.choice(able, min(able.size, _NUM_VALIDATION_USERS), replace=False)
    chosen = np.zeros(task.num_users, np.int64)
    order = rng.permutation(len(train))
    chosen[train.users[order]] = order
    is_held = np.zeros(len(train), np.bool_)
    is_held[chosen[users]] = True
    return task_of(train.part(~is_held), train.users[is_held], train.items[is_held])


def _in_parts(codes: Codes, vectors: Callable[[Codes], Scores]) -> Scores:
    parts = [vectors(codes[start : start + _ENCODE_ROWS]) for start in range(0, codes.size, _ENCODE_ROWS)]
    return np.concatenate(parts)
