"""One contestant in a process of its own, which does as it is told: a JSON object a line on standard input, an answer a line on
standard output.

`{"do": "prepare", "ids": i, "num_batches": n, "seed": s, "fill": f}` makes model and stream anew, answered by `{"checksum", "click_rate"}`.
`{"do": "learn"}` goes through the stream once, answered by `{"num_examples", "seconds", "mean_loss", "figures"}`.
It ends when its input does. What a framework prints goes to standard error.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tests.bench import criteo_like
from tests.bench.criteo_like import Ids
from tests.bench.training_contestants import CONTESTANTS
from tests.bench.training_setting import BATCH, NUM_CORES, Learner

Answer = dict[str, Any]


class Served:
    """What the commands act on. `make` gives a fresh learner for a stream."""

    def __init__(self, make: Callable[[Ids], Learner], clock: Callable[[], float] = time.perf_counter) -> None:
        self._make, self._clock = make, clock
        self._learner: Learner | None = None
        self._prepared: list[Any] = []

    def answers(self, lines: Iterable[str]) -> Iterator[Answer]:
        """One for each line. Raises ValueError for a command that is none, or comes before what it needs."""
        for line in lines:
            command = json.loads(line)
            if command["do"] == "prepare":
                fill = bool(command["fill"])
                yield self.prepare(Ids(command["ids"]), int(command["num_batches"]), int(command["seed"]), fill=fill)
            elif command["do"] == "learn":
                yield self.learn()
            else:
                raise ValueError(f"do: must be prepare or learn, received {command['do']!r}")

    def prepare(self, ids: Ids, num_batches: int, seed: int, *, fill: bool) -> Answer:
        self._learner, self._prepared = None, []  # the memory of the stream before
        batches = list(itertools.islice(criteo_like.stream(ids, BATCH, seed), num_batches))
        learner = self._learner = self._make(ids)
        if fill:
            learner.fill(ids)
        self._prepared = [learner.prepared(batch) for batch in batches]
        click_rate = float(np.mean([batch.labels.mean() for batch in batches]))
        return {"checksum": criteo_like.checksum(batches), "click_rate": click_rate}

    def learn(self) -> Answer:
        learner = self._learner
        if learner is None:
            raise ValueError("do: learn must follow prepare")
        started_s = self._clock()
        losses = learner.learn_all(self._prepared)
        took_s = self._clock() - started_s
        known = [loss for loss in losses if loss is not None]
        return {
            "num_examples": BATCH * len(losses),
            "seconds": took_s,
            "mean_loss": float(np.mean(known)) if known else None,
            "figures": learner.figures(),
        }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.training_peer", description=__doc__)
    parser.add_argument("contestant", choices=CONTESTANTS)
    contestant = CONTESTANTS[parser.parse_args().contestant]
    # before any framework counts the cores that it may use
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:NUM_CORES]))
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        contestant.load()
        for answer in Served(contestant.make).answers(sys.stdin):
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
