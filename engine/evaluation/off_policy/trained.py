"""Freshet's ranking model of the reward, learned from impressions as the product learns from them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.evaluation.off_policy.log import ChoiceLog
from engine.evaluation.replay.ranker import property_name
from engine.features.columns import columns_for_items, columns_from_examples
from engine.models.forward import Predictor
from engine.spec.definition import ModelDefinition, Side
from engine.spec.example import Cause, Example, Origin
from engine.training.logged import LoggedExamples
from engine.training.state import TrainingState

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

NUM_EPOCHS: Final = 3
_CAUSE: Final = Cause(0, 0, 0)
_ROWS_AT_ONCE: Final = 1024


def reward_definition(log: ChoiceLog, seed: int) -> ModelDefinition:
    """A factorisation machine over item, stratum and features: few weights, for rewards are rare."""
    sources = ["item.id", "event.stratum", *(f"user.{property_name(name)}" for name in log.features)]
    slots: list[dict[str, Any]] = [
        {"name": source.replace(".", "_"), "number": number, "source": source, "dim": 8}
        for number, source in enumerate(sources, 1)
    ]
    training = {"batch_size": 256, "seed": seed}
    return ModelDefinition.parse({"slots": slots, "architecture": {"kind": "fm"}, "training": training})


def trained_rewards(
    log: ChoiceLog, folds: npt.NDArray[np.int64], definition: ModelDefinition | None, seed: int
) -> Floats:
    """float64[n, num_items]: the probability of a reward by a model that learned from the rows of other folds, in order."""
    predicted = np.empty((len(log), log.num_items))
    for fold in np.unique(folds):
        model = _Learned(log, definition or reward_definition(log, seed))
        for _ in range(NUM_EPOCHS):
            model.learn(np.flatnonzero(folds != fold))
        mine = np.flatnonzero(folds == fold)
        predicted[mine] = model.predict(mine)
    return predicted


class _Learned:
    def __init__(self, log: ChoiceLog, definition: ModelDefinition) -> None:
        self._log = log
        self._state = TrainingState(definition)
        self._done = 0

    def learn(self, rows: Rows) -> None:
        size = self._state.definition.training.batch_size
        for start in range(0, rows.size, size):
            examples = self._examples(rows[start : start + size])
            offsets = self._done + np.arange(len(examples), dtype=np.int64)
            self._done += len(examples)
            self._state.learn(LoggedExamples(examples, np.zeros(len(examples), np.int64), offsets))

    def predict(self, rows: Rows) -> Floats:
        encoder = self._state.encoder
        predictor = Predictor(self._state.definition, self._state.store, self._state.architecture)
        ids = self._log.item_ids
        columns = columns_for_items(ids, [{}] * len(ids), encoder.sources(Side.ITEM))
        items = encoder.encode(columns, len(ids), Side.ITEM)
        parts = []
        for start in range(0, rows.size, _ROWS_AT_ONCE):
            examples = self._examples(rows[start : start + _ROWS_AT_ONCE])
            asked = columns_from_examples(examples, encoder.sources(Side.USER))
            user = encoder.encode(asked, len(examples), Side.USER)
            user_rows = np.repeat(np.arange(len(examples), dtype=np.int32), len(ids))
            item_rows = np.tile(np.arange(len(ids), dtype=np.int32), len(examples))
            parts.append(predictor.pair_scores(user, items, user_rows, item_rows).reshape(len(examples), len(ids)))
        return np.concatenate(parts).astype(np.float64)

    def _examples(self, rows: Rows) -> list[Example]:
        log = self._log
        return [
            Example(
                example_id="",
                user_id="",
                item_id=log.item_ids[log.items[row]],
                event_time_ms=0,
                origin=Origin.IMPRESSION,
                labels={"click": float(log.rewards[row])},
                cause=_CAUSE,
                user={property_name(name): values[codes[row]] for name, (codes, values) in log.features.items()},
                event={"stratum": log.stratum_ids[log.strata[row]]},
            )
            for row in rows.tolist()
        ]
