"""What a ranking model is evaluated on: for each click the candidates that retrieval without a model would find, scored pair by pair."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.evaluation.coverage import Lists
from engine.features.columns import RowIndices, columns_for_items, columns_from_examples, pair_columns
from engine.features.encoded import EncodedBatch, FloatArray
from engine.models.forward import Predictor
from engine.spec.definition import Side, side_of
from engine.spec.example import Example
from engine.training.item_catalogue import RowArray
from engine.training.state import TrainingState

NUM_POPULAR: Final = 200
"""How many of the pool's most frequent items are candidates of every click."""

NUM_CO_OCCURRING: Final = 200
"""How many of the items that go best with the user's history are candidates beside them."""

_PAIRS_AT_ONCE: Final = 65_536


class CandidateRanking:
    """The pool's most frequent items and those that co-occur with the user's history. A column for each item that is anyone's candidate;
    scores of items that are not the user's are -inf."""

    def __init__(self, state: TrainingState, live: Predictor, frozen: Predictor | None = None) -> None:
        self._state = state
        self._predictors = (live,) if frozen is None else (live, frozen)
        self._rows: RowArray = np.empty(0, np.int64)

    def scores(self, user: EncodedBatch, examples: list[Example]) -> tuple[FloatArray, ...]:
        """float32[m, n] for the m examples of `user`, of the live model and of the frozen one, if there is one."""
        user_rows, item_rows = self._candidates(examples)
        items = encode_items(self._state, self._rows)
        found = tuple(np.full((user.num_rows, self._rows.size), -np.inf, np.float32) for _ in self._predictors)
        for start in range(0, user_rows.size, _PAIRS_AT_ONCE):
            users, chosen = user_rows[start : start + _PAIRS_AT_ONCE], item_rows[start : start + _PAIRS_AT_ONCE]
            pairs = self._pairs(examples, users, chosen)
            for predictor, scores in zip(self._predictors, found, strict=True):
                scores[users, chosen] = predictor.pair_scores(user, items, users, chosen, pairs)
        return found

    def _candidates(self, examples: list[Example]) -> tuple[RowIndices, RowIndices]:
        """The pairs to score, int32[p] each: an example and the column of one of its candidates. Sets the columns' catalogue rows."""
        popular, (owners, others) = self._popular(), self._co_occurring(examples)
        self._rows = np.concatenate([popular, np.setdiff1d(others, popular)])
        is_candidate = np.zeros((len(examples), self._rows.size), np.bool_)
        is_candidate[:, : popular.size] = True
        is_candidate[owners, self.columns_of(others)] = True
        users, columns = np.nonzero(is_candidate)
        return users.astype(np.int32), columns.astype(np.int32)

    def _popular(self) -> RowArray:
        counts = self._state.pool.counts(len(self._state.catalogue))
        order = np.argsort(-counts, kind="stable")[:NUM_POPULAR]
        return order[counts[order] > 0]

    def _co_occurring(self, examples: list[Example]) -> tuple[RowArray, RowArray]:
        """(example, catalogue row) of what goes with each example's history."""
        index, catalogue = self._state.item_to_item, self._state.catalogue
        found = index.find([example.history for example in examples], NUM_CO_OCCURRING)
        rows = (catalogue.row_of(item_id) for item_id in index.ids(found.rows))
        known = np.fromiter((-1 if row is None else row for row in rows), np.int64, found.rows.size)
        owners = np.repeat(np.arange(len(examples)), np.diff(found.offsets))
        return owners[known >= 0], known[known >= 0]

    def _pairs(self, examples: list[Example], user_rows: RowIndices, item_rows: RowIndices) -> EncodedBatch | None:
        """What is of both together. Counters are known of the item acted on only, so that every item goes without them."""
        encoder, catalogue = self._state.encoder, self._state.catalogue
        if not encoder.has_pairs:
            return None
        sources = encoder.sources(Side.PAIR)
        user = columns_from_examples(examples, [source for source in sources if side_of(source) is Side.USER])
        items = columns_for_items(catalogue.ids(self._rows), catalogue.properties(self._rows), sources)
        return encoder.encode(pair_columns(user, items, user_rows, item_rows), user_rows.size, Side.PAIR)

    def columns_of(self, rows: RowArray) -> RowArray:
        """int64[n]: the columns of catalogue rows (-1 among them allowed), -1 where a row is no one's candidate."""
        place = np.full(len(self._state.catalogue) + 1, -1, np.int64)
        place[self._rows] = np.arange(self._rows.size)
        columns: RowArray = place[rows]
        return columns

    def rows_of(self, columns: Lists) -> Lists:
        """The catalogue rows of columns."""
        return self._rows[columns].astype(np.int32) if self._rows.size else columns


def encode_items(state: TrainingState, rows: RowArray) -> EncodedBatch:
    """The item side of catalogue rows int64[n], as n rows."""
    catalogue = state.catalogue
    columns = columns_for_items(catalogue.ids(rows), catalogue.properties(rows), state.encoder.sources(Side.ITEM))
    return state.encoder.encode(columns, rows.size, Side.ITEM)
