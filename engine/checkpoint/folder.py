"""Atomic folders: written aside, checksummed, flushed to the disk, renamed; the newest complete one wins."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from engine.checkpoint.manifest import (
    MANIFEST_NAME,
    Manifest,
    describe_files,
    encode_manifest,
    read_manifest,
    verify_files,
)
from engine.errors import CorruptRecord

_ASIDE_SUFFIX: Final = ".writing"
KEEP_FOLDERS: Final = 3

logger = logging.getLogger(__name__)


def write_folder(
    parent: Path, name: str, fill: Callable[[Path], None], meta: dict[str, Any], *, keep: int = KEEP_FOLDERS
) -> Path:
    """Create `parent/name` with whatever `fill(path)` writes there, all or nothing; of the others the newest `keep - 1` stay.

    `name` should sort after its predecessors (zero-padded numbers do); it stays even if it does not, as when all of those are
    damaged. A folder of that name is replaced. Raises what `fill` raises, leaving nothing behind; raises OSError when the disk is full.
    """
    parent.mkdir(parents=True, exist_ok=True)
    aside = parent / f"{name}{_ASIDE_SUFFIX}"
    _remove(aside)
    aside.mkdir()
    try:
        fill(aside)
        files = describe_files(aside)
        (aside / MANIFEST_NAME).write_bytes(encode_manifest(files, meta))
        for path in [*(aside / entry.path for entry in files), aside / MANIFEST_NAME, aside]:
            _flush(path)
    except BaseException:
        _remove(aside)
        raise
    final = parent / name
    _remove(final)
    aside.rename(final)
    _flush(parent)
    _drop_old(final, keep)
    return final


def open_folder(path: Path) -> Manifest:
    """The manifest of a folder whose every file was read and matches its SHA-256. Raises `CorruptRecord`."""
    manifest = read_manifest(path)
    verify_files(manifest)
    return manifest


def newest_folder(parent: Path) -> Path | None:
    """The last complete folder by name; a damaged one is skipped and its reason logged. None when there is none."""
    for path in reversed(_folders(parent)):
        try:
            open_folder(path)
        except CorruptRecord as error:
            logger.warning("skipping %s: %s", path, error)
            continue
        return path
    return None


def _folders(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    return sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.endswith(_ASIDE_SUFFIX))


def _drop_old(written: Path, keep: int) -> None:
    others = [path for path in _folders(written.parent) if path != written]
    for path in others[: max(0, len(others) - keep + 1)]:
        _remove(path)


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)


def _flush(path: Path) -> None:
    """fsync a file or folder, so that the rename never outruns the data it names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
