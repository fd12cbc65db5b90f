"""Who takes part in `make bench-training`, and where each runs. Imports NumPy and nothing else that an environment may lack."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from tests.bench.criteo_like import Ids
from tests.bench.training_setting import Learner


@dataclass(frozen=True, slots=True)
class Listed:
    """`environment`: the name of its requirements file, "" for the project's own. `is_peer`: what Freshet is compared with.

    `module` of `tests.bench` and `name` are its class; only its environment can import it.
    """

    title: str
    environment: str
    module: str
    name: str
    is_peer: bool = True
    streams: tuple[Ids, ...] = tuple(Ids)

    def load(self) -> Any:
        """Its class. Takes the seconds that its framework takes to import."""
        return getattr(importlib.import_module(f"tests.bench.{self.module}"), self.name)

    def make(self, ids: Ids) -> Learner:
        learner: Learner = self.load()(ids)
        return learner


FLOAT32, BFLOAT16 = "freshet", "freshet_bf16"
TRAINER, PARQUET = "trainer", "parquet"
CONTESTANTS = {
    FLOAT32: Listed("Freshet step, float32", "", "training_engine", "Float32Step", is_peer=False),
    BFLOAT16: Listed("Freshet step, bfloat16_mixed", "", "training_engine", "MixedStep", is_peer=False),
    "keras": Listed("Keras 3, 26 hashed Embeddings", "", "training_tensorflow", "KerasPeer"),
    "tensorflow": Listed("TensorFlow by hand, tf.unique + sparse Adagrad", "", "training_tensorflow", "TensorFlowPeer"),
    "tfra": Listed("TFRA 0.8.1 CuckooHashTable", "tfra", "training_tensorflow", "AddonsPeer"),
    "torch": Listed("PyTorch EmbeddingBag(sparse=True)", "torch", "training_torch", "EmbeddingBagPeer"),
    "torch_compiled": Listed("PyTorch, network compiled, EmbeddingBag", "torch", "training_torch", "CompiledPeer"),
    "fbgemm": Listed("PyTorch + FBGEMM CPU TBE", "torch", "training_torch", "FbgemmPeer"),
    PARQUET: Listed(
        "Freshet encoding from Parquet", "", "training_engine", "FromParquet", is_peer=False, streams=(Ids.ZIPF,)
    ),
    TRAINER: Listed(
        "Freshet trainer, from JSON records", "", "training_engine", "Trainer", is_peer=False, streams=(Ids.ZIPF,)
    ),
}
PEERS = tuple(name for name, listed in CONTESTANTS.items() if listed.is_peer)
