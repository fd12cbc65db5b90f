"""kill -9 of the process that does a piece of work now."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.launcher import supervision

FIND_PATIENCE_S = 90.0


@dataclass(frozen=True)
class Fault:
    """One kill: what was killed, and how long it took until something did its work again."""

    target: str
    pid: int
    recovered_s: float | None


def replica_pid(run_folder: Path) -> int | None:
    """The serving process, as supervisord knows it."""
    state, pid = supervision.states(run_folder).get("replica-1", ("", 0))
    return pid if state in {"RUNNING", "STARTING"} and pid else None


def worker_pid(run_folder: Path, program: str) -> int | None:
    """A whole worker with its pool, as supervisord knows it."""
    state, pid = supervision.states(run_folder).get(program, ("", 0))
    return pid if state in {"RUNNING", "STARTING"} and pid else None


def lease_pid(lease_name: str) -> int | None:
    """The process that holds a lease, when it is alive: a killed one's lease stays for its last seconds."""
    from webapp.core import selectors

    lease = selectors.lease_holder(name=lease_name)
    pid = int(lease.holder.split(":")[1]) if lease else None
    return pid if pid and Path(f"/proc/{pid}").exists() else None


def strike(target: str, find: Callable[[], int | None]) -> Fault:
    """Waits until there is something to kill, kills it, and waits until another process does its work."""
    pid = _wait(find, lambda found: True)
    if pid is None:
        return Fault(target, 0, None)
    os.kill(pid, signal.SIGKILL)
    started = time.monotonic()
    successor = _wait(find, lambda found: found != pid)
    return Fault(target, pid, None if successor is None else time.monotonic() - started)


def _wait(find: Callable[[], int | None], accept: Callable[[int], bool]) -> int | None:
    deadline = time.monotonic() + FIND_PATIENCE_S
    while time.monotonic() < deadline:
        found = find()
        if found is not None and accept(found):
            return found
        time.sleep(0.1)
    return None
