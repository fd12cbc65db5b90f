"""What of a joiner's newest checkpoint others start from: the schema's counters, and users' histories."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pyarrow as pa

from engine.checkpoint.manifest import read_manifest, verify_files
from engine.errors import CorruptRecord
from engine.joining.state_files import COUNTERS_PREFIX, HISTORIES_FILE, read_table
from engine.spec.erasure import Erased

# A joiner writes a folder each few seconds and keeps two: those that were there may be gone before they are read.
_NUM_LOOKS: Final = 3

_Found = tuple[tuple[pa.Table, ...], Mapping[int, int], tuple[Erased, ...]]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CheckpointedCounters:
    """The state of the counters, and for each partition of `events` the offset of the next event to count."""

    tables: tuple[pa.Table, ...]
    event_offsets: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class CheckpointedHistories:
    """What each user acted on last, as `engine.features.histories.HISTORY_SCHEMA`, and the offset of the next event by partition."""

    table: pa.Table
    event_offsets: Mapping[int, int]
    erased: tuple[Erased, ...] = ()
    """The last erasures that the joiner had carried out by then."""


def newest_counters(directory: Path) -> CheckpointedCounters | None:
    """Of the newest folder below a joiner's `directory` that has any and is not damaged; None when there is none."""
    found = _newest(directory, lambda path: path.startswith(COUNTERS_PREFIX))
    return None if found is None else CheckpointedCounters(found[0], found[1])


def newest_histories(directory: Path) -> CheckpointedHistories | None:
    """As `newest_counters`."""
    found = _newest(directory, lambda path: path == HISTORIES_FILE)
    return None if found is None else CheckpointedHistories(found[0][0], found[1], found[2])


def _newest(directory: Path, is_wanted: Callable[[str], bool]) -> _Found | None:
    for _ in range(_NUM_LOOKS):
        folders = sorted(directory.iterdir(), reverse=True) if directory.is_dir() else []
        if not folders:
            return None
        for folder in folders:
            try:
                return _found_in(folder, is_wanted)
            except (CorruptRecord, OSError, pa.ArrowException, KeyError, ValueError) as error:
                logger.info("%s has nothing to start from: %s", folder, error)
    return None


def _found_in(folder: Path, is_wanted: Callable[[str], bool]) -> _Found | None:
    manifest = read_manifest(folder)
    entries = tuple(entry for entry in manifest.files if is_wanted(entry.path))
    if not entries:
        return None
    verify_files(replace(manifest, files=entries))
    offsets = {int(partition): int(offset) for partition, offset in manifest.meta["events"].items()}
    erased = tuple(Erased.from_json(one) for one in manifest.meta.get("state", {}).get("erased", ()))
    return tuple(read_table(folder / entry.path) for entry in entries), offsets, erased
