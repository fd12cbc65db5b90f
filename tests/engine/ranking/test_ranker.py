from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from engine.embedding.hashing import hash_ids
from engine.errors import EngineError
from engine.features.encoded import EncodedBatch
from engine.features.encoder import FeatureEncoder
from engine.ranking.ranker import Ranker
from engine.retrieval.asker import Asker
from engine.spec.definition import DeepFM, DenseInput, ModelDefinition, Slot

DEFINITION = ModelDefinition(
    slots=[
        Slot(name="user", number=1, source="user.id"),
        Slot(name="item", number=2, source="item.id"),
        Slot(name="seen", number=3, source="user.history", shares="item"),
    ],
    dense=[DenseInput(name="price", source="item.price"), DenseInput(name="hour", source="event.hour")],
    architecture=DeepFM(),
)


class PriceScorer:
    """Keeps the batches it was given and scores each item by its price."""

    def __init__(self) -> None:
        self.calls: list[tuple[EncodedBatch, EncodedBatch]] = []

    def pair_scores(
        self, user: EncodedBatch, items: EncodedBatch, *, pairs: EncodedBatch | None = None
    ) -> npt.NDArray[np.float32]:
        self.calls.append((user, items))
        prices: npt.NDArray[np.float32] = items.dense[:, 0] / user.dense[0, 0]
        return prices


def test_candidates_are_scored_in_one_call_beside_one_user() -> None:
    scorer = PriceScorer()
    asker = Asker("u", {}, {"hour": 2}, ("x", "y"))
    ranker = Ranker(FeatureEncoder(DEFINITION), scorer)
    scores = ranker.score(asker, ["a", "b", "c"], [{"price": 3.0}, {}, {"price": 5.0}])
    assert scores.tolist() == [1.5, 0.0, 2.5]
    ((user, items),) = scorer.calls
    assert (user.num_rows, items.num_rows) == (1, 3)
    assert items.slots["item"].fids.tolist() == hash_ids(pa.array(["a", "b", "c"]), 2).tolist()
    assert user.slots["user"].fids.tolist() == hash_ids(pa.array(["u"]), 1).tolist()
    assert user.slots["seen"].fids.tolist() == hash_ids(pa.array(["x", "y"]), 2).tolist()


def test_scores_that_are_not_finite_are_an_error_and_not_an_order() -> None:
    ranker = Ranker(FeatureEncoder(DEFINITION), PriceScorer())
    with np.errstate(all="ignore"), pytest.raises(EngineError, match="1 of 2 scores are not finite"):
        ranker.score(Asker("u", {}, {"hour": 0.01}, ()), ["a", "b"], [{"price": 3.0e38}, {"price": 1.0}])
