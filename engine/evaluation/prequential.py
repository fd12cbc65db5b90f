"""HR, NDCG and coverage at 10 of a stream: clicks ranked before they are learned, by the model and by its frozen copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from engine.evaluation.candidate_ranking import CandidateRanking, encode_items
from engine.evaluation.coverage import NO_ITEM, Lists, top_of
from engine.evaluation.hit_rate import NOT_ASKED, ranks_of
from engine.evaluation.stream_metrics import Ranked
from engine.features.columns import columns_from_examples
from engine.features.encoded import EncodedBatch, FloatArray
from engine.models.forward import Predictor
from engine.spec.architecture import is_retrieval
from engine.spec.definition import Side
from engine.spec.example import Example
from engine.training.draws import example_keys, unit_draws
from engine.training.item_catalogue import RowArray
from engine.training.logged import Logged
from engine.training.observation import slice_codes
from engine.training.state import TrainingState

REFRESH_S: Final = 5.0
_ENCODE_ROWS: Final = 8192
_SAMPLE_STREAM: Final = 1
_LIST_SCORES: Final = 2_000_000
"""How many scores of a batch the lists are taken from, for coverage: to sort a large catalogue for every click would take too long."""


class _Ranking(Protocol):
    """Scores of users against columns of candidates, for the live model and the frozen one, if any: float32[m, n] each."""

    def scores(self, user: EncodedBatch, examples: list[Example]) -> tuple[FloatArray, ...]: ...

    def columns_of(self, rows: RowArray) -> RowArray: ...

    def rows_of(self, columns: Lists) -> Lists: ...


class PrequentialEvaluator:
    """Evaluates a fixed sample of positives: those whose key (seed, place in the log) draws below `evaluate_fraction`.

    A retrieval model ranks the whole known catalogue by exact dot products, another the candidates of `CandidateRanking`; an item that is
    not among them is a miss, as is one never seen before. Items of the user's history are left out of the list, and clicks on them are
    not evaluated. Item vectors are computed anew for items just learned or changed, and for all of them every `REFRESH_S`. Without a
    frozen copy there is no frozen hit rate.
    """

    def __init__(self, state: TrainingState, frozen: Predictor | None, clock: Callable[[], float]) -> None:
        self._state = state
        live = Predictor(state.definition, state.store, state.architecture)
        self._live = live
        self._ranking: _Ranking = (
            _CatalogueRanking(state, live, frozen, clock)
            if is_retrieval(state.definition.architecture)
            else CandidateRanking(state, live, frozen)
        )

    def evaluate(self, logged: Logged) -> int:
        """Rank the sampled clicks and note the hits in the state's metrics; answers how many. Call before they are learned."""
        examples = self._sample(logged)
        if not examples:
            return 0
        state = self._state
        self._live.follow(state.architecture)
        sources = state.encoder.sources(Side.USER)
        user = state.encoder.encode(columns_from_examples(examples, sources), len(examples), Side.USER)
        scores = self._ranking.scores(user, examples)
        catalogue = state.catalogue
        for index, example in enumerate(examples):
            seen = self._ranking.columns_of(catalogue.known_rows(example.history))
            for each in scores:
                each[index, seen[seen >= 0]] = -np.inf
        rows = [catalogue.row_of(example.item_id) for example in examples]
        targets = self._ranking.columns_of(np.array([-1 if row is None else row for row in rows], np.int64))
        live, *others = (ranks_of(each, targets) for each in scores)
        frozen = others[0] if others else np.full_like(live, NOT_ASKED)
        codes = slice_codes(state, examples)
        state.metrics.note_ranking(Ranked(live, frozen, self._lists(scores[0]), codes, len(catalogue)))
        return len(examples)

    def _lists(self, scores: FloatArray) -> Lists:
        """Catalogue rows of the live lists, for as many clicks as `_LIST_SCORES` allows: the rest have none."""
        num = max(1, _LIST_SCORES // max(1, scores.shape[1]))
        columns = top_of(scores[:num])
        lists = np.full((len(scores), columns.shape[1]), NO_ITEM, np.int32)
        lists[: len(columns)] = np.where(columns == NO_ITEM, NO_ITEM, self._ranking.rows_of(columns))
        return lists

    def _sample(self, logged: Logged) -> list[Example]:
        training = self._state.definition.training
        keys = example_keys(training.seed, logged.partitions, logged.offsets)
        chosen = np.flatnonzero(unit_draws(keys, _SAMPLE_STREAM) < training.evaluate_fraction)
        is_positive = self._state.builder.is_positive
        return [
            example for example in logged.at(chosen) if is_positive(example) and example.item_id not in example.history
        ]


class _CatalogueRanking:
    """Every known item, column for catalogue row, by item vectors kept up to date."""

    def __init__(
        self, state: TrainingState, live: Predictor, frozen: Predictor | None, clock: Callable[[], float]
    ) -> None:
        self._state = state
        self._predictors = (live,) if frozen is None else (live, frozen)
        self._clock = clock
        self._refreshed_s = -np.inf
        self._vectors = tuple(np.zeros((0, _output_dim(state)), np.float32) for _ in self._predictors)

    def scores(self, user: EncodedBatch, examples: list[Example]) -> tuple[FloatArray, ...]:
        del examples  # everything is a candidate of each
        self._refresh()
        num_items = len(self._state.catalogue)
        return tuple(
            predictor.user_vectors(user) @ vectors[:num_items].T
            for predictor, vectors in zip(self._predictors, self._vectors, strict=True)
        )

    def columns_of(self, rows: RowArray) -> RowArray:
        return rows

    def rows_of(self, columns: Lists) -> Lists:
        return columns

    def _refresh(self) -> None:
        catalogue = self._state.catalogue
        rows = catalogue.take_changed()
        now_s = self._clock()
        everything = now_s - self._refreshed_s >= REFRESH_S
        if everything:
            rows = np.arange(len(catalogue))
            self._refreshed_s = now_s
        self._vectors = tuple(_grown(vectors, len(catalogue)) for vectors in self._vectors)
        for start in range(0, rows.size, _ENCODE_ROWS):
            chosen = rows[start : start + _ENCODE_ROWS]
            items = encode_items(self._state, chosen)
            for predictor, vectors in zip(self._predictors, self._vectors, strict=True):
                vectors[chosen] = predictor.item_vectors(items)


def _output_dim(state: TrainingState) -> int:
    architecture = state.definition.architecture
    assert is_retrieval(architecture)
    return architecture.output_dim


def _grown(vectors: FloatArray, num_rows: int) -> FloatArray:
    """The same rows with room for at least `num_rows`, doubling so that growth stays cheap."""
    if vectors.shape[0] >= num_rows:
        return vectors
    grown: npt.NDArray[Any] = np.zeros((max(num_rows, 2 * vectors.shape[0]), vectors.shape[1]), np.float32)
    grown[: vectors.shape[0]] = vectors
    return grown
