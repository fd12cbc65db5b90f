"""The ranker of a replayed click log: its model definition, and candidates encoded as the definition says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.evaluation.replay.click_log import ClickLog
from engine.evaluation.replay.features import Asked, CandidateFeatures
from engine.evaluation.replay.moments import HOUR_MS
from engine.features.encoded import EncodedBatch, SlotValues
from engine.features.encoder import FeatureEncoder
from engine.spec.definition import ModelDefinition, Side

Places = npt.NDArray[np.int64]

DIM: Final = 16
_HISTORY_SLOT, _SESSION_SLOT = "history", "session"


def ranker_definition(
    counters: Sequence[str], context: Sequence[str], *, hidden: Sequence[int] = (128, 64), seed: int = 17
) -> ModelDefinition:
    """A deepfm, learned by listwise softmax: item, the session's and the user's last items, the click's context, `counters` of the pair.

    With no counters it knows ids only. Nothing in it names a data set.
    """
    slots: list[dict[str, Any]] = [
        {"name": "item", "number": 1, "source": "item.id", "dim": DIM},
        {"name": _HISTORY_SLOT, "number": 2, "source": "user.history", "dim": DIM, "shares": "item"},
        {"name": _SESSION_SLOT, "number": 3, "source": "event.session", "dim": DIM, "max_values": 5, "shares": "item"},
        {"name": "last", "number": 4, "source": "event.last", "dim": DIM},
        {"name": "stage", "number": 5, "source": "event.stage", "dim": DIM},
        {"name": "hour", "number": 6, "source": "event.hour", "dim": DIM},
    ]
    names = [property_name(each) for each in context]
    slots += [
        {"name": f"context_{name}", "number": 7 + place, "source": f"event.{name}", "dim": DIM}
        for place, name in enumerate(names)
    ]
    dense = [{"name": name, "source": f"counter.{name}", "transform": "log1p"} for name in map(property_name, counters)]
    return ModelDefinition.parse(
        {
            "slots": slots,
            "dense": dense,
            "tasks": [{"loss": "listwise"}],
            "architecture": {"kind": "deepfm", "hidden": list(hidden)},
            "training": {"seed": seed},
        }
    )


def property_name(column: str) -> str:
    """A column's name as a schema would have it: lower case letters, digits and underscores."""
    name = re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")
    return name if name[:1].isalpha() else f"p_{name}"


@dataclass(frozen=True, slots=True)
class Pairs:
    """p encoded pairs of a click (`user` row `user_rows[i]`) and a candidate (`items` row `item_rows[i]`), int32[p] each.

    `pairs` holds what belongs to both, None where the definition has none. `is_target` bool[p]: the item that was clicked.
    `clicks` int64[m]: places in the log of the m rows of `user`.
    """

    user: EncodedBatch
    items: EncodedBatch
    pairs: EncodedBatch | None
    user_rows: npt.NDArray[np.int32]
    item_rows: npt.NDArray[np.int32]
    is_target: npt.NDArray[np.bool_]
    clicks: Places

    @property
    def num_pairs(self) -> int:
        return self.user_rows.size


