"""kill -9 at any moment, while a checkpoint is being written beside training: what is there is whole and exact."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from engine.embedding.table import EmbeddingTable
from tests.engine.checkpoint import killed_writer
from tests.engine.checkpoint.killed_writer import new_table, restored, take_step

ROOT = Path(killed_writer.__file__).parents[3]


def run_and_kill(folder: Path, after_s: float) -> None:
    command = [sys.executable, "-m", "tests.engine.checkpoint.killed_writer", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline(), "it ended before its first checkpoint"
        time.sleep(after_s)
        process.kill()


def held(table: EmbeddingTable) -> dict[int, tuple[bytes, ...]]:
    found: dict[int, tuple[bytes, ...]] = {}
    for rows in table.rows():
        parts = [
            part for part in (rows.vectors, rows.states, rows.seen_at_s, rows.counts, rows.touched) if part is not None
        ]
        found.update({fid: tuple(part[i].tobytes() for part in parts) for i, fid in enumerate(rows.fids.tolist())})
    return found


def test_killed_again_and_again_it_holds_what_never_stopping_would_have(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    whole, done = new_table(), 0
    for _ in range(5):
        run_and_kill(tmp_path, float(rng.uniform(0, 0.25)))
        table, step = restored(tmp_path)
        assert step > done, "it went on from where it had been"
        for number in range(done, step):
            take_step(whole, number)
        done = step
        assert held(table) == held(whole)
        np.testing.assert_array_equal(table.state_words(), whole.state_words())
        np.testing.assert_array_equal(table.pending_deletes(), whole.pending_deletes())
    assert whole.counters.num_expired > 0
