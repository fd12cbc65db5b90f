"""Counters of several web processes, added up: each writes its own to files of one folder. Said before `prometheus_client` is imported."""

from __future__ import annotations

import os
import shutil
from multiprocessing import parent_process
from pathlib import Path

from webapp.core.processes import is_alive

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def share_metrics(folder: Path) -> Path:
    """Share them with the other workers of the same server, in a folder of its own below `folder`; those of servers that ended go."""
    parent = parent_process()
    own = folder / f"web-{parent.pid if parent is not None and parent.pid else os.getpid()}"
    own.mkdir(parents=True, exist_ok=True)
    for other in folder.glob("web-*"):
        pid = other.name.removeprefix("web-")
        if other != own and pid.isdigit() and not is_alive(int(pid)):
            shutil.rmtree(other, ignore_errors=True)
    os.environ[VARIABLE] = str(own)
    return own
