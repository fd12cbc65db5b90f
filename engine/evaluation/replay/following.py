"""A trainer's changes published, and a serving copy that takes them over: the real sync path within one process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from engine.checkpoint.snapshot import load_snapshot
from engine.embedding.store import ServingStore
from engine.models.forward import Predictor
from engine.spec.definition import ModelDefinition
from engine.streams.memory import MemoryLog
from engine.sync.applier import Applier
from engine.sync.delta import TrainedThrough, Weights
from engine.sync.publisher import Publisher
from engine.training.state import TrainingState

TOPIC: Final = "replay.params.ranker.v1"


class PublishedModel:
    """A training state whose changes are published as a trainer does it: touched rows and dense weights, numbered and summed."""

    def __init__(self, state: TrainingState, log: MemoryLog, clock_ms: Callable[[], int]) -> None:
        self._state = state
        self._clock_ms = clock_ms
        self._publisher = Publisher(
            log, TOPIC, project="replay", model="ranker", version=1, store=state.store, clock_ms=clock_ms
        )
        self.num_bytes = 0

    def publish(self, num_learned: int, *, with_dense: bool = True) -> None:
        """Everything changed since the last time; `num_learned` rows of the log went into it."""
        through = TrainedThrough(examples={0: num_learned}, event_time_ms=self._clock_ms())
        report = self._publisher.publish_rows(through)
        if with_dense:
            report += self._publisher.publish_dense(self._state.architecture.dense_weights(), through)
        self.num_bytes += report.num_bytes

    def forget(self, sequence: int) -> None:
        """Let the log forget what every copy has applied: each record takes one number and one place."""
        self._publisher.trim_before(min(sequence, self._publisher.next_offset))


class Follower:
    """A serving copy: tables in the definition's serving precision, and a predictor of its own weights."""

    def __init__(
        self, definition: ModelDefinition, log: MemoryLog, snapshots: Path, clock_ms: Callable[[], int] = lambda: 0
    ) -> None:
        self._applier = Applier(
            log,
            TOPIC,
            make_store=lambda: ServingStore.for_definition(definition),
            snapshots_directory=snapshots,
            load_snapshot=lambda folder: load_snapshot(folder, definition),
            clock_ms=clock_ms,
            on_dense=self._take_weights,
        )
        self.predictor = Predictor(definition, self._applier.store)

    @property
    def sequence(self) -> int:
        """The last delta that was applied."""
        return self._applier.status().sequence

    def follow(self) -> None:
        """Apply everything published. Raises RuntimeError when it cannot: no figure may be one of stale parameters by accident."""
        while self._applier.poll().has_more:
            pass
        status = self._applier.status()
        if status.waiting_for_snapshot is not None:
            raise RuntimeError(f"a copy cannot follow its trainer: {status.last_error}")

    def _take_weights(self, weights: Weights) -> None:
        self.predictor.load_dense_weights(weights)