class PairEncoder:
    """Encodes clicks and candidates of one log with the product's own encoder, whole columns at a time."""

    def __init__(self, definition: ModelDefinition, log: ClickLog, features: CandidateFeatures) -> None:
        self._encoder = FeatureEncoder(definition)
        self._log = log
        self._features = features
        self._item_ids = pa.array(log.item_ids, pa.string())
        self._context = {
            f"event.{property_name(name)}": (log.context[name], pa.array(values, pa.string()))
            for name, values in log.context_values.items()
        }
        self._counters = [f"counter.{property_name(name)}" for name in features.names]
        self.needs_counters = bool(self._encoder.sources(Side.PAIR))

    def encode(self, asked: Asked, rows: Places, columns: Places, values: npt.NDArray[np.float32] | None) -> Pairs:
        """Pairs (row of `asked`, column in play) with their numbers float32[p, f], as `CandidateFeatures.of_pairs` has them."""
        used_rows, user_rows = np.unique(rows, return_inverse=True)
        used_columns, item_rows = np.unique(columns, return_inverse=True)
        clicks = asked.clicks[used_rows]
        items = self._features.active.items
        ids = self._item_ids.take(items[used_columns])
        pairs = None
        if self.needs_counters and values is not None:
            counted = {name: pa.array(values[:, place]) for place, name in enumerate(self._counters)}
            pairs = self._encoder.encode(counted, rows.size, Side.PAIR)
        return Pairs(
            user=self._encoder.encode(self._user_columns(asked, used_rows), clicks.size, Side.USER),
            items=self._encoder.encode({"item.id": ids}, used_columns.size, Side.ITEM),
            pairs=pairs,
            user_rows=user_rows.ravel().astype(np.int32),
            item_rows=item_rows.ravel().astype(np.int32),
            is_target=items[columns] == self._log.items[asked.clicks[rows]],
            clicks=clicks,
        )

    def _user_columns(self, asked: Asked, rows: Places) -> dict[str, pa.Array[Any]]:
        clicks = asked.clicks[rows]
        columns: dict[str, pa.Array[Any]] = {
            "user.history": self._lists(asked.history[rows]),
            "event.session": self._lists(asked.session[rows]),
            "event.last": self._lists(asked.session[rows, :1]),
            "event.stage": pa.array(asked.stage[rows]),
            "event.hour": pa.array(self._log.times_ms[clicks] // HOUR_MS % 24),
        }
        for source, (codes, values) in self._context.items():
            columns[source] = values.take(codes[clicks])
        return columns

    def _lists(self, newest_first: Places) -> pa.Array[Any]:
        """One list of item ids for each row, oldest first."""
        oldest_first = newest_first[:, ::-1]
        present = oldest_first >= 0
        offsets = np.zeros(present.shape[0] + 1, np.int32)
        np.cumsum(present.sum(axis=1), out=offsets[1:])
        lists: pa.Array[Any] = pa.ListArray.from_arrays(
            pa.array(offsets, pa.int32()), self._item_ids.take(oldest_first[present])
        )
        return lists


def joined(parts: Sequence[Pairs]) -> Pairs:
    """Several encoded sets of pairs as one, in order."""
    if len(parts) == 1:
        return parts[0]
    user_starts = np.cumsum([0] + [part.user.num_rows for part in parts[:-1]])
    item_starts = np.cumsum([0] + [part.items.num_rows for part in parts[:-1]])
    pairs = [part.pairs for part in parts if part.pairs is not None]
    return Pairs(
        user=_joined_batches([part.user for part in parts]),
        items=_joined_batches([part.items for part in parts]),
        pairs=_joined_batches(pairs) if pairs else None,
        user_rows=_shifted([part.user_rows for part in parts], user_starts),
        item_rows=_shifted([part.item_rows for part in parts], item_starts),
        is_target=np.concatenate([part.is_target for part in parts]),
        clicks=np.concatenate([part.clicks for part in parts]),
    )


def _shifted(parts: list[npt.NDArray[np.int32]], starts: Places) -> npt.NDArray[np.int32]:
    return np.concatenate([part + np.int32(start) for part, start in zip(parts, starts, strict=True)])


def _joined_batches(batches: Sequence[EncodedBatch]) -> EncodedBatch:
    slots = {}
    for name in batches[0].slots:
        values = [batch.slots[name] for batch in batches]
        lengths = np.concatenate([value.lengths for value in values])
        offsets = np.zeros(lengths.size + 1, np.int32)
        np.cumsum(lengths, out=offsets[1:])
        slots[name] = SlotValues(np.concatenate([value.fids for value in values]), offsets)
    dense = np.concatenate([batch.dense for batch in batches])
    return EncodedBatch(slots, dense, sum(batch.num_rows for batch in batches))


def target_ranks(pairs: Pairs, scores: npt.NDArray[np.float32], missing: int) -> Places:
    """int64[m]: the place from 0 of each click's item among its candidates; `missing` where it is no candidate.

    Equal scores count half of those that tie, rounded down.
    """
    num_clicks = pairs.user.num_rows
    own = np.full(num_clicks, np.inf, np.float32)
    own[pairs.user_rows[pairs.is_target]] = scores[pairs.is_target]
    of_row = own[pairs.user_rows]
    above = np.bincount(pairs.user_rows, weights=scores > of_row, minlength=num_clicks)
    ties = np.bincount(pairs.user_rows, weights=scores == of_row, minlength=num_clicks)
    ranks = (above + np.maximum(ties - 1, 0) // 2).astype(np.int64)
    return np.where(np.isfinite(own), ranks, missing)
