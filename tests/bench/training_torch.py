"""DeepFM in PyTorch over hashed ids: `EmbeddingBag(sparse=True)`, the same with the network compiled, and FBGEMM's fused table."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from typing import Any

import numpy as np

from tests.bench.criteo_like import NUM_SLOTS, Batch, Ids
from tests.bench.training_setting import (
    BATCH,
    DENSE_RATE,
    DIM,
    EMBEDDING_RATE,
    INITIAL_ACCUMULATOR,
    LAYERS,
    TABLE_ROWS,
    WIDTH,
    Learner,
    hashed_rows,
    initial_table,
)

torch: Any = importlib.import_module("torch")


class TorchPeer(Learner):
    """The network and its fused Adagrad; the embeddings are the subclass's."""

    is_compiled = False

    def __init__(self, ids: Ids) -> None:
        torch.manual_seed(17)
        linear, relu = torch.nn.Linear, torch.nn.ReLU
        layers = [layer for shape in LAYERS for layer in (linear(*shape), relu())][:-1]
        self._network = torch.nn.Sequential(*layers)
        self._first_order = linear(WIDTH, 1)
        weights = [*self._network.parameters(), *self._first_order.parameters()]
        self._dense_optimizer = torch.optim.Adagrad(
            weights, DENSE_RATE, initial_accumulator_value=INITIAL_ACCUMULATOR, fused=True
        )
        self._loss_of = torch.compile(self._loss) if self.is_compiled else self._loss

    def learn(self, prepared: tuple[Any, ...]) -> float:
        """The mean loss of the batch before the update."""
        indices, dense, labels = prepared
        self._dense_optimizer.zero_grad(set_to_none=True)
        loss = self._loss_of(self._embeddings(indices), dense, labels)
        loss.backward()
        self._dense_optimizer.step()
        self._update()
        return float(loss) / len(labels)

    @abstractmethod
    def _embeddings(self, indices: Any) -> Any:
        """float32[n, 26, 16]."""

    def _update(self) -> None:
        """The rows learn, unless the backward pass has seen to it."""

    def _loss(self, embeddings: Any, dense: Any, labels: Any) -> Any:
        total = embeddings.sum(1)
        second_order = 0.5 * (total * total - (embeddings * embeddings).sum(1)).sum(1)
        flat = torch.cat([embeddings.reshape(len(dense), -1), dense], 1)
        logits = (self._first_order(flat) + self._network(flat)).squeeze(1) + second_order
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="sum")


class EmbeddingBagPeer(TorchPeer):
    """One `torch.nn.EmbeddingBag(sparse=True)` of bags of one id, and `torch.optim.Adagrad` on its sparse gradient."""

    def __init__(self, ids: Ids) -> None:
        super().__init__(ids)
        vectors = torch.from_numpy(initial_table(TABLE_ROWS))
        self._bag = torch.nn.EmbeddingBag(TABLE_ROWS, DIM, mode="sum", sparse=True, _weight=vectors)
        self._optimizer = torch.optim.Adagrad(
            self._bag.parameters(), EMBEDDING_RATE, initial_accumulator_value=INITIAL_ACCUMULATOR
        )
        self._offsets = torch.arange(BATCH * NUM_SLOTS)

    def prepared(self, batch: Batch) -> tuple[Any, ...]:
        rows = torch.from_numpy(hashed_rows(batch).ravel())
        return rows, torch.from_numpy(batch.dense), torch.from_numpy(batch.labels)

    def _embeddings(self, indices: Any) -> Any:
        self._optimizer.zero_grad(set_to_none=True)
        return self._bag(indices, self._offsets).view(-1, NUM_SLOTS, DIM)

    def _update(self) -> None:
        self._optimizer.step()


class CompiledPeer(EmbeddingBagPeer):
    """The same, with network and loss through `torch.compile`."""

    is_compiled = True


class FbgemmPeer(TorchPeer):
    """FBGEMM's table-batched embedding on the CPU: 26 features of one table, exact Adagrad fused into the backward pass."""

    def __init__(self, ids: Ids) -> None:
        super().__init__(ids)
        ops = importlib.import_module("fbgemm_gpu.split_table_batched_embeddings_ops_training")
        modes = importlib.import_module("fbgemm_gpu.split_table_batched_embeddings_ops_common").PoolingMode
        self._table = ops.SplitTableBatchedEmbeddingBagsCodegen(
            [(TABLE_ROWS, DIM, ops.EmbeddingLocation.HOST, ops.ComputeDevice.CPU)],
            feature_table_map=[0] * NUM_SLOTS,
            optimizer=ops.OptimType.EXACT_ADAGRAD,
            learning_rate=EMBEDDING_RATE,
            eps=0.0,
            pooling_mode=modes.SUM,
        )
        self._table.split_embedding_weights()[0].copy_(torch.from_numpy(initial_table(TABLE_ROWS)))
        self._table.split_optimizer_states()[0][0].fill_(INITIAL_ACCUMULATOR)
        self._offsets = torch.arange(BATCH * NUM_SLOTS + 1)

    def prepared(self, batch: Batch) -> tuple[Any, ...]:
        by_feature = np.ascontiguousarray(hashed_rows(batch).T).ravel()
        return torch.from_numpy(by_feature), torch.from_numpy(batch.dense), torch.from_numpy(batch.labels)

    def _embeddings(self, indices: Any) -> Any:
        return self._table(indices, self._offsets).view(-1, NUM_SLOTS, DIM)
