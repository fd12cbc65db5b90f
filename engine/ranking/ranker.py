"""Scores for the candidates of one user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from engine.errors import EngineError
from engine.features.counter_rows import Floats
from engine.features.encoded import EncodedBatch, FloatArray
from engine.features.encoder import FeatureEncoder
from engine.features.records import RecordLayout, Records
from engine.models.forward import Predictor
from engine.models.scores import score_of
from engine.ranking.ablation import without_dense, without_slot
from engine.ranking.item_features import PIECE_ROWS, ItemFeatures
from engine.ranking.pair_features import PairFeatures
from engine.ranking.ranked import Contributions, Ranked
from engine.ranking.user_features import UserFeatures
from engine.retrieval.asker import Asker
from engine.retrieval.catalogue import Catalogue, ItemChanges
from engine.retrieval.item_rows import Rows
from engine.spec.architecture import is_retrieval
from engine.spec.definition import Side

MAX_EXPLAINED: Final = 50
"""Candidates whose contributions are asked for at once: each costs a score for every input."""


class Ranker:
    """A model's score of each candidate. The item side is encoded when items are written, the user's once a request.

    Where the predictor takes records, looking up, pooling and the dense pass are one call of the C++ core; otherwise one of TensorFlow.
    `rank` and `contributions` from any thread; `mark_changed` and `refresh` from one.
    """

    def __init__(self, encoder: FeatureEncoder, predictor: Predictor, catalogue: Catalogue) -> None:
        """Every item of the catalogue waits for `refresh`."""
        self._encoder = encoder
        self._predictor = predictor
        self._definition = encoder.definition
        self._layouts = {side: RecordLayout(encoder.definition, side) for side in Side}
        self.users = UserFeatures(encoder.definition)
        self.items = ItemFeatures(catalogue, encoder)
        self._pairs = PairFeatures(catalogue, encoder) if encoder.has_pairs else None

    @property
    def reads_counters(self) -> bool:
        return self._pairs is not None and self._pairs.reads_counters

    def mark_changed(self, changes: ItemChanges) -> None:
        """Items were written or deleted: what was encoded of them counts no more."""
        self.items.mark_changed(changes)

    def refresh(self, max_rows: int = PIECE_ROWS) -> int:
        """Encode at most `max_rows` items that wait; answers how many were taken up."""
        return self.items.refresh(max_rows)

    def warm(self) -> None:
        """Answer once for nobody: TensorFlow's first answer takes longer than a caller waits."""
        nobody = {side: self._encoder.encode({}, 1 if side is Side.USER else 2, side) for side in Side}
        self._of_sides(nobody if self._pairs is not None else {side: nobody[side] for side in (Side.USER, Side.ITEM)})

    def rank(self, asker: Asker, rows: Rows, counters: Mapping[str, Floats] | None = None) -> Ranked:
        """Of the items in n rows of the catalogue. Raises `EngineError` when a score is not finite.

        `counters` has the values float64[n] of each by `<counter>_<window>`; one that is not there is missing.
        """
        if not len(rows):
            return Ranked(np.empty(0, np.float32), np.empty((0, len(self._definition.tasks)), np.float32))
        pairs = None if self._pairs is None else self._pairs.encoded(asker, rows, counters or {})
        if self._predictor.takes_records:
            return _finite(self._of_records(self.users.record(asker), self.items.records(rows), pairs))
        return _finite(self._of_batches(self.users.encoded(asker), self.items.encoded(rows), pairs))

    def contributions(self, asker: Asker, rows: Rows, counters: Mapping[str, Floats] | None = None) -> Contributions:
        """What each slot and dense input adds to each score. Raises ValueError for more than `MAX_EXPLAINED` rows."""
        if len(rows) > MAX_EXPLAINED:
            raise ValueError(f"rows: must be at most {MAX_EXPLAINED}, received {len(rows)}")
        sides = {Side.USER: self.users.encoded(asker), Side.ITEM: self.items.encoded(rows)}
        if self._pairs is not None:
            sides[Side.PAIR] = self._pairs.encoded(asker, rows, counters or {})
        without: dict[str, dict[Side, EncodedBatch]] = {}
        for side, batch in sides.items():
            inputs = self._encoder.dense(side)
            without |= {slot.name: sides | {side: without_slot(batch, slot.name)} for slot in self._encoder.slots(side)}
            without |= {dense.name: sides | {side: without_dense(batch, inputs, dense.name)} for dense in inputs}
        names = [slot.name for slot in self._encoder.slots()] + [dense.name for dense in self._encoder.dense()]
        whole = self._of_sides(sides).scores
        values = np.empty((len(rows), len(names)), np.float32)
        for place, name in enumerate(names):
            values[:, place] = whole - self._of_sides(without[name]).scores
        return Contributions(names, values)

    def _of_sides(self, sides: Mapping[Side, EncodedBatch]) -> Ranked:
        return self._of_batches(sides[Side.USER], sides[Side.ITEM], sides.get(Side.PAIR))

    def _of_batches(self, user: EncodedBatch, items: EncodedBatch, pairs: EncodedBatch | None) -> Ranked:
        if self._predictor.takes_records:
            return self._of_records(self._layouts[Side.USER].pack(user), self._layouts[Side.ITEM].pack(items), pairs)
        if is_retrieval(self._definition.architecture):
            cosines = self._predictor.pair_scores(user, items)
            return Ranked(cosines, cosines[:, np.newaxis])
        user_rows, item_rows = np.zeros(items.num_rows, np.int32), np.arange(items.num_rows, dtype=np.int32)
        return self._scored(self._predictor.pair_predictions(user, items, user_rows, item_rows, pairs))

    def _of_records(self, user: Records, items: Records, pairs: EncodedBatch | None) -> Ranked:
        of_pairs = None if pairs is None else self._layouts[Side.PAIR].pack(pairs)
        return self._scored(self._predictor.record_predictions(user, items, of_pairs))

    def _scored(self, by_task: FloatArray) -> Ranked:
        return Ranked(score_of(self._definition.score, self._definition.tasks, by_task), by_task)


def _finite(ranked: Ranked) -> Ranked:
    scores = ranked.scores
    if not np.isfinite(scores).all():
        raise EngineError(f"{int((~np.isfinite(scores)).sum())} of {len(scores)} scores are not finite")
    return ranked
