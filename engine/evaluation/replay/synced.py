"""Copies of a model that learns, each kept up by the real sync path at its own interval, with event time as the clock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from engine.checkpoint.snapshot import load_snapshot
from engine.embedding.store import ServingStore
from engine.evaluation.replay.ranker import Pairs, Places, joined, target_ranks
from engine.models.forward import Predictor
from engine.spec.definition import ModelDefinition
from engine.streams.memory import MemoryLog
from engine.sync.applier import Applier
from engine.sync.delta import TrainedThrough, Weights
from engine.sync.publisher import Publisher
from engine.training.state import TrainingState

MISSED: Final = 1_000_000
"""The rank of an item that was no candidate."""
TOPIC: Final = "replay.params.ranker.v1"
_FLUSH_PAIRS: Final = 60_000
_NEVER: Final = 2**62
_HOUR_MS: Final = 3_600_000


class Copy:
    """A serving copy that applies what was published each `interval_ms` of event time; with None only until `freeze_ms`.

    Clicks to be ranked are kept until the parameters are about to change, and then scored together.
    """

    def __init__(
        self,
        name: str,
        definition: ModelDefinition,
        log: MemoryLog,
        *,
        interval_ms: int | None,
        freeze_ms: int,
        snapshots: Path,
        clock_ms: Callable[[], int],
        num_clicks: int,
    ) -> None:
        self.name = name
        self.interval_ms = interval_ms
        self._freeze_ms = freeze_ms
        self._due_ms = 0
        self._applier = Applier(
            log,
            TOPIC,
            make_store=lambda: ServingStore.for_definition(definition),
            snapshots_directory=snapshots,
            load_snapshot=lambda folder: load_snapshot(folder, definition),
            clock_ms=clock_ms,
            on_dense=self._take_weights,
        )
        self._predictor = Predictor(definition, self._applier.store)
        self._waiting: list[Pairs] = []
        self.ranks: Places = np.full(num_clicks, MISSED, np.int64)

    @property
    def sequence(self) -> int:
        """The last delta that it will not ask for again; a frozen copy asks for none."""
        return _NEVER if self._due_ms == _NEVER else self._applier.status().sequence

    def _take_weights(self, weights: Weights) -> None:
        self._predictor.load_dense_weights(weights)

    def sync(self, now_ms: int) -> None:
        """Apply everything published, if the interval has passed."""
        if now_ms < self._due_ms:
            return
        if self.interval_ms is None:
            # Frozen: follows while it warms up, an hour at a time, and never again.
            self._due_ms = now_ms + _HOUR_MS if now_ms < self._freeze_ms else _NEVER
        else:
            self._due_ms = (now_ms // self.interval_ms + 1) * self.interval_ms
        self.flush()
        while True:
            if not self._applier.poll().has_more:
                return

    def rank(self, pairs: Pairs) -> None:
        """Note the ranks of the clicks' items by this copy's present parameters."""
        self._waiting.append(pairs)
        if sum(part.num_pairs for part in self._waiting) >= _FLUSH_PAIRS:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            pairs = joined(self._waiting)
            scores = self._predictor.pair_scores(pairs.user, pairs.items, pairs.user_rows, pairs.item_rows, pairs.pairs)
            self.ranks[pairs.clicks] = target_ranks(pairs, scores, MISSED)
            self._waiting = []

    def check(self) -> None:
        """Raise RuntimeError when the copy stopped following: a figure must not be one of stale parameters by accident."""
        status = self._applier.status()
        if status.waiting_for_snapshot is not None:
            raise RuntimeError(f"the copy {self.name} cannot follow: {status.last_error}")


class PublishedModel:
    """A training state whose changes are published as a trainer does it: touched rows and dense weights, numbered and summed."""

    def __init__(
        self, state: TrainingState, log: MemoryLog, clock_ms: Callable[[], int], dense_interval_ms: int
    ) -> None:
        self._state = state
        self._dense_interval_ms = dense_interval_ms
        self._dense_due_ms = 0
        self._publisher = Publisher(
            log, TOPIC, project="replay", model="ranker", version=1, store=state.store, clock_ms=clock_ms
        )
        self.num_bytes = 0

    def publish(self, now_ms: int, num_clicks: int) -> None:
        through = TrainedThrough(examples={0: num_clicks}, event_time_ms=now_ms)
        report = self._publisher.publish_rows(through)
        if now_ms >= self._dense_due_ms:
            report += self._publisher.publish_dense(self._state.architecture.dense_weights(), through)
            self._dense_due_ms = now_ms + self._dense_interval_ms
        self.num_bytes += report.num_bytes

    def forget(self, sequence: int) -> None:
        """Let the log forget what every copy has applied: each record takes one number and one place."""
        self._publisher.trim_before(min(sequence, self._publisher.next_offset))
