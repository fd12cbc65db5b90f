"""What an encoder answers: FIDs per slot with row offsets, and a matrix of dense floats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FidArray = npt.NDArray[np.uint64]
OffsetArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SlotValues:
    """The FIDs of one slot: row i has `fids[offsets[i]:offsets[i + 1]]`. `fids` uint64[nnz], `offsets` int32[n + 1]."""

    fids: FidArray
    offsets: OffsetArray

    @property
    def lengths(self) -> OffsetArray:
        return np.diff(self.offsets)


@dataclass(frozen=True, slots=True)
class EncodedBatch:
    """`num_rows` rows of one side, or of both: `slots` by slot name, `dense` float32[num_rows, num_dense].

    The columns of `dense` are the definition's dense inputs of the encoded side (or all), in the definition's order.
    """

    slots: dict[str, SlotValues]
    dense: FloatArray
    num_rows: int


def repeat_encoded(batch: EncodedBatch, num_rows: int) -> EncodedBatch:
    """A batch of one row as `num_rows` equal rows."""
    if batch.num_rows != 1:
        raise ValueError(f"only a batch of one row can be repeated, received {batch.num_rows}")
    slots = {
        name: SlotValues(
            np.tile(values.fids, num_rows), np.arange(num_rows + 1, dtype=np.int32) * np.int32(values.fids.size)
        )
        for name, values in batch.slots.items()
    }
    return EncodedBatch(slots, np.repeat(batch.dense, num_rows, axis=0), num_rows)


def followed_by(first: EncodedBatch, second: EncodedBatch) -> EncodedBatch:
    """The rows of two batches of the same side, those of `first` before the others."""
    slots = {
        name: SlotValues(
            np.concatenate([values.fids, second.slots[name].fids]),
            np.concatenate([values.offsets, values.offsets[-1] + second.slots[name].offsets[1:]]),
        )
        for name, values in first.slots.items()
    }
    return EncodedBatch(slots, np.concatenate([first.dense, second.dense]), first.num_rows + second.num_rows)
