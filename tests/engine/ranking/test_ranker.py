from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.embedding.hashing import hash_ids
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
    dense=[
        DenseInput(name="price", source="item.price"),
        DenseInput(name="age", source="user.age"),
        DenseInput(name="weight", source="item.weight"),
        DenseInput(name="hour", source="event.hour"),
    ],
    architecture=DeepFM(),
)


class Recorder:
    """Remembers the batch it was given and scores each row by its first dense input."""

    def __init__(self) -> None:
        self.batches: list[EncodedBatch] = []

    def scores(self, batch: EncodedBatch) -> npt.NDArray[np.float32]:
        self.batches.append(batch)
        return batch.dense[:, 0]


def test_candidates_are_scored_in_one_call_each_beside_the_same_user() -> None:
    recorder = Recorder()
    ranker = Ranker(FeatureEncoder(DEFINITION), recorder)
    asker = Asker("u", {"age": 40}, {"hour": 12}, ("x", "y"))
    scores = ranker.score(asker, ["a", "b", "c"], [{"price": 3.0, "weight": 1.0}, {}, {"price": 5.0}])
    assert scores.tolist() == [3.0, 0.0, 5.0]
    (batch,) = recorder.batches
    assert batch.num_rows == 3
    assert batch.dense.tolist() == [[3.0, 40.0, 1.0, 12.0], [0.0, 40.0, 0.0, 12.0], [5.0, 40.0, 0.0, 12.0]]
    assert batch.slots["item"].fids.tolist() == hash_ids(pa.array(["a", "b", "c"]), 2).tolist()
    assert batch.slots["user"].fids.tolist() == hash_ids(pa.array(["u"] * 3), 1).tolist()
    assert batch.slots["seen"].offsets.tolist() == [0, 2, 4, 6]
    assert batch.slots["seen"].fids.tolist() == hash_ids(pa.array(["x", "y"] * 3), 2).tolist()
