"""The counters of a joiner's newest checkpoint, for those who start from them without its other state."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pyarrow as pa

from engine.checkpoint.manifest import read_manifest, verify_files
from engine.errors import CorruptRecord
from engine.joining.state_files import COUNTERS_PREFIX, read_table

# A joiner writes a folder each few seconds and keeps two: those that were there may be gone before they are read.
_NUM_LOOKS: Final = 3

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CheckpointedCounters:
    """The state of the counters, and for each partition of `events` the offset of the next event to count."""

    tables: tuple[pa.Table, ...]
    event_offsets: Mapping[int, int]


def newest_counters(directory: Path) -> CheckpointedCounters | None:
    """Of the newest folder below a joiner's `directory` that has any and is not damaged; None when there is none."""
    for _ in range(_NUM_LOOKS):
        folders = sorted(directory.iterdir(), reverse=True) if directory.is_dir() else []
        if not folders:
            return None
        for folder in folders:
            try:
                return _counters_in(folder)
            except (CorruptRecord, OSError, pa.ArrowException, KeyError, ValueError) as error:
                logger.info("%s has no counters to start from: %s", folder, error)
    return None


def _counters_in(folder: Path) -> CheckpointedCounters | None:
    manifest = read_manifest(folder)
    entries = tuple(entry for entry in manifest.files if entry.path.startswith(COUNTERS_PREFIX))
    if not entries:
        return None
    verify_files(replace(manifest, files=entries))
    offsets = {int(partition): int(offset) for partition, offset in manifest.meta["events"].items()}
    return CheckpointedCounters(tuple(read_table(folder / entry.path) for entry in entries), offsets)
