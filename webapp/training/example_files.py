"""Files of examples that batch runs may read: those in the folder `files` of the data folder, by name."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings

from webapp.core.errors import Invalid

SUFFIXES = (".parquet", ".csv")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}\.(parquet|csv)")


def files_folder() -> Path:
    folder: Path = settings.DATA_DIR
    return folder / "files"


def example_files() -> list[str]:
    """Names, in order."""
    folder = files_folder()
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path.name for path in found if path.suffix in SUFFIXES and path.is_file())


def example_file(name: str) -> Path:
    """Raises `Invalid` for a name that is none, or of no file there."""
    path = files_folder() / name
    if not _NAME.fullmatch(name) or not path.is_file():
        raise Invalid.field("input_file", f"must be a file in {files_folder().name}/ of the data folder", repr(name))
    return path
