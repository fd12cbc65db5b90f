"""The library with which the storm sets a product's clock: the wall clock jumps, and nothing else does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.chaos.machine_clock import MachineClock

PROGRAM = """
import sys, threading, time
print(time.time(), time.monotonic(), flush=True)
sys.stdin.readline()
print(time.time(), time.monotonic(), flush=True)
started = time.monotonic()
time.sleep(0.1)
threading.Event().wait(0.1)
print(time.monotonic() - started, flush=True)
"""


def test_the_wall_clock_jumps_and_waits_are_as_long_as_before(tmp_path: Path) -> None:
    clock = MachineClock(tmp_path / "clock")
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **clock.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        wall, monotonic = map(float, process.stdout.readline().split())
        assert abs(wall - time.time()) < 5
        clock.jump(3600)
        process.stdin.write("\n")
        process.stdin.flush()
        later_wall, later_monotonic = map(float, process.stdout.readline().split())
        waited_s = float(process.stdout.readline())
    assert abs(later_wall - wall - (later_monotonic - monotonic) - 3600) < 0.1
    assert 0.2 <= waited_s < 5
