"""Where the training thread's time goes: what each part of a step took, summed between two reports."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

WAIT: Final = "wait"
COMPILE: Final = "compile"
"""The first step of a kind, which TensorFlow compiles: seconds, that would hide all others."""

PHASES: Final = (
    "read", "evaluate", "encode", "lookup", "dense", "apply", "observe", "expire", "publish", "report",
)  # fmt: skip
"""In the order of a step. `read`: examples from the log and decoded (of a batch run: waiting for what a thread reads ahead);
`evaluate`: clicks ranked before they are learned; `encode`: FIDs, dense floats and their layout; `lookup`: sightings, admission, rows
gathered; `dense`: pooling and the compiled network, forward and backward; `apply`: gradients to the rows; `observe`: metrics and hottest
ids; `expire`; `publish`: deltas, snapshots and cuts of checkpoints; `report`: these figures to the database."""


class StepTimes:
    """A stopwatch with laps. One lap takes about 100 ns, and a step has ten. Not thread-safe: of the thread that trains."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """`clock` in seconds."""
        self._clock = clock
        self.begin()

    def begin(self) -> None:
        """Forget what was measured; the next lap begins now."""
        self._spent_s = dict.fromkeys((WAIT, COMPILE, *PHASES), 0.0)
        self._num_steps = 0
        self._since_s = self._clock()

    def lap(self, phase: str) -> None:
        """All time since the last lap was spent on `phase`, one of `PHASES` or `COMPILE`."""
        now_s = self._clock()
        self._spent_s[phase] += now_s - self._since_s
        self._since_s = now_s

    def waited(self, phase: str, seconds: float) -> None:
        """So much of what counts as `phase` was waiting for something to do."""
        self._spent_s[phase] -= seconds
        self._spent_s[WAIT] += seconds

    def count_step(self) -> None:
        self._num_steps += 1

    def metrics(self) -> dict[str, float]:
        """Since `begin`: `step_ms.<phase>`, milliseconds of each phase a step, unless no step was taken; `busy_share`, 0 to 1: how much of
        the time was not spent waiting for examples, unless no time has passed."""
        total_s = sum(self._spent_s.values())
        found = {"busy_share": 1.0 - self._spent_s[WAIT] / total_s} if total_s > 0 else {}
        if self._num_steps:
            found |= {f"step_ms.{phase}": max(0.0, self._spent_s[phase]) * 1000 / self._num_steps for phase in PHASES}
        return found
