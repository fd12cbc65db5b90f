"""What a catalogue and its parameters cost a replica in memory."""

from __future__ import annotations

from pathlib import Path

from tests.bench.processor_time import commands_under
from tests.bench.report import say

REPLICA = "workers.replica"


class Memory:
    """Resident memory of the replica's process before and after the world was loaded."""

    def __init__(self, roots: list[int]) -> None:
        self._roots = roots
        self._before_bytes = self._resident_bytes()

    def report(self, num_items: int) -> dict[str, object]:
        """Says it, and answers it for the report: what the replica grew by, with parameters, properties, index and histories."""
        grown = self._resident_bytes() - self._before_bytes
        per_million = grown * 1_000_000 / num_items
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
