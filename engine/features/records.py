"""One side's encoded inputs as records: what a request needs of an item, or of a user, in one run of memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.embedding.bag_layout import SlotGroup, lay_out
from engine.features.encoded import EncodedBatch, FidArray, FloatArray, OffsetArray, SlotValues
from engine.spec.definition import ModelDefinition, Side, Slot

Words = npt.NDArray[np.uint64]
Starts = npt.NDArray[np.int64]

_LENGTHS_A_WORD: Final = 4
_FLOATS_A_WORD: Final = 2


@dataclass(frozen=True, slots=True)
class Records:
    """Some rows' records: row i's begins at word `starts[i]` of `words` (`RecordLayout`). Neither is written to any more."""

    words: Words
    starts: Starts

    @property
    def num_rows(self) -> int:
        return len(self.starts)


class RecordLayout:
    """Where what stands in a record of one side of a definition.

    A record is 64-bit words: how many values each slot has, uint16 each; the dense inputs, float32 each; then the values, FIDs. Slots are
    in the order of `slots`: by dim, so that those of one table are neighbours, and of one dim in the definition's order.
    """

    def __init__(self, definition: ModelDefinition, side: Side) -> None:
        self.side = side
        self.slots: list[Slot] = sorted(definition.slots_of(side), key=lambda slot: slot.dim)
        self.num_dense = definition.num_dense(side)
        self._numbers = np.array([definition.number_of(slot) for slot in self.slots], np.uint16)
        self.num_length_words = -(-len(self.slots) // _LENGTHS_A_WORD)
        self.num_dense_words = -(-self.num_dense // _FLOATS_A_WORD)

    @property
    def num_header_words(self) -> int:
        """Words before the first value."""
        return self.num_length_words + self.num_dense_words

    def pack(self, batch: EncodedBatch) -> Records:
        """The records of a batch of the side, one after the other. O(values)."""
        num_rows, head = batch.num_rows, self.num_header_words
        fids, splits = self._by_row(batch)
        lengths = np.diff(splits).reshape(num_rows, len(self.slots))
        totals = lengths.sum(axis=1)
        starts = np.zeros(num_rows + 1, np.int64)
        np.cumsum(totals + head, out=starts[1:])
        words = np.empty(int(starts[-1]), np.uint64)
        heads = starts[:-1, np.newaxis] + np.arange(head)
        words[heads] = self._headers(lengths, batch.dense)
        before = np.arange(1, num_rows + 1) * head
        words[np.arange(fids.size) + np.repeat(before, totals)] = fids
        return Records(words, starts[:-1])

    def num_words(self, records: Records) -> Starts:
        """int64[n]: how long each record is."""
        lengths: Starts = self.lengths(records).sum(axis=1, dtype=np.int64) + self.num_header_words
        return lengths

    def lengths(self, records: Records) -> npt.NDArray[np.uint16]:
        """uint16[n, num_slots]: how many values each slot has."""
        places = records.starts[:, np.newaxis] + np.arange(self.num_length_words)
        lengths: npt.NDArray[np.uint16] = records.words[places].view(np.uint16)[:, : len(self.slots)]
        return lengths

    def dense(self, records: Records) -> FloatArray:
        """float32[n, num_dense]: as the encoder gives them, in the definition's order."""
        places = records.starts[:, np.newaxis] + np.arange(self.num_length_words, self.num_header_words)
        dense = records.words[places].view(np.float32)[:, : self.num_dense]
        return np.ascontiguousarray(dense)

    def unpack(self, records: Records) -> EncodedBatch:
        """The batch that `pack` was given, of some of its rows in any order. O(values)."""
        lengths = self.lengths(records).astype(np.int64)
        totals = lengths.sum(axis=1)
        ends = np.cumsum(totals)
        places = np.arange(int(totals.sum())) + np.repeat(
            records.starts + self.num_header_words - (ends - totals), totals
        )
        fids = records.words[places]
        slot_of = np.repeat(np.tile(np.arange(len(self.slots)), records.num_rows), lengths.ravel())
        order = np.argsort(slot_of, kind="stable")
        by_slot = np.split(fids[order], np.cumsum(lengths.sum(axis=0))[:-1]) if self.slots else []
        values = {
            slot.name: SlotValues(mine, _offsets(lengths[:, place]))
            for place, (slot, mine) in enumerate(zip(self.slots, by_slot, strict=True))
        }
        return EncodedBatch(values, self.dense(records), records.num_rows)

    def _by_row(self, batch: EncodedBatch) -> tuple[FidArray, Starts]:
        if not self.slots:
            return np.empty(0, np.uint64), np.zeros(1, np.int64)
        columns = [batch.slots[slot.name] for slot in self.slots]
        group = SlotGroup([each.fids for each in columns], [each.offsets for each in columns], self._numbers)
        fids, _, _, (splits,) = lay_out([group])
        return fids, splits

    def _headers(self, lengths: Starts, dense: FloatArray) -> Words:
        num_rows = len(dense)
        packed = np.zeros((num_rows, self.num_length_words * _LENGTHS_A_WORD), np.uint16)
        packed[:, : len(self.slots)] = lengths
        floats = np.zeros((num_rows, self.num_dense_words * _FLOATS_A_WORD), np.float32)
        floats[:, : self.num_dense] = dense
        return np.concatenate([packed.view(np.uint64), floats.view(np.uint64)], axis=1)


def _offsets(lengths: Starts) -> OffsetArray:
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return offsets
