"""Atomic folders: written aside, checksummed, flushed to the disk, renamed; the newest complete one wins.

A folder may build on a previous one beside it, and that on another: a chain. It is complete only with all of its chain.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

from engine.checkpoint.manifest import (
    MANIFEST_NAME,
    Manifest,
    describe_files,
    describe_previous,
    encode_manifest,
    read_manifest,
    sha256_of,
    verify_files,
)
from engine.errors import CorruptRecord

_ASIDE_SUFFIX: Final = ".writing"
_FOLDER_MODE: Final = 0o755
KEEP_FOLDERS: Final = 3
MAX_CHAIN: Final = 64

Chain = tuple[Manifest, ...]

logger = logging.getLogger(__name__)


def write_folder(
    parent: Path,
    name: str,
    fill: Callable[[Path], None],
    meta: dict[str, Any],
    *,
    keep: int = KEEP_FOLDERS,
    previous: Path | None = None,
    placing: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Path:
    """Create `parent/name` with whatever `fill(path)` writes there, all or nothing, building on the folder `previous`.

    Of the others the newest `keep - 1` stay, with all that they and the new one build on, and one that shares nothing with the new
    one if there is any: a damaged base does not take everything with it. `name` should sort after its predecessors (zero-padded
    numbers do); it stays even if it does not, as when all of those are damaged. A folder of that name is replaced. One writer at a
    time: others are changed only within `placing()` (`engine.checkpoint.folder_fence.in_epoch`), and what a writer that was shut
    out left aside is removed. Raises what `fill` raises, leaving nothing behind; raises OSError when the disk is full or `previous`
    is gone, and ValueError when `previous` is the folder to be replaced.
    """
    if previous == parent / name:
        raise ValueError(f"previous must be another folder, received {name}")
    parent.mkdir(parents=True, exist_ok=True)
    # Of its own name: a writer that was shut out may still be writing a folder called the same.
    aside = Path(tempfile.mkdtemp(prefix=f"{name}.", suffix=_ASIDE_SUFFIX, dir=parent))
    aside.chmod(_FOLDER_MODE)
    try:
        described = None if previous is None else describe_previous(previous)
        fill(aside)
        files = describe_files(aside)
        (aside / MANIFEST_NAME).write_bytes(encode_manifest(files, meta, described))
        for path in [*(aside / entry.path for entry in files), aside / MANIFEST_NAME, aside]:
            _flush(path)
        with placing():
            return _place(aside, parent / name, keep)
    except BaseException:
        _remove(aside)
        raise


def _place(aside: Path, final: Path, keep: int) -> Path:
    _remove(final)
    aside.rename(final)
    _flush(final.parent)
    _drop_old(final, keep)
    return final


def open_folder(path: Path) -> Manifest:
    """The manifest of a folder whose every file was read and matches its SHA-256. Raises `CorruptRecord`."""
    manifest = read_manifest(path)
    verify_files(manifest)
    return manifest


def open_chain(path: Path) -> Chain:
    """The manifests of a folder and of all it builds on, the base first, every file verified. Raises `CorruptRecord`."""
    return tuple(_open_chain(path, {}))


def newest_chain(parent: Path) -> Chain | None:
    """The chain of the last complete folder by name; a damaged one is skipped and its reason logged. None when there is none."""
    opened: dict[Path, Manifest | CorruptRecord] = {}
    for path in reversed(_folders(parent)):
        try:
            return tuple(_open_chain(path, opened))
        except CorruptRecord as error:
            logger.warning("skipping %s: %s", path, error)
    return None


def newest_folder(parent: Path) -> Path | None:
    """The last folder of `newest_chain`."""
    chain = newest_chain(parent)
    return None if chain is None else chain[-1].folder


def _open_chain(path: Path, opened: dict[Path, Manifest | CorruptRecord]) -> list[Manifest]:
    """`opened`: what is known of folders looked at before, so that each is read once."""
    chain = [_open_once(path, opened)]
    while (previous := chain[0].previous) is not None:
        if len(chain) == MAX_CHAIN:
            raise CorruptRecord(f"{path} builds on more than {MAX_CHAIN} others")
        base = _open_once(path.parent / previous.name, opened)
        if sha256_of(base.folder / MANIFEST_NAME) != previous.manifest_sha256:
            raise CorruptRecord(f"{base.folder / MANIFEST_NAME} is not the one that {chain[0].folder.name} builds on")
        chain.insert(0, base)
    return chain


def _open_once(path: Path, opened: dict[Path, Manifest | CorruptRecord]) -> Manifest:
    if path not in opened:
        try:
            opened[path] = open_folder(path)
        except CorruptRecord as error:
            opened[path] = error
    found = opened[path]
    if isinstance(found, CorruptRecord):
        raise found
    return found


def _folders(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    return sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.endswith(_ASIDE_SUFFIX))


def _drop_old(written: Path, keep: int) -> None:
    parent = written.parent
    folders = [path for path in _folders(parent) if path != written]
    chains = {path: _chain_names(path) for path in [*folders, written]}
    kept = [written, *folders[len(folders) - keep + 1 :]] if keep > 1 else [written]
    if keep > 1 and all(chains[path][0] == chains[written][0] for path in kept):
        kept += [path for path in folders if chains[path][0] != chains[written][0]][-1:]
    needed = {name for path in kept for name in chains[path]}
    # What builds on others goes before them, so that a crash in between leaves whole chains.
    for path in reversed(folders):
        if path.name not in needed:
            _remove(path)
    for path in parent.glob(f"*{_ASIDE_SUFFIX}"):
        _remove(path)  # left by a process that was killed


def _chain_names(path: Path) -> list[str]:
    """The names of the folder and of what it builds on, base first, as far as manifests can be read."""
    names = [path.name]
    while len(names) < MAX_CHAIN:
        try:
            previous = read_manifest(path.parent / names[0]).previous
        except CorruptRecord:
            return names
        if previous is None:
            return names
        names.insert(0, previous.name)
    return names


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
