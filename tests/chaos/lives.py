"""One life of an online trainer, in a process of its own."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.errors import LeaseLost, LogUnavailable
from engine.spec.definition import ModelDefinition
from engine.streams import open_log
from engine.streams.fencing import Fence

PROJECT: Final = "proof"
MODEL: Final = "clicks"
LOST_ITS_LEASE: Final = 3
_DIM: Final = {"dim": 8}
DEFINITION: Final = ModelDefinition.parse(
    {
        "slots": [
            {"name": "user_id", "number": 1, "source": "user.id", "expiry": {"ttl_s": 600}, **_DIM},
            {"name": "item_id", "number": 2, "source": "item.id", **_DIM},
            {"name": "history", "number": 3, "source": "user.history", "shares": "item_id", **_DIM},
        ],
        "dense": [{"name": "price", "source": "item.price", "transform": "log1p"}],
        "architecture": {"kind": "deepfm", "hidden": [16]},
        "training": {"batch_size": 64, "linger_s": 0.05, "checkpoint_every_s": 1.5, "evaluate_fraction": 0.0},
        "sync": {"interval_s": 0.3, "dense_interval_s": 0.6, "snapshot_every_s": 5.0},
    }
)


@dataclass(frozen=True)
class TrainerOrder:
    """Train version `version` over the log at `url`, in `directory`; end in good order after `until_examples` (0: never)."""

    url: str
    directory: Path
    version: int
    epoch: int
    until_examples: int = 0

    @property
    def outcome_file(self) -> Path:
        return self.directory.with_name(f"outcome-{self.version}-{self.epoch}.json")

    @property
    def begun_file(self) -> Path:
        return self.outcome_file.with_suffix(".begun")


@dataclass(frozen=True)
class Outcome:
    """What a trainer ended with: hexadecimal digests of its tables and of its dense weights, and counts."""

    digest: str
    dense: str
    num_examples: int
    num_batches: int
    examples: dict[str, int]


def digest_of_weights(weights: Mapping[str, NDArray[np.float32]]) -> str:
    """SHA-256 of names and bits."""
    found = hashlib.sha256()
    for name in sorted(weights):
        found.update(name.encode() + np.ascontiguousarray(weights[name]).tobytes())
    return found.hexdigest()


def train(order: TrainerOrder) -> None:
    """The process: until it is killed, has learned enough, or finds that it lost its lease."""
    from engine.training.online import OnlineTrainer

    log = open_log(order.url)
    try:
        trainer = OnlineTrainer(
            DEFINITION, log, PROJECT, MODEL, order.version, order.directory,
            clock=time.time, fence=Fence(lambda: None, order.epoch),
        )  # fmt: skip
        trainer.poll(0.0)
        order.begun_file.touch()
        while not order.until_examples or trainer.state.progress.num_examples < order.until_examples:
            with contextlib.suppress(LogUnavailable):  # a broker under load; the next poll asks again
                trainer.poll(0.2)
        trainer.close()
    except LeaseLost:
        os._exit(LOST_ITS_LEASE)
    progress = trainer.state.progress
    outcome = Outcome(
        f"{trainer.state.store.digest():016x}",
        digest_of_weights(trainer.state.architecture.dense_weights()),
        progress.num_examples,
        progress.num_batches,
        {str(partition): offset for partition, offset in progress.examples.items()},
    )
    aside = order.outcome_file.with_suffix(".aside")
    aside.write_text(json.dumps(asdict(outcome)))
    aside.rename(order.outcome_file)
    os._exit(0)


class Life:
    """A trainer's process, from outside."""

    def __init__(self, order: TrainerOrder, process: BaseProcess) -> None:
        self._order, self._process = order, process

    @classmethod
    def begin(cls, context: BaseContext, order: TrainerOrder) -> Life:
        order.directory.parent.mkdir(parents=True, exist_ok=True)
        process: BaseProcess = context.Process(target=train, args=(order,), daemon=True)  # type: ignore[attr-defined]
        process.start()
        return cls(order, process)

    def await_training(self, patience_s: float) -> None:
        """Returns after its first poll. Raises TimeoutError, and ChildProcessError when it ended before."""
        self._await(self._order.begun_file, patience_s)

    def send(self, number: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def end(self, number: int) -> None:
        """Returns when it is gone."""
        self.send(number)
        self._process.join()

    def violations_of_a_sleeper(self, patience_s: float) -> list[str]:
        """It must find out by itself that another has its place."""
        self._process.join(patience_s)
        code = self._process.exitcode
        if code is None:
            self.end(signal.SIGKILL)
        return [] if code == LOST_ITS_LEASE else [f"the sleeper with epoch {self._order.epoch} ended with {code}"]

    def outcome(self, patience_s: float) -> Outcome:
        """Raises TimeoutError, ChildProcessError."""
        self._await(self._order.outcome_file, patience_s)
        self._process.join()
        return Outcome(**json.loads(self._order.outcome_file.read_text()))

    def _await(self, file: Path, patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        while not file.exists():
            if self._process.exitcode is not None and not file.exists():
                raise ChildProcessError(
                    f"the trainer with epoch {self._order.epoch} ended with {self._process.exitcode}"
                )
            if time.monotonic() > deadline:
                self.end(signal.SIGKILL)
                raise TimeoutError(f"the trainer with epoch {self._order.epoch} did not get there in {patience_s} s")
            time.sleep(0.02)
