"""When an online trainer publishes, snapshots and checkpoints, and that it may."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from engine.streams import groups, topics
from engine.streams.log import EventLog
from engine.sync.back_pressure import BackPressure
from engine.sync.publisher import Publisher, PublishReport
from engine.sync.snapshot import SnapshotMeta
from engine.training.checkpoint_writer import CheckpointWriter
from engine.training.saved_offsets import SavedOffsets
from engine.training.state import TrainingState

LOOK_EVERY_S: Final = 1.0
NUM_IDLE: Final = 1000
"""So many deltas that say nothing but how far training came are worth a snapshot, and so many canaries a checkpoint."""


class Publication:
    """Publishes one state's parameters on the definition's timetable, slower while a replica that lives cannot follow.

    After a restart nothing is published before training has again passed what the topic says was published already: a replica never
    goes back. Every row learned meanwhile is still touched, and goes out with the first delta after that. `fence` is called before
    anything leaves, and raises `LeaseLost` for a trainer that must stop; a checkpoint's thread calls it too. `clock` is in seconds;
    its epoch does not matter. `followers` answers which sequence each replica that lives said it serves. Its last word is
    `checkpoint` or `abandon`.
    """

    def __init__(
        self,
        state: TrainingState,
        log: EventLog,
        *,
        project: str,
        model: str,
        version: int,
        directory: Path,
        clock: Callable[[], float],
        clock_ms: Callable[[], int],
        fence: Callable[[], None],
        followers: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self._state = state
        self._followers = followers
        self._clock = clock
        self._clock_ms = clock_ms
        self._fence = fence
        self.publisher = Publisher(
            log,
            topics.params(project, model, version),
            project=project,
            model=model,
            version=version,
            store=state.store,
            clock_ms=clock_ms,
            fence=fence,
            max_delta_bytes=state.definition.sync.max_delta_bytes,
        )
        now_s = clock()
        self.back_pressure = BackPressure(state.definition.sync.interval_s, clock)
        self._look_due_s = self._published_s = now_s
        self._rows_due_s = self._dense_due_s = now_s
        self._snapshot_due_s = now_s + state.definition.sync.snapshot_every_s
        self._checkpoint_due_s = now_s + state.definition.training.checkpoint_every_s
        self._dense_steps_published = -1
        self._snapshot_sequence = -1
        self._has_news = True
        self._is_snapshot_asked = False
        self._checkpoint_asked = 0
        self.num_snapshots_begun = self.num_snapshots_written = 0
        """Since this was made; those written are known to be whole."""

        self.snapshot_sequence = -1
        """Where the newest of those written was made."""

        self._writer = CheckpointWriter(state, directory, clock_ms=clock_ms, fence=fence)
        self._saved_offsets = SavedOffsets(log, topics.examples(project), groups.trainer(model, version))

    @property
    def has_caught_up(self) -> bool:
        """Whether training has passed everything published before."""
        published = self.publisher.last_published
        return published is None or self._state.progress.reaches(published.trained_through.examples)

    @property
    def offsets_saved(self) -> dict[int, int]:
        """Where the newest checkpoint that is known to be whole goes on reading examples."""
        return self._writer.offsets_saved

    def next_due_s(self) -> float:
        """The clock's time at which `run_due` next has something to do."""
        return self._rows_due_s if self._writer.is_writing else min(self._rows_due_s, self._checkpoint_due_s)

    def run_due(self) -> PublishReport:
        """Do whatever is due. Raises `LeaseLost`, `LogError`, OSError, and as `followers`; calling again later loses nothing."""
        now_s = self._clock()
        sync = self._state.definition.sync
        report = PublishReport()
        self._look(now_s)
        if now_s >= self._rows_due_s:
            if self.has_caught_up:
                report += self._publish(with_dense=now_s >= self._dense_due_s)
                if now_s >= self._dense_due_s:
                    self._dense_due_s = now_s + sync.dense_interval_s
            self._published_s = now_s
            self._rows_due_s = now_s + self.back_pressure.interval_s
        self._collect()
        is_due = self._is_snapshot_asked or now_s >= self._snapshot_due_s
        if is_due and self.has_caught_up and not self._writer.is_writing:
            report += self.snapshot(always=self._is_snapshot_asked)
            self._is_snapshot_asked = False
            self._snapshot_due_s = now_s + sync.snapshot_every_s
        self.checkpoint_if_due()
        return report

    def _publish(self, *, with_dense: bool) -> PublishReport:
        trained_through = self._state.progress.trained_through()
        report = self.publisher.publish_rows(trained_through)
        num_steps = self._state.dense_optimizer.num_steps
        if with_dense and num_steps != self._dense_steps_published:
            report += self.publisher.publish_dense(self._state.architecture.dense_weights(), trained_through)
            self._dense_steps_published = num_steps
            self._has_news = True
        self._has_news = self._has_news or report.num_rows + report.num_deletes > 0
        return report

    def publish_every(self, interval_s: float | None) -> None:
        """Publish so often from now on, whatever the definition says; None: as it says. Raises ValueError for 0 and less."""
        self.back_pressure.declare(interval_s if interval_s is not None else self._state.definition.sync.interval_s)
        self._rows_due_s = min(self._rows_due_s, self._published_s + self.back_pressure.interval_s)

    def ask_snapshot(self) -> int:
        """Have a snapshot written as soon as may be, even if nothing has changed; `num_snapshots_written` will come to the answer."""
        self._is_snapshot_asked = True
        return self.num_snapshots_begun + 1

    def ask_checkpoint(self) -> int:
        """Have a checkpoint written as soon as may be, even if nothing was learned; `num_checkpoints_written` will come to the answer."""
        self._checkpoint_asked = self._writer.num_begun + 1
        return self._checkpoint_asked

    @property
    def num_checkpoints_written(self) -> int:
        """Since this was made, as of the last look."""
        return self._writer.num_written

    @property
    def examples_saved(self) -> int:
        """How many examples the newest checkpoint has learned, of those that are known to be whole."""
        return self._writer.examples_saved

    def snapshot(self, *, always: bool = False) -> PublishReport:
        """Publish what is pending and have a snapshot of just that written; none when nothing was published since the last, or little
        that says nothing, unless it is wanted `always`.
        """
        report = self._publish(with_dense=True)
        num_since = self.publisher.sequence - self._snapshot_sequence
        if always or (num_since and (self._has_news or num_since >= NUM_IDLE)):
            self._begin_snapshot()
        return report

    def publish_snapshot(self) -> PublishReport:
        """Save the state with a snapshot, and publish that in place of all touched rows: replicas that follow load it.

        What a batch run ends with. The checkpoint knows of no touched rows, because the snapshot has them all: whoever goes on from it
        publishes what comes after. Should this fail in between, it is to be called again.
        """
        for table in self._state.store.tables.values():
            table.forget_touched()
        self._begin_snapshot()
        written = self._writer.wait()
        assert written is not None and written.snapshot is not None
        report = self.publisher.publish_snapshot(written.snapshot, self._state.progress.trained_through())
        self._dense_steps_published = self._state.dense_optimizer.num_steps
        return report

    def _begin_snapshot(self) -> None:
        """It is written beside a full checkpoint, by the same walk through the tables."""
        meta = SnapshotMeta(
            sequence=self.publisher.sequence,
            params_offset=self.publisher.next_offset,
            trained_through=self._state.progress.trained_through(),
            created_ms=self._clock_ms(),
            epoch=self.publisher.epoch,
        )
        self._writer.begin(meta)
        self.num_snapshots_begun += 1
        self._snapshot_sequence, self._has_news = meta.sequence, False
        self._checkpoint_due_s = self._clock() + self._state.definition.training.checkpoint_every_s

    def checkpoint_if_due(self) -> None:
        """Begin to save the state when it was asked for, or `checkpoint_every_s` after it was last due; not while one is written.

        It is the state as it is now, whatever training does while it is written. Raises what an earlier one failed with.
        """
        self._collect()
        now_s = self._clock()
        is_asked = self._writer.num_begun < self._checkpoint_asked
        if (now_s < self._checkpoint_due_s and not is_asked) or self._writer.is_writing:
            return
        self._checkpoint_due_s = now_s + self._state.definition.training.checkpoint_every_s
        if is_asked or self._has_learned or self._num_canaries >= NUM_IDLE:
            self._writer.begin()

    @property
    def _has_learned(self) -> bool:
        """Since the newest checkpoint that is known to be whole."""
        return self._state.progress.num_examples != self._writer.examples_saved

    @property
    def _num_canaries(self) -> int:
        """Records since then, which have nothing to learn when nothing was learned."""
        return sum(self._state.progress.examples.values()) - sum(self._writer.offsets_saved.values())

    def _collect(self) -> None:
        try:
            self._writer.collect()
        except BaseException:
            # it may have been a snapshot that failed
            self._snapshot_sequence, self._has_news = -1, True
            self.num_snapshots_begun = self.num_snapshots_written
            raise
        if not self._writer.is_writing and self.num_snapshots_written < self.num_snapshots_begun:
            self.num_snapshots_written, self.snapshot_sequence = self.num_snapshots_begun, self._snapshot_sequence
        # Where only canaries were passed since, a restart has nothing to learn again.
        saved = self._writer.offsets_saved if self._has_learned else self._state.progress.examples
        self._saved_offsets.commit(saved)

    def _look(self, now_s: float) -> None:
        """Where replicas are, and what follows from it for the next publish."""
        if now_s >= self._look_due_s:
            self._look_due_s = now_s + LOOK_EVERY_S
            self.back_pressure.look(self.publisher.sequence, self._followers())
            self._rows_due_s = min(self._rows_due_s, self._published_s + self.back_pressure.interval_s)

    def checkpoint(self, *, always: bool = False) -> None:
        """Save the state and wait for it, unless no example was learned since it was last saved. Raises `LeaseLost`, OSError."""
        self._writer.wait()
        self._fence()
        if always or self._state.progress.num_examples != self._writer.examples_saved:
            self._writer.begin()
            self._writer.wait()
        self._saved_offsets.commit(self._writer.offsets_saved)

    def await_checkpoint(self) -> None:
        """Wait for the checkpoint that is being written, if any. Raises what it failed with."""
        self._writer.wait()

    def abandon(self) -> None:
        """Stop a checkpoint that is being written: the one before it stays the newest."""
        self._writer.abandon()
