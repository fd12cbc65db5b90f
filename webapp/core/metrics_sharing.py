"""Counters of several web processes, added up: each writes its own to files of one folder. Said before `prometheus_client` is imported."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path

from webapp.core.processes import is_alive

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
ENDED_KEPT_S = 86_400.0
"""What ended processes counted belongs to the sums for so long; counters that fall are taken for a restart, as they should be."""

_OF_PROCESS = re.compile(r"_(\d+)\.db$")


def share_metrics(folder: Path) -> Path:
    """Share them with the other web processes of the same parent (a supervisor, or uvicorn's own), in a folder of its own below `folder`.

    Folders of parents that ended go.
    """
    own = folder / f"web-{os.getppid()}"
    own.mkdir(parents=True, exist_ok=True)
    for other in folder.glob("web-*"):
        pid = other.name.removeprefix("web-")
        if other != own and pid.isdigit() and not is_alive(int(pid)):
            shutil.rmtree(other, ignore_errors=True)
    for file in own.glob("*.db"):
        found = _OF_PROCESS.search(file.name)
        if found and not is_alive(int(found[1])) and file.stat().st_mtime < time.time() - ENDED_KEPT_S:
            file.unlink(missing_ok=True)
    os.environ[VARIABLE] = str(own)
    return own
