"""Where a run begins: anew, or with what another version of its model has learned. Decided once for each run."""

from __future__ import annotations

import time
from pathlib import Path

from engine.spec.definition import ModelDefinition
from webapp.registry.selectors import source_types_of
from workers.folders import model_folder
from workers.runs import RunSession

MARK = "batch_run"


def begin_anew(session: RunSession, folder: Path) -> None:
    """Remove what earlier runs learned, and take over another version's checkpoint if the run asks for one.

    Whoever held the lease before puts nothing into the folder any more.
    Once for each run: after a kill the same run goes on from its own checkpoint. Raises `NoCheckpoint` when there is none to take over.
    """
    from engine.checkpoint.folder_fence import take_over
    from engine.training.batch import forget_runs
    from engine.training.starting_point import start_from

    take_over(folder, session.fence)
    run, mark = session.run, folder / MARK
    if mark.is_file() and mark.read_text() == str(run.pk):
        return
    forget_runs(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if run.start_from is not None:
        report = start_from(
            ModelDefinition.parse(run.model_version.document),
            model_folder(run.start_from),
            folder,
            clock=time.time,
            fence=session.fence,
            old_types=source_types_of(version=run.start_from),
            new_types=source_types_of(version=run.model_version),
        )
        session.note_evolution(report.lines())
    mark.write_text(str(run.pk))
