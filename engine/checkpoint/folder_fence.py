"""Who may put a folder in place: the epoch of a directory, kept in a file beside the folders, under a lock.

A checkpoint takes seconds to write, and its writer may be stopped at any moment, even after it last looked whether the lease is
still its own. Whoever takes over raises the epoch first; the rename that puts a folder in place looks at it under the same lock,
so that an old holder's folder never appears among its successor's. The lock is the operating system's and ends with its process.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from engine.errors import CorruptRecord
from engine.streams.fencing import epoch_of, outdated

EPOCH_FILE: Final = ".epoch"


def take_over(directory: Path, fence: Callable[[], None]) -> None:
    """Shut out earlier writers below `directory`. Raises `LeaseLost` when a later one has taken over, `CorruptRecord`, OSError.

    Nothing happens for a fence without an epoch.
    """
    epoch = epoch_of(fence)
    if epoch is None:
        return
    directory.mkdir(parents=True, exist_ok=True)
    with _locked(directory, epoch) as file:
        os.pwrite(file, f"{epoch:020d}\n".encode(), 0)
        os.fsync(file)


@contextmanager
def in_epoch(directory: Path, fence: Callable[[], None]) -> Iterator[None]:
    """What is done meanwhile is done before any later writer takes over. Raises as `take_over`, and what `fence` raises."""
    fence()
    epoch = epoch_of(fence)
    if epoch is None:
        yield
        return
    with _locked(directory, epoch):
        yield


@contextmanager
def _locked(directory: Path, epoch: int) -> Iterator[int]:
    file = os.open(directory / EPOCH_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        newer = _read(file, directory)
        if newer > epoch:
            raise outdated(str(directory), epoch, newer)
        yield file
    finally:
        os.close(file)


def _read(file: int, directory: Path) -> int:
    text = os.pread(file, 64, 0).strip()
    if not text:
        return 0
    try:
        return int(text)
    except ValueError as error:
        raise CorruptRecord(f"{directory / EPOCH_FILE} must be a number, received {text!r:.40}") from error
