"""The one folder that holds everything a running Freshet writes, and the lock that gives it to one start at a time."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from deploy.launcher.errors import StartError

MIN_FREE_BYTES = 512 * 2**20
NUM_LOCK_TRIES = 10


def _lock_soon(file: TextIO) -> None:
    """Takes the lock. Somebody who only looks (`read_running`) holds it for a moment; that is waited for."""
    for _ in range(NUM_LOCK_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@dataclass(frozen=True)
class Running:
    """A start that is under way: its launcher's pid, its address, and the variables that make a process part of it."""

    pid: int
    base_url: str
    environment: dict[str, str]


class DataFolder:
    """`<data>/{postgres,redis,models,logs,run}`; readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.logs = path / "logs"
        self.run = path / "run"
        self._lock: TextIO | None = None

    @property
    def running_file(self) -> Path:
        return self.run / "running.json"

    def take(self) -> None:
        """Makes the folder and locks it until this process ends, however it ends.

        Raises:
            StartError: it cannot be written, its disk is full, or another start has it.
        """
        try:
            for folder in (self.path, self.logs, self.run):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check_space()
            self._lock = (self.run / "lock").open("a+")
            _lock_soon(self._lock)
            self._lock.seek(0)
            self._lock.truncate()
            self._lock.write(f"{os.getpid()}\n")
            self._lock.flush()
            self.running_file.unlink(missing_ok=True)  # a killed start's
        except BlockingIOError:
            raise StartError(self._occupied()) from None
        except PermissionError as error:
            raise StartError(
                f"The data folder {self.path} cannot be written by this user ({error.filename}).\n"
                "Start as its owner, or choose another: make run DATA_DIR=/some/folder"
            ) from None
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise StartError(f"The disk of {self.path} is full: {error.strerror}.") from None
            raise StartError(f"The data folder {self.path} cannot be used: {error}.") from None

    def announce(self, environment: dict[str, str], base_url: str) -> None:
        """Leaves what another command needs to join the running system, for the owner's eyes only."""
        text = json.dumps({"pid": os.getpid(), "base_url": base_url, "environment": environment}, indent=2)
        beside = self.running_file.with_suffix(".new")
        beside.touch(mode=0o600)
        beside.write_text(text + "\n")
        beside.replace(self.running_file)

    def leave(self) -> None:
        self.running_file.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()

    def _check_space(self) -> None:
        free_bytes = shutil.disk_usage(self.path).free
        if free_bytes < MIN_FREE_BYTES:
            raise StartError(
                f"The disk of {self.path} has {free_bytes // 2**20} MB free; at least {MIN_FREE_BYTES // 2**20} MB are "
                "needed.\nFree some, or choose a folder on another disk: make run DATA_DIR=/some/folder"
            )

    def _occupied(self) -> str:
        holder = (self.run / "lock").read_text().strip() or "unknown"
        running = read_running(self.path)
        where = f" at {running.base_url}" if running else ""
        return (
            f"Freshet already runs{where} on the data folder {self.path} (process {holder}).\n"
            "Stop it first (Ctrl-C there, or `make stop`), or start a second one on its own folder and port:\n"
            "  make run DATA_DIR=.freshet-2 PORT=8001"
        )


def read_running(data_dir: Path) -> Running | None:
    """What `announce` left, when the start that left it still runs; None otherwise."""
    try:
        with (data_dir / "run" / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _announced(data_dir)
    except OSError:
        return None
    return None


def _announced(data_dir: Path) -> Running | None:
    try:
        said = json.loads((data_dir / "run" / "running.json").read_text())
    except (OSError, ValueError):
        return None
    # a start that has the lock but not yet removed what a killed one left
    if not Path(f"/proc/{said['pid']}").exists():
        return None
    return Running(int(said["pid"]), str(said["base_url"]), dict(said["environment"]))
