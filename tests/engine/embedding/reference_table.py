"""The embedding table once more, as plainly as it can be said, to hold the C++ one to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.embedding.options import TableOptions
from engine.spec.initializer import Uniform
from engine.spec.slot import AdmitMinCount
from engine.spec.sparse_optimizer import SparseAdagrad

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15
MAX_COUNT = 127


def mix64(x: int) -> int:
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def row_digest(fid: int, encoded: bytes) -> int:
    """The definition in row_digest.h, for rows of at most one chunk."""
    padded = encoded + b"\0" * (-len(encoded) % 8)
    words = [int.from_bytes(padded[at : at + 8], "little") for at in range(0, len(padded), 8)]
    keys = [mix64((0x243F6A8885A308D3 + (i + 1) * GOLDEN) & MASK) for i in range(len(words) + 8)]
    low = 2**32 - 1

    def nh(shift: int) -> int:
        total = 0
        for word, key in zip(words, keys[shift:], strict=False):
            total += ((word & low) + (key & low) & low) * ((word >> 32) + (key >> 32) & low)
        return total & MASK

    term = mix64(fid ^ 0x13198A2E03707344)
    turned = (term << 32 | term >> 32) & MASK
    product = (term + nh(0) & MASK) * (turned + nh(8) + len(encoded) & MASK)
    return mix64((product >> 64) ^ (product & MASK))


@dataclass
class Row:
    slot: int
    vector: NDArray[np.float32]
    accumulator: NDArray[np.float32]
    seen_at_s: int = 0
    count: int = 0


@dataclass
class Waiting:
    """A candidate: how often it was seen, and since when its window runs."""

    count: int
    since_s: int


class ReferenceTable:
    """A dictionary of rows, a set of FIDs that changed (`pending`) and a set of those exported (`in_flight`). Adagrad only."""

    def __init__(self, options: TableOptions) -> None:
        optimizer = options.optimizer
        assert isinstance(optimizer, SparseAdagrad)
        assert isinstance(optimizer.initializer, Uniform)
        self.dim = options.dim
        self.seed = options.seed
        self.init_scale = np.float32(optimizer.initializer.scale)
        self.initial_accumulator = np.float32(optimizer.initial_accumulator)
        self.rules = {rule.slot: rule for rule in options.rules}
        self.rows: dict[int, Row] = {}
        self.waiting: dict[int, Waiting] = {}
        self.pending: set[int] = set()
        self.in_flight: set[int] = set()

    def initial(self, fid: int) -> NDArray[np.float32]:
        step = np.float32(self.init_scale * np.float32(2.0**-24))
        state = mix64(mix64((self.seed + GOLDEN) & MASK) ^ fid)
        values = []
        for _ in range(self.dim):
            state = (state + GOLDEN) & MASK
            values.append(np.float32(2 * (mix64(state) >> 40) + 1 - 2**24) * step)
        return np.array(values, np.float32)

    def new_row(self, fid: int, slot: int) -> Row:
        return Row(slot, self.initial(fid), np.full(self.dim, self.initial_accumulator))

    def lookup(self, fids: Sequence[int]) -> NDArray[np.float32]:
        zeros = np.zeros(self.dim, np.float32)
        vectors = [self.rows[fid].vector if fid in self.rows else zeros for fid in fids]
        return np.array(vectors, np.float32).reshape(-1, self.dim)

    def sight(self, fids: Sequence[int], slots: Sequence[int], now_s: int, *, learns: bool = False) -> None:
        """All positions of a FID are sighted together."""
        for fid in dict.fromkeys(fids):
            num_sightings = fids.count(fid)
            if fid not in self.rows:
                slot = slots[fids.index(fid)]
                if not self.admits(fid, slot, num_sightings, now_s):
                    continue
                self.rows[fid] = self.new_row(fid, slot)
                self.pending.add(fid)
            row = self.rows[fid]
            row.seen_at_s = max(row.seen_at_s, now_s)
            row.count = min(row.count + num_sightings, MAX_COUNT)
            if learns:
                self.pending.add(fid)

    def admits(self, fid: int, slot: int, num_sightings: int, now_s: int) -> bool:
        rule = self.rules.get(slot)
        if rule is None or not isinstance(rule.admission, AdmitMinCount):
            return True
        entry = self.waiting.get(fid) or Waiting(0, now_s)
        if rule.admission.window_s:
            num_windows = max(0, now_s - entry.since_s) // rule.admission.window_s
            entry = Waiting(entry.count >> num_windows, entry.since_s + num_windows * rule.admission.window_s)
        if entry.count == 0:
            entry = Waiting(0, now_s)
        entry.count += num_sightings
        self.waiting[fid] = entry
        if entry.count < rule.admission.min_count:
            return False
        del self.waiting[fid]
        return True

    def expire(self, now_s: int) -> set[int]:
        gone = set()
        for fid, row in self.rows.items():
            rule = self.rules.get(row.slot)
            if rule and rule.expiry and row.seen_at_s + rule.expiry.ttl_s < now_s:
                gone.add(fid)
        self.remove(gone)
        return gone

    def remove(self, gone: set[int]) -> None:
        for fid in gone:
            del self.rows[fid]
        self.pending |= gone

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
                # The rule of every optimizer has a decay, here of nothing, which makes of a negative zero a zero.
                decay = np.float32(0.0) * row.vector
                row.vector = (row.vector - decay - step).astype(np.float32)
                num_applied += counts[fid]
                self.pending.add(fid)
        return num_applied, num_absent, num_rejected

    def assign(self, fids: Sequence[int], slots: Sequence[int], vectors: NDArray[np.float32]) -> None:
        for fid, slot, vector in zip(fids, slots, vectors, strict=True):
            row = self.rows.setdefault(fid, self.new_row(fid, slot))
            row.slot = slot
            row.vector = vector.copy()
            self.waiting.pop(fid, None)
        self.pending.update(fids)

    def erase(self, fids: Sequence[int]) -> int:
        gone = {fid for fid in fids if fid in self.rows}
        self.remove(gone)
        return len(gone)

    def export(self, fids: set[int]) -> None:
        self.pending -= fids
        self.in_flight |= fids

    def acknowledge(self) -> None:
        self.in_flight.clear()

    def restore(self) -> None:
        self.pending |= self.in_flight
        self.in_flight.clear()

    def digest(self) -> int:
        return sum(row_digest(fid, row.vector.tobytes()) for fid, row in self.rows.items()) & MASK
