"""PyTorch and FBGEMM, which have no keys: they are given row numbers, and hold as many rows as they were made for."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from tests.bench.contestants import INITIAL_ACCUMULATOR, LEARNING_RATE
from tests.bench.engine_reference import DIM, Fids, Floats, Rows

torch: Any = importlib.import_module("torch")


class EmbeddingBag:
    """`torch.nn.EmbeddingBag` of single ids, and `torch.optim.Adagrad` on a sparse gradient that is given, so that no
    backward pass is counted."""

    is_called_from_threads = False

    def __init__(self, num_rows: int) -> None:
        self._bag = torch.nn.EmbeddingBag(num_rows, DIM, mode="sum", sparse=True, _weight=torch.empty(num_rows, DIM))
        self._num = 0
        self._optimizer: Any = None

    def insert(self, fids: Fids, vectors: Floats) -> None:
        with torch.no_grad():
            self._bag.weight[self._num : self._num + len(fids)] = torch.from_numpy(vectors)
        self._num += len(fids)

    def start_learning(self) -> None:
        self._optimizer = torch.optim.Adagrad(
            self._bag.parameters(), LEARNING_RATE, initial_accumulator_value=INITIAL_ACCUMULATOR
        )

    def lookup(self, fids: Fids, rows: Rows) -> Any:
        ids = torch.from_numpy(rows.view(np.int32))
        with torch.inference_mode():
            return self._bag(ids, torch.arange(len(rows), dtype=torch.int32))

    def learn(self, fids: Fids, rows: Rows, grads: Floats) -> None:
        ids = torch.from_numpy(rows.astype(np.int64))[None]
        weight = self._bag.weight
        weight.grad = torch.sparse_coo_tensor(ids, torch.from_numpy(grads), weight.shape, check_invariants=False)
        self._optimizer.step()


class TableBatchedEmbedding:
    """FBGEMM's table-batched embedding on the CPU: forward, and the backward pass with exact Adagrad fused into it."""

    is_called_from_threads = False

    def __init__(self, num_rows: int) -> None:
        ops = importlib.import_module("fbgemm_gpu.split_table_batched_embeddings_ops_training")
        modes = importlib.import_module("fbgemm_gpu.split_table_batched_embeddings_ops_common").PoolingMode
        self._table = ops.SplitTableBatchedEmbeddingBagsCodegen(
            [(num_rows, DIM, ops.EmbeddingLocation.HOST, ops.ComputeDevice.CPU)],
            optimizer=ops.OptimType.EXACT_ADAGRAD,
            learning_rate=LEARNING_RATE,
            eps=0.0,
            pooling_mode=modes.SUM,
        )
        self._weight = self._table.split_embedding_weights()[0]
        self._num = 0

    def insert(self, fids: Fids, vectors: Floats) -> None:
        self._weight[self._num : self._num + len(fids)] = torch.from_numpy(vectors)
        self._num += len(fids)

    def start_learning(self) -> None:
        self._table.split_optimizer_states()[0][0].fill_(INITIAL_ACCUMULATOR)

    def lookup(self, fids: Fids, rows: Rows) -> Any:
        with torch.no_grad():
            return self._forward(rows)

    def learn(self, fids: Fids, rows: Rows, grads: Floats) -> None:
        self._forward(rows).backward(torch.from_numpy(grads))

    def _forward(self, rows: Rows) -> Any:
        return self._table(torch.from_numpy(rows.astype(np.int64)), torch.arange(len(rows) + 1))
