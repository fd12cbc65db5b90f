"""A run's metrics beside the database: event files that TensorBoard opens, `tensorboard --logdir <data>/tensorboard/<project>`."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from webapp.training.event_folders import event_folder, events_root
from webapp.training.models import Run

if TYPE_CHECKING:
    from engine.training.event_files import EventFile

logger = logging.getLogger(__name__)

RUNS_KEPT: Final = 100
"""Of all projects together, the newest."""


class RunEvents:
    """The event file of one run's attempt. A disk that refuses it is said once, and stops nothing."""

    def __init__(self, run: Run) -> None:
        self._folder = event_folder(run)
        self._file: EventFile | None = None
        self._is_refused = False

    def add(self, values: Mapping[str, Any], num_examples: int) -> None:
        """Note a point, unless the one before is too near. For processes that have loaded TensorFlow."""
        from engine.training.event_files import EventFile

        if self._is_refused:
            return
        try:
            if self._file is None:
                self._file = EventFile(self._folder)
            self._file.add(values, num_examples)
        except OSError as error:
            self._is_refused = True
            logger.warning("no event file for TensorBoard is written: %s", error)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def forget_old() -> int:
    """Remove the event files of runs that are gone, or that are not among the newest `RUNS_KEPT`; answers how many runs' went."""
    kept = {
        event_folder(run)
        for run in Run.objects.select_related("model_version__model__project").order_by("-id")[:RUNS_KEPT]
    }
    gone = [folder for folder in _folders(events_root()) if folder not in kept]
    for folder in gone:
        shutil.rmtree(folder, ignore_errors=True)
    return len(gone)


def _folders(root: Path) -> list[Path]:
    return [path for path in root.glob("*/*/run-*") if path.is_dir()]
