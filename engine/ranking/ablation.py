"""Batches in which one input is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.features.encoded import EncodedBatch
from engine.features.ids import nothing
from engine.spec.definition import DenseInput


def without_slot(batch: EncodedBatch, name: str) -> EncodedBatch:
    """The batch with no value in the slot."""
    return replace(batch, slots={**batch.slots, name: nothing(batch.num_rows)})


def without_dense(batch: EncodedBatch, inputs: list[DenseInput], name: str) -> EncodedBatch:
    """The batch with the dense input `name` missing, as the encoder writes it; `inputs` are those of the batch's side, in its order."""
    start = 0
    dense = batch.dense.copy()
    for each in inputs:
        if each.name == name:
            dense[:, start : start + each.dim] = np.nan if each.transform.standardises else 0.0
        start += each.dim
    return replace(batch, dense=dense)
