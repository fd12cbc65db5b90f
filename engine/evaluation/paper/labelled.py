"""Labelled rows, and Freshet's ranking model learning from them in the order given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.evaluation.replay.ranker import property_name
from engine.features.encoded import EncodedBatch
from engine.models.forward import Predictor
from engine.spec.definition import ModelDefinition, Side
from engine.training.state import TrainingState
from engine.training.training_batch import RankingBatch

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

_ROWS_AT_ONCE: Final = 8192


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """n rows: Arrow columns by source (`user.id`, `item.id`, `event.<name>`), and labels 0 or 1, float32[n]."""

    columns: Mapping[str, pa.Array[Any]]
    labels: Floats

    def __len__(self) -> int:
        return self.labels.size

    @property
    def ids(self) -> list[str]:
        """Sources of categories; the others are numbers."""
        return [source for source, column in self.columns.items() if pa.types.is_string(column.type)]

    @property
    def numbers(self) -> list[str]:
        return [source for source in self.columns if source not in self.ids]


def source_of(column: str, user: str | None = None, item: str | None = None) -> str:
    """What a column is to a definition: the user, the item, or a property of the event."""
    if column == user:
        return "user.id"
    return "item.id" if column == item else f"event.{property_name(column)}"


def labelled_definition(
    rows: LabelledRows, *, dim: int, hidden: Sequence[int], batch_size: int, seed: int
) -> ModelDefinition:
    """A deepfm over all of the columns: ids in slots of `dim`, numbers log-scaled."""
    slots = [
        {"name": source.replace(".", "_"), "number": number, "source": source, "dim": dim}
        for number, source in enumerate(rows.ids, 1)
    ]
    dense = [{"name": source.replace(".", "_"), "source": source, "transform": "log1p"} for source in rows.numbers]
    return ModelDefinition.parse(
        {
            "slots": slots,
            "dense": dense,
            "architecture": {"kind": "deepfm", "hidden": list(hidden)},
            "training": {"batch_size": batch_size, "seed": seed},
        }
    )


class Learner:
    """A training state that learns from rows of one table, encoded once."""

    def __init__(self, rows: LabelledRows, definition: ModelDefinition) -> None:
        self.state = TrainingState(definition)
        self._rows = rows
        encoder = self.state.encoder
        self._sources = {side: encoder.sources(side) for side in (Side.USER, Side.ITEM)}
        self.predictor = Predictor(definition, self.state.store, self.state.architecture)

    def learn(self, places: Rows) -> None:
        """One step for each batch of the places, in order."""
        size = self.state.definition.training.batch_size
        for start in range(0, places.size, size):
            self.state.step.learn(self._batch(places[start : start + size]))

    def scores(self, places: Rows, predictor: Predictor | None = None) -> Floats:
        """float32[m]: probabilities by this learner's weights of now, or by another predictor of the same definition."""
        if predictor is None:
            predictor = self.predictor
            predictor.follow(self.state.architecture)
        parts = [np.empty(0, np.float32)]
        for start in range(0, places.size, _ROWS_AT_ONCE):
            chosen = places[start : start + _ROWS_AT_ONCE]
            user, items = (self._encode(chosen, side) for side in (Side.USER, Side.ITEM))
            every = np.arange(chosen.size, dtype=np.int32)
            parts.append(predictor.pair_scores(user, items, every, every))
        return np.concatenate(parts)

    def _encode(self, places: Rows, side: Side) -> EncodedBatch:
        columns = {source: self._rows.columns[source].take(places) for source in self._sources[side]}
        return self.state.encoder.encode(columns, places.size, side)

    def _batch(self, places: Rows) -> RankingBatch:
        num = places.size
        every = np.arange(num, dtype=np.int32)
        return RankingBatch(
            user=self._encode(places, Side.USER),
            items=self._encode(places, Side.ITEM),
            user_rows=every,
            item_rows=every,
            labels=self._rows.labels[places][:, np.newaxis],
            known=np.ones((num, 1), np.bool_),
            weights=np.ones(num, np.float32),
            sampling_rates=np.ones((num, 1), np.float32),
            is_sampled=np.zeros(num, np.bool_),
            seen_at_s=dict.fromkeys(Side, np.zeros(num, np.uint32)),
            kept=np.arange(num),
        )
