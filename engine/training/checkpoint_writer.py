"""Writes checkpoints in a thread of its own while training goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from engine.embedding.table_saver import BackgroundSave
from engine.sync.snapshot import SnapshotMeta
from engine.training.state import TrainingState
from engine.training.state_cut import Written

FULL_EVERY: Final = 8
"""One checkpoint of so many is full, and so a base; the others hold the rows that changed since the one before."""


class CheckpointWriter:
    """At most one checkpoint at a time. Every method is for the thread that trains; only the writing is another's.

    What goes wrong while writing is raised by the next `collect` or `wait`, once; the next checkpoint is then a full one.
    """

    def __init__(
        self,
        state: TrainingState,
        directory: Path,
        *,
        clock_ms: Callable[[], int],
        fence: Callable[[], None],
    ) -> None:
        self._state = state
        self._directory = directory
        self._clock_ms = clock_ms
        self._fence = fence
        self._save: BackgroundSave[Written] | None = None
        self._written: Written | None = None
        self._num_since_full = 0
        self._examples_cut = -1
        self._offsets_cut: dict[int, int] = {}
        self.num_begun = self.num_written = 0
        """Checkpoints since this was made; those written are known to be whole."""
        self.examples_saved = state.progress.num_examples
        """How many examples the newest checkpoint has learned, of those that are known to be whole."""
        self.offsets_saved = dict(state.progress.examples)
        """Where that checkpoint's reading of `examples` goes on."""

    @property
    def is_writing(self) -> bool:
        return self._save is not None and not self._save.is_done

    def begin(self, snapshot: SnapshotMeta | None = None) -> None:
        """Take the cut now and have it written, with a snapshot of the same moment if one is wanted.

        Waits for one that is being written. Raises as `wait` and the fence do, before anything begins.
        """
        self.wait()
        self._fence()
        is_full = snapshot is not None or self._written is None or self._num_since_full + 1 >= FULL_EVERY
        after = None if is_full or self._written is None else self._written.checkpoint
        cut = self._state.cut(self._clock_ms(), after=after, snapshot=snapshot)
        self._num_since_full = 0 if cut.is_full else self._num_since_full + 1
        self._examples_cut, self._written = self._state.progress.num_examples, None
        self._offsets_cut = dict(self._state.progress.examples)
        self.num_begun += 1
        self._save = BackgroundSave(cut.tables, lambda _: cut.write(self._directory, self._fence))

    def collect(self) -> None:
        """Take note of a checkpoint that has been written since, without waiting. Raises what it failed with."""
        if not self.is_writing:
            self.wait()

    def wait(self) -> Written | None:
        """Wait until nothing is being written; answers what was written last. Raises what that failed with: OSError, `LeaseLost`."""
        if self._save is not None:
            save, self._save = self._save, None
            self._written = save.result()
            self.num_written = self.num_begun
            self.examples_saved, self.offsets_saved = self._examples_cut, self._offsets_cut
        return self._written

    def abandon(self) -> None:
        """Stop writing, for a trainer that ends for another reason: what was not whole is as if it had not been begun."""
        if self._save is not None:
            self._save.cancel()
            self._save = None
