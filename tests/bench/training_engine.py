"""Freshet in `make bench-training`: its step, its encoding from Parquet, and the trainer's whole way from records of the log."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.embedding.hashing import hash_ids
from engine.embedding.table import Plan
from engine.features.encoded import EncodedBatch, FloatArray, SlotValues
from engine.features.encoder import FeatureEncoder
from engine.features.parquet import read_columns
from engine.spec.definition import ModelDefinition, Side
from engine.spec.example import Cause, Example, Origin
from engine.streams.log import StoredRecord
from engine.training.logged import parse_records
from engine.training.state import TrainingState
from engine.training.train_step import PlannedBatch
from engine.training.training_batch import RankingBatch
from tests.bench.criteo_like import NUM_DENSE, NUM_SLOTS, Batch, Ids, cardinalities
from tests.bench.training_setting import (
    BATCH,
    DENSE_RATE,
    DIM,
    EMBEDDING_RATE,
    HIDDEN,
    INITIAL_ACCUMULATOR,
    Learner,
)

NUM_USER_SLOTS = NUM_SLOTS // 2
PIECE_IDS = 65_536


def definition(precision: str) -> ModelDefinition:
    """Half of the columns are the user's, half the item's; the numbers are the user's. Optimizers as the peers have them."""
    sides = ["user"] * NUM_USER_SLOTS + ["item"] * (NUM_SLOTS - NUM_USER_SLOTS)
    slots = [
        {"name": f"c{number}", "number": number, "source": f"{side}.c{number}", "dim": DIM}
        for number, side in enumerate(sides, 1)
    ]
    dense = [{"name": f"i{number}", "source": f"user.i{number}"} for number in range(1, NUM_DENSE + 1)]
    adagrad = {"kind": "adagrad", "initial_accumulator": INITIAL_ACCUMULATOR}
    return ModelDefinition.parse(
        {
            "slots": slots,
            "dense": dense,
            "architecture": {"kind": "deepfm", "hidden": list(HIDDEN)},
            "sparse_optimizer": adagrad | {"learning_rate": EMBEDDING_RATE},
            "dense_optimizer": adagrad | {"learning_rate": DENSE_RATE},
            "training": {"batch_size": BATCH, "precision": precision},
        }
    )


class EngineStep(Learner):
    """`TrainStep.learn` on encoded batches: distinct FIDs, table lookup, compiled step, sparse Adagrad in the table."""

    def __init__(self, precision: str) -> None:
        self.state = TrainingState(definition(precision))
        (self._table,) = self.state.store.tables.values()
        self._plans = tuple({name: Plan() for name in self.state.store.tables} for _ in range(2))

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
        return self.state.step.learn(prepared).loss

    def learn_all(self, prepared: Sequence[RankingBatch]) -> list[float | None]:
        """The next batch is planned while one is learned, as `ReadAhead` does for a batch run."""
        step, losses = self.state.step, []
        with ThreadPoolExecutor(1) as worker:
            ahead = worker.submit(self._planned, prepared[0], 0)
            for number, batch in enumerate(prepared):
                planned = ahead.result()
                if number + 1 < len(prepared):
                    ahead = worker.submit(self._planned, prepared[number + 1], number + 1)
                losses.append(step.learn(batch, planned).loss)
        return list(losses)

    def _planned(self, batch: RankingBatch, number: int) -> PlannedBatch:
        return self.state.step.plan({Side.USER: batch.user, Side.ITEM: batch.items}, self._plans[number % 2])

    def fill(self, ids: Ids) -> None:
        for slot, count in enumerate(cardinalities(ids), 1):
            for start in range(0, int(count), PIECE_IDS):
                fids = hash_ids(pa.array(np.arange(start, min(start + PIECE_IDS, int(count)))), slot)
                self._table.sight(fids, np.full(len(fids), slot, np.uint16), 0)
        self._table.forget_touched()

    def scored(self, prepared: RankingBatch) -> tuple[FloatArray, FloatArray]:
        """Probabilities and labels from before the update, which follows."""
        result = self.state.step.learn(prepared)
        return result.scores, result.labels

    def figures(self) -> dict[str, float]:
        return {"compiled_s": self.state.step.compiled_s, "num_rows": len(self._table)}


class Float32Step(EngineStep):
    def __init__(self, ids: Ids) -> None:
        super().__init__("float32")


class MixedStep(EngineStep):
    def __init__(self, ids: Ids) -> None:
        super().__init__("bfloat16_mixed")


@dataclass(frozen=True, slots=True)
class Piece:
    """A batch's place among those that lie in one file."""

    number: int


class FromParquet(Learner):
    """Learns nothing: reads a file of the batches and encodes them, as a batch run's first half does."""

    def __init__(self, ids: Ids) -> None:
        self._encoder = FeatureEncoder(definition("float32"))
        self._folder = tempfile.TemporaryDirectory()
        self._path = Path(self._folder.name) / "examples.parquet"
        self._tables: list[pa.Table] = []

    def prepared(self, batch: Batch) -> Piece:
        columns: dict[str, Any] = {f"c{slot + 1}": batch.ids[:, slot] for slot in range(NUM_SLOTS)}
        columns |= {f"i{number + 1}": batch.dense[:, number] for number in range(NUM_DENSE)}
        self._tables.append(pa.table(columns))
        return Piece(len(self._tables) - 1)

    def learn(self, prepared: Piece) -> None:
        if prepared.number == 0:
            if self._tables:
                pq.write_table(pa.concat_tables(self._tables), self._path, row_group_size=64 * BATCH)
                self._tables = []
            column_of = {source: source.partition(".")[2] for source in self._encoder.sources()}
            self._batches = read_columns(self._path, column_of, BATCH)
        self._encoder.encode(*next(self._batches))


class Trainer(Learner):
    """As the online trainer has it: JSON records decoded, encoded, learned, counted."""

    def __init__(self, ids: Ids) -> None:
        self._state = TrainingState(definition("float32"))

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
