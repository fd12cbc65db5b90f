"""What a catalogue and its parameters cost a replica in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.embedding.serving_table import ServingTable
from engine.spec.serving_copy import Precision
from tests.bench.processor_time import commands_under
from tests.bench.report import say

REPLICA = "workers.replica"
DIM = 16
MILLION = 1_000_000
ROWS_AT_ONCE = 50_000


def of_rows() -> dict[str, object]:
    """Says, and answers for the report, what a million rows of dim 16 are in a replica's table, in each precision."""
    random = np.random.default_rng(5)
    held: dict[str, int] = {}
    for precision in Precision:
        table = ServingTable(DIM, precision)
        for first in range(0, MILLION, ROWS_AT_ONCE):
            fids = np.arange(first + 1, first + ROWS_AT_ONCE + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
            table.upsert(fids, random.standard_normal((ROWS_AT_ONCE, DIM), np.float32))
        assert len(table) == MILLION
        held[precision.value] = table.memory_bytes
    told = ", ".join(f"{name} {num_bytes / 2**20:.0f}" for name, num_bytes in held.items())
    say(f"a million rows of dim {DIM} in a replica's table, MiB: {told}")
    return {f"{name}_bytes_per_million_rows": num_bytes for name, num_bytes in held.items()}


class Memory:
    """Resident memory of the replica's process before and after the world was loaded."""

    def __init__(self, roots: list[int]) -> None:
        self._roots = roots
        self._before_bytes = self._resident_bytes()

    def report(self, num_items: int) -> dict[str, object]:
        """Says it, and answers it for the report: what the replica grew by, with parameters, properties, index and histories."""
        grown = self._resident_bytes() - self._before_bytes
        per_million = grown * MILLION / num_items
        say(
            f"the replica grew by {grown / 2**20:.0f} MiB: {per_million / 2**30:.2f} GiB for a million such items, all told"
        )
        return {"replica_grown_bytes": grown, "replica_bytes_per_million_items": round(per_million)}

    def _resident_bytes(self) -> int:
        total = 0
        for process, command in commands_under(self._roots).items():
            if REPLICA in command:
                pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
                total += pages * 4096
        return total
