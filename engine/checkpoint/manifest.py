"""The manifest of a folder: every file with its size and SHA-256, and the writer's own metadata, as one JSON document."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from engine.errors import CorruptRecord

MANIFEST_NAME: Final = "manifest.json"
FORMAT_VERSION: Final = 1
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of the folder: its path inside it (forward slashes), length and SHA-256 in hexadecimal."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a complete folder holds. `meta` is the writer's: JSON types only."""

    folder: Path
    files: tuple[FileEntry, ...]
    meta: dict[str, Any]


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def describe_files(folder: Path) -> tuple[FileEntry, ...]:
    """Every regular file below `folder`, by path, the manifest itself left out."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST_NAME)
    return tuple(FileEntry(path.relative_to(folder).as_posix(), path.stat().st_size, sha256_of(path)) for path in paths)


def encode_manifest(files: tuple[FileEntry, ...], meta: dict[str, Any]) -> bytes:
    return orjson.dumps(
        {"format": FORMAT_VERSION, "meta": meta, "files": files}, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
    )


def read_manifest(folder: Path) -> Manifest:
    """Parse `folder`'s manifest without looking at the files. Raises `CorruptRecord`."""
    path = folder / MANIFEST_NAME
    try:
        document = orjson.loads(path.read_bytes())
        if document["format"] != FORMAT_VERSION:
            raise CorruptRecord(f"{path}: format must be {FORMAT_VERSION}, received {document['format']!r}")
        files = tuple(FileEntry(**entry) for entry in document["files"])
        return Manifest(folder, files, dict(document["meta"]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CorruptRecord(f"{path} is not a manifest: {error}") from error


def verify_files(manifest: Manifest) -> None:
    """Raise `CorruptRecord` naming the first file that is absent, of another length, or of another SHA-256."""
    for entry in manifest.files:
        path = manifest.folder / entry.path
        if not path.is_file():
            raise CorruptRecord(f"{path} is listed in the manifest but absent")
        size_bytes = path.stat().st_size
        if size_bytes != entry.size_bytes:
            raise CorruptRecord(f"{path}: size must be {entry.size_bytes} bytes, received {size_bytes}")
        if sha256_of(path) != entry.sha256:
            raise CorruptRecord(f"{path}: SHA-256 differs from the manifest's")
