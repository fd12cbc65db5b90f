"""supervisord as a child: started, asked, stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.xmlrpc import SupervisorTransport

from deploy.launcher import child
from deploy.launcher.environment import ROOT
from deploy.launcher.programs import supervisor_socket

STOP_PATIENCE_S = 90.0


def start(configuration: Path, *, logs: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Starts supervisord in the foreground of a session of its own."""
    return child.spawn(
        [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(configuration), "-s"],
        log=logs / "supervisord.out",
        environment=environment,
        folder=ROOT,
    )


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stops every program, all at once, then whatever descendant of ours is left of them."""
    child.stop(process, signal.SIGTERM, patience_s=STOP_PATIENCE_S)


def end_orphans(spared: set[int]) -> int:
    """Ends descendants of this process that no supervisor watches any more; `spared` are pids left alone with theirs.

    Returns how many there were.
    """
    orphans: list[psutil.Process] = []
    for direct in psutil.Process().children():
        if direct.pid not in spared:
            orphans += [direct, *direct.children(recursive=True)]
    for orphan in orphans:
        _quietly(orphan.terminate)
    _, left = psutil.wait_procs(orphans, timeout=10)
    for orphan in left:
        _quietly(orphan.kill)
    psutil.wait_procs(left, timeout=5)
    return len(orphans)


def _quietly(action: Any) -> None:
    try:
        action()
    except psutil.NoSuchProcess:
        return


def states(run_folder: Path) -> dict[str, tuple[str, int]]:
    """Of every program its state (`RUNNING`, `BACKOFF`, ...) and pid (0 when it has none); empty when nobody answers."""
    socket = supervisor_socket(run_folder)
    if socket is None:
        return {}
    server = ServerProxy("http://127.0.0.1", transport=SupervisorTransport(None, None, f"unix://{socket}"))
    try:
        answer: Any = server.supervisor.getAllProcessInfo()
    except (OSError, Fault):
        return {}
    return {str(one["name"]): (str(one["statename"]), int(one["pid"])) for one in answer}
