"""One user beside each of its candidates, as a batch of both sides."""

from __future__ import annotations

import numpy as np

from engine.features.encoded import EncodedBatch, repeat_encoded
from engine.spec.definition import ModelDefinition, Side, side_of


def pair(definition: ModelDefinition, user: EncodedBatch, items: EncodedBatch) -> EncodedBatch:
    """`user` (one row, user side) repeated beside each of the n rows of `items` (item side): n rows of every slot and dense."""
    repeated = repeat_encoded(user, items.num_rows)
    dense = np.empty((items.num_rows, len(definition.dense)), np.float32)
    sides = [side_of(each.source) for each in definition.dense]
    for side, batch in ((Side.USER, repeated), (Side.ITEM, items)):
        dense[:, [index for index, of in enumerate(sides) if of is side]] = batch.dense
    return EncodedBatch({**repeated.slots, **items.slots}, dense, items.num_rows)
