"""Freshet's training step, and the trainer's whole way from records of the log, on the same stream as its peers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from engine.embedding.hashing import hash_ids
from engine.features.encoded import EncodedBatch, SlotValues
from engine.spec.definition import ModelDefinition, Side
from engine.spec.example import Cause, Example, Origin
from engine.streams.log import StoredRecord
from engine.training.logged import parse_records
from engine.training.state import TrainingState
from engine.training.training_batch import RankingBatch
from tests.bench.criteo_like import NUM_DENSE, NUM_SLOTS, Batch

NUM_USER_SLOTS = NUM_SLOTS // 2


def definition(dim: int, hidden: list[int], batch_size: int) -> ModelDefinition:
    """Half of the columns are the user's, half the item's; the numbers are the user's."""
    sides = ["user"] * NUM_USER_SLOTS + ["item"] * (NUM_SLOTS - NUM_USER_SLOTS)
    slots = [
        {"name": f"c{number}", "number": number, "source": f"{side}.c{number}", "dim": dim}
        for number, side in enumerate(sides, 1)
    ]
    dense = [{"name": f"i{number}", "source": f"user.i{number}"} for number in range(1, NUM_DENSE + 1)]
    return ModelDefinition.parse(
        {
            "slots": slots,
            "dense": dense,
            "architecture": {"kind": "deepfm", "hidden": hidden},
            "training": {"batch_size": batch_size},
        }
    )


class EngineStep:
    """`TrainStep.learn` on encoded batches: distinct FIDs, table lookup, compiled step, sparse Adagrad in the table."""

    def __init__(self, state: TrainingState) -> None:
        self._state = state

    def prepared(self, batch: Batch) -> RankingBatch:
        num = len(batch.labels)
        rows = np.arange(num, dtype=np.int32)
        return RankingBatch(
            user=EncodedBatch(_slots(batch, 0, NUM_USER_SLOTS), batch.dense, num),
            items=EncodedBatch(_slots(batch, NUM_USER_SLOTS, NUM_SLOTS), np.empty((num, 0), np.float32), num),
            user_rows=rows,
            item_rows=rows,
            labels=batch.labels[:, np.newaxis],
            known=np.ones((num, 1), np.bool_),
            weights=np.ones(num, np.float32),
            sampling_rates=np.ones((num, 1), np.float32),
            is_sampled=np.zeros(num, np.bool_),
            seen_at_s=dict.fromkeys(Side, np.zeros(num, np.uint32)),
            kept=np.arange(num),
        )

    def learn(self, prepared: RankingBatch) -> float:
        """The mean loss of the batch before the update."""
        return self._state.step.learn(prepared).loss


class EngineTrainer:
    """As the online trainer has it: JSON records decoded, encoded, learned, counted."""

    def __init__(self, state: TrainingState) -> None:
        self._state = state

    def prepared(self, batch: Batch) -> list[StoredRecord]:
        examples = (_example(row, batch) for row in range(len(batch.labels)))
        return [
            StoredRecord(0, offset, example.user_id, example.to_bytes(), example.event_time_ms)
            for offset, example in enumerate(examples)
        ]

    def learn(self, prepared: list[StoredRecord]) -> float:
        """The mean loss of the batch before the update."""
        result = self._state.learn(parse_records(prepared))
        assert result is not None
        return result.loss


def _slots(batch: Batch, start: int, stop: int) -> dict[str, SlotValues]:
    offsets = np.arange(len(batch.labels) + 1, dtype=np.int32)
    return {
        f"c{slot + 1}": SlotValues(hash_ids(pa.array(batch.ids[:, slot]), slot + 1), offsets)
        for slot in range(start, stop)
    }


def _example(row: int, batch: Batch) -> Example:
    ids = batch.ids[row].tolist()
    user = {f"c{slot + 1}": ids[slot] for slot in range(NUM_USER_SLOTS)}
    user |= {f"i{number}": value for number, value in enumerate(batch.dense[row].tolist(), 1)}
    return Example(
        example_id=f"e{row}",
        user_id=f"u{ids[0]}",
        item_id=f"i{ids[-1]}",
        event_time_ms=1_000,
        origin=Origin.IMPRESSION,
        labels={"click": float(batch.labels[row])},
        cause=Cause(0, row, 1_000),
        user=user,
        item={f"c{slot + 1}": ids[slot] for slot in range(NUM_USER_SLOTS, NUM_SLOTS)},
    )
