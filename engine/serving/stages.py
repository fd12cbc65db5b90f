"""The two stages of the request path that a model can answer."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.features.columns import columns_for_items
from engine.ranking.ranker import Ranker
from engine.ranking.user_features import UserFeatures
from engine.retrieval.asker import Asker
from engine.retrieval.catalogue import Catalogue, ItemChanges
from engine.retrieval.index.nearest import NearestItems
from engine.retrieval.index.vector_rows import Vectors
from engine.retrieval.item_rows import Rows
from engine.retrieval.item_vectors import ItemVectors
from engine.retrieval.source import RowSource, Scores
from engine.serving.requests import Role
from engine.serving.served_model import ServedModel
from engine.spec.definition import Side
from engine.spec.slot import USER_COUNTER

_NOBODY: Final = Asker("-", {}, {}, ())


def _reads_user_counters(model: ServedModel) -> bool:
    return any(source.startswith(USER_COUNTER) for source in model.encoder.sources(Side.USER))


class RankingStage:
    """A model as the ranker of a deployment."""

    role: Role = "ranking"

    def __init__(self, model: ServedModel, catalogue: Catalogue) -> None:
        self.model = model
        self.ranker = Ranker(model.encoder, model.predictor, catalogue)
        self.reads_user_counters = _reads_user_counters(model)
        self.ranker.warm()

    def poll(self) -> int:
        """Apply deltas, and encode a piece of what the catalogue changed."""
        num_applied, _ = self.model.poll()
        self.model.mark_served()
        return num_applied + self.ranker.refresh()

    def mark_changed(self, changes: ItemChanges) -> None:
        self.ranker.mark_changed(changes)


class RetrievalStage:
    """A retrieval model over a project's catalogue."""

    role: Role = "retrieval"

    def __init__(self, model: ServedModel, catalogue: Catalogue) -> None:
        self.model = model
        self.vectors = ItemVectors(catalogue, model.encoder, model.predictor)
        self._users = UserFeatures(model.ref.definition)
        self.reads_user_counters = _reads_user_counters(model)
        self.user_vector(_NOBODY)
        sources = model.encoder.sources(Side.ITEM)
        model.predictor.item_vectors(model.encoder.encode(columns_for_items(["-"], [{}], sources), 1, Side.ITEM))

    def user_vector(self, asker: Asker) -> Vectors:
        """float32[output_dim]; zero when the model knows nothing of the user."""
        predictor = self.model.predictor
        if predictor.takes_user_records:
            vectors = predictor.user_record_vectors(self._users.record(asker))
        else:
            vectors = predictor.user_vectors(self._users.encoded(asker))
        vector: Vectors = vectors[0]
        return vector

    @property
    def name(self) -> str:
        """What answers say of the items nearest to the user."""
        return self.model.ref.definition.architecture.kind

    def nearest(self, vector: Vectors, name: str | None = None) -> RowSource:
        """The items nearest to `vector` float32[output_dim], a source by the architecture's name unless another is given."""
        return NearestItems(name or self.name, self.vectors.index, vector)

    def scores_of(self, vector: Vectors, rows: Rows, missing: float) -> Scores:
        """float32[n]: the cosine of each row's item with `vector` float32[output_dim]; `missing` for an item that has no vector."""
        scores = self.vectors.index.scores_of(vector, rows)
        scores[np.isnan(scores)] = missing
        return scores

    def vectors_of(self, rows: Rows) -> Vectors:
        """float32[n, output_dim]; zeros for an item that has no vector."""
        return self.vectors.index.vectors_of(rows)

    def mark_changed(self, changes: ItemChanges) -> None:
        self.vectors.mark_changed(changes)

    def poll(self) -> int:
        """Apply deltas, renew the vectors they and the catalogue changed, and a piece of what else is out of date."""
        num_applied, changes = self.model.poll()
        if changes.everything:
            self.vectors.mark_all()
        elif changes.fids.size:
            self.vectors.mark_rows(changes.fids)
        # Every item is urgent before the first refresh, so that an index without parameters or half filled is never served.
        num_renewed = self.vectors.refresh_urgent() + self.vectors.refresh() if self.model.has_parameters else 0
        self.model.mark_served()
        return num_applied + num_renewed
