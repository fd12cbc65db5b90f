"""kill -9 of the process that does a piece of work now."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.launcher import supervision

if TYPE_CHECKING:
    from webapp.registry.models import ModelVersion

FIND_PATIENCE_S = 90.0


@dataclass(frozen=True)
class Fault:
    """One kill: what was killed, and how long it took until something did its work again."""

    target: str
    pid: int
    recovered_s: float | None


@dataclass(frozen=True)
class Target:
    """`victim` is the process to kill; `worker` the one that does the work, whose change is the recovery."""

    name: str
    victim: Callable[[], int | None]
    worker: Callable[[], int | None]


def program_pid(run_folder: Path, program: str) -> int | None:
    """A supervised process, as supervisord knows it."""
    state, pid = supervision.states(run_folder).get(program, ("", 0))
    return pid if state in {"RUNNING", "STARTING"} and pid else None


def lease_pid(lease_name: str) -> int | None:
    """The process that holds a lease, when it is alive: a killed one's lease stays for its last seconds."""
    from webapp.core import selectors

    lease = selectors.lease_holder(name=lease_name)
    pid = int(lease.holder.split(":")[1]) if lease else None
    return pid if pid and Path(f"/proc/{pid}").exists() else None


def serving_pid(run_folder: Path, model_version: ModelVersion) -> int | None:
    """The replica's process, when it answers for the model version with parameters."""
    from webapp.serving.selectors import sync_status

    replicas = sync_status(model_version=model_version)["replicas"]
    if any(replica["source"] == "live" and replica["sequence"] > 0 for replica in replicas):
        return program_pid(run_folder, "replica-1")
    return None


def strike(target: Target) -> Fault:
    """Waits until the work is done, kills, and waits until another process does the work."""
    before = _wait(target.worker, lambda found: True)
    victim = target.victim() if before is not None else None
    if victim is None:
        return Fault(target.name, 0, None)
    os.kill(victim, signal.SIGKILL)
    started = time.monotonic()
    successor = _wait(target.worker, lambda found: found != before)
    return Fault(target.name, victim, None if successor is None else round(time.monotonic() - started, 2))


def _wait(find: Callable[[], int | None], accept: Callable[[int], bool]) -> int | None:
    deadline = time.monotonic() + FIND_PATIENCE_S
    while time.monotonic() < deadline:
        found = find()
        if found is not None and accept(found):
            return found
        time.sleep(0.1)
    return None
