"""Processes left by a launcher that was killed: asked to end, and ended, before a new start."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

MARK = "FRESHET_STARTED_FOR"
"""An environment variable of every process that a launcher starts: the data folder it belongs to."""

PATIENCE_S = 90.0
KILL_PATIENCE_S = 10.0


def left_behind(data_dir: Path) -> list[psutil.Process]:
    """Running processes of ours that carry the mark of this data folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == str(data_dir) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def end_left_behind(data_dir: Path) -> int:
    """Lets supervisord stop its own, then ends whatever is still there. Answers how many there were.

    The caller holds the folder's lock, so nobody else can be starting any.
    """
    found = left_behind(data_dir)
    supervisors = [process for process in found if "supervisor.supervisord" in _words(process)]
    for process in supervisors or found:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(found, timeout=PATIENCE_S if supervisors else KILL_PATIENCE_S)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=KILL_PATIENCE_S)
    return len(found)


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []
