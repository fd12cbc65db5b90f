"""Files that batch runs may read: those in the folder `files` of the data folder, by name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings

from engine.errors import InvalidDocument
from webapp.catalog.importing.api_rows import MAPPING_SUFFIX, column_names
from webapp.catalog.importing.mapping import FileFormat
from webapp.catalog.importing.reading import format_of, open_binary
from webapp.core.errors import Invalid

_NAME = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}\.(parquet|csv|jsonl|ndjson|csv\.gz|jsonl\.gz|ndjson\.gz|csv\.zst|jsonl\.zst|ndjson\.zst)"
)
_COUNTED_BYTES = 64 << 20
"""The lines of a longer text file are not counted for the page."""


class Holds(StrEnum):
    """What a file's rows are: examples, learned as they are; or events, which are joined into examples first."""

    EXAMPLES = "examples"
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class RunFile:
    """A file as the page names it. `num_rows` is None where counting would take long; `problem` says why it cannot be read."""

    name: str
    num_bytes: int
    num_rows: int | None
    holds: Holds | None
    problem: str = ""


def files_folder() -> Path:
    folder: Path = settings.DATA_DIR
    return folder / "files"


def run_files() -> list[RunFile]:
    """In the order of their names."""
    folder = files_folder()
    found = sorted(path for path in folder.iterdir() if _is_listed(path)) if folder.is_dir() else []
    return [_described(path, (stat := path.stat()).st_mtime_ns, stat.st_size, _is_mapped(path)) for path in found]


def example_files() -> list[str]:
    """Names of those that hold examples, in order."""
    return [file.name for file in run_files() if file.holds is Holds.EXAMPLES]


def example_file(name: str) -> Path:
    """A file of examples. Raises `Invalid` for a name that is none, or of no such file there."""
    path, holds = run_file(name)
    if holds is not Holds.EXAMPLES:
        raise Invalid.field("input_file", "must be a file of examples, and this one holds events", repr(name))
    return path


def run_file(name: str) -> tuple[Path, Holds]:
    """Where it is and what it holds. Raises `Invalid` for a name that is none, or of no file there that can be read."""
    path = files_folder() / name
    if not _NAME.fullmatch(name) or not path.is_file():
        raise Invalid.field("input_file", f"must be a file in {files_folder().name}/ of the data folder", repr(name))
    try:
        return path, _holds(path)
    except (pa.ArrowException, OSError, InvalidDocument) as error:
        raise Invalid.field("input_file", f"cannot be read: {_first_line(error)}", repr(name)) from error


def _is_mapped(path: Path) -> bool:
    return path.with_name(path.name + MAPPING_SUFFIX).is_file()


def _is_listed(path: Path) -> bool:
    return bool(_NAME.fullmatch(path.name)) and not path.name.endswith(MAPPING_SUFFIX) and path.is_file()


@lru_cache(maxsize=256)
def _described(path: Path, _changed_ns: int, num_bytes: int, _mapped: bool) -> RunFile:
    """Looked at once for as long as it stays the same."""
    try:
        return RunFile(path.name, num_bytes, _num_rows(path, num_bytes), _holds(path))
    except (pa.ArrowException, OSError, InvalidDocument) as error:
        return RunFile(path.name, num_bytes, None, None, _first_line(error))


def _holds(path: Path) -> Holds:
    """Labels are of examples alone; a mapping beside it is of events."""
    if format_of(path) is FileFormat.JSONL or _is_mapped(path):
        return Holds.EVENTS
    return Holds.EXAMPLES if any(name.startswith("label.") for name in column_names(path)) else Holds.EVENTS


def _num_rows(path: Path, num_bytes: int) -> int | None:
    if format_of(path) is FileFormat.PARQUET:
        return int(pq.read_metadata(path).num_rows)
    if num_bytes > _COUNTED_BYTES:
        return None
    with open_binary(path) as file:
        lines = sum(1 for line in file if line.strip())
    return max(0, lines - 1) if format_of(path) is FileFormat.CSV else lines


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
