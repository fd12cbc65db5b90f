"""The embedding table once more, as plainly as it can be said, to hold the C++ one to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xxhash
from numpy.typing import NDArray

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix64(x: int) -> int:
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


@dataclass
class Row:
    slot: int
    vector: NDArray[np.float32]
    accumulator: NDArray[np.float32]


class ReferenceTable:
    """A dictionary of rows, a set of FIDs that changed (`pending`) and a set of those exported (`in_flight`)."""

    def __init__(self, dim: int, seed: int, init_scale: float, initial_accumulator: float) -> None:
        self.dim = dim
        self.seed = seed
        self.init_scale = np.float32(init_scale)
        self.initial_accumulator = np.float32(initial_accumulator)
        self.rows: dict[int, Row] = {}
        self.pending: set[int] = set()
        self.in_flight: set[int] = set()

    def new_row(self, fid: int, slot: int) -> Row:
        step = np.float32(self.init_scale * np.float32(2.0**-24))
        state = mix64(mix64((self.seed + GOLDEN) & MASK) ^ fid)
        values = []
        for _ in range(self.dim):
            state = (state + GOLDEN) & MASK
            values.append(np.float32(2 * (mix64(state) >> 40) + 1 - 2**24) * step)
        return Row(slot, np.array(values, np.float32), np.full(self.dim, self.initial_accumulator))

    def lookup(self, fids: Sequence[int]) -> NDArray[np.float32]:
        zeros = np.zeros(self.dim, np.float32)
        vectors = [self.rows[fid].vector if fid in self.rows else zeros for fid in fids]
        return np.array(vectors, np.float32).reshape(-1, self.dim)

    def create(self, fids: Sequence[int], slots: Sequence[int]) -> None:
        for fid, slot in zip(fids, slots, strict=True):
            if fid not in self.rows:
                self.rows[fid] = self.new_row(fid, slot)
                self.pending.add(fid)

    def apply_gradients(
        self, fids: Sequence[int], grads: NDArray[np.float32], learning_rate: float
    ) -> tuple[int, int, int]:
        sums: dict[int, NDArray[np.float32]] = {}
        counts: dict[int, int] = {}
        num_applied = num_absent = num_rejected = 0
        with np.errstate(over="ignore", invalid="ignore"):
            for fid, grad in zip(fids, grads, strict=True):
                if fid not in self.rows:
                    num_absent += 1
                elif not np.isfinite(grad).all():
                    num_rejected += 1
                else:
                    sums[fid] = sums[fid] + grad if fid in sums else grad
                    counts[fid] = counts.get(fid, 0) + 1
            for fid, total in sums.items():
                row = self.rows[fid]
                accumulator = row.accumulator + total * total
                if not np.isfinite(accumulator).all():
                    num_rejected += counts[fid]
                    continue
                row.accumulator = accumulator
                step = np.float32(learning_rate) * total / np.sqrt(accumulator)
                row.vector = (row.vector - step).astype(np.float32)
                num_applied += counts[fid]
                self.pending.add(fid)
        return num_applied, num_absent, num_rejected

    def upsert(self, fids: Sequence[int], slots: Sequence[int], vectors: NDArray[np.float32]) -> None:
        for fid, slot, vector in zip(fids, slots, vectors, strict=True):
            row = self.rows.setdefault(fid, self.new_row(fid, slot))
            row.slot = slot
            row.vector = vector.copy()

    def assign(self, fids: Sequence[int], slots: Sequence[int], vectors: NDArray[np.float32]) -> None:
        self.upsert(fids, slots, vectors)
        self.pending.update(fids)

    def erase(self, fids: Sequence[int]) -> int:
        gone = {fid for fid in fids if fid in self.rows}
        for fid in gone:
            del self.rows[fid]
        self.pending |= gone
        return len(gone)

    def apply_delta(
        self, fids: Sequence[int], slots: Sequence[int], vectors: NDArray[np.float32], deleted: Sequence[int]
    ) -> None:
        for fid in deleted:
            self.rows.pop(fid, None)
        self.upsert(fids, slots, vectors)

    def export(self, fids: set[int]) -> None:
        self.pending -= fids
        self.in_flight |= fids

    def acknowledge(self) -> None:
        self.in_flight.clear()

    def restore(self) -> None:
        self.pending |= self.in_flight
        self.in_flight.clear()

    def digest(self) -> int:
        return sum(xxhash.xxh64_intdigest(row.vector.tobytes(), fid) for fid, row in self.rows.items()) & MASK
