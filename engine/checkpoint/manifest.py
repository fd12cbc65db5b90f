"""The manifest of a folder: every file with its size and SHA-256, what it builds on, and the writer's own metadata, as one JSON document.

Format 2 carries a SHA-256 of itself and may name a previous folder; format 1, which had neither, is still read.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from engine.errors import CorruptRecord

MANIFEST_NAME: Final = "manifest.json"
FORMAT_VERSION: Final = 2
_READABLE: Final = (1, 2)
_CHUNK_BYTES: Final = 1 << 20
_FOLDER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of the folder: its path inside it (forward slashes), length and SHA-256 in hexadecimal."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Previous:
    """The folder beside this one that it builds on, and the SHA-256 of that folder's manifest file."""

    name: str
    manifest_sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a complete folder holds. `meta` is the writer's: JSON types only."""

    folder: Path
    files: tuple[FileEntry, ...]
    meta: dict[str, Any]
    previous: Previous | None = None


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


def describe_previous(folder: Path) -> Previous:
    """How a manifest names the folder it builds on. Raises OSError when that has no manifest."""
    return Previous(folder.name, sha256_of(folder / MANIFEST_NAME))


def encode_manifest(files: tuple[FileEntry, ...], meta: dict[str, Any], previous: Previous | None = None) -> bytes:
    document = {
        "format": FORMAT_VERSION,
        "meta": meta,
        "files": [asdict(entry) for entry in files],
        "previous": None if previous is None else asdict(previous),
    }
    return orjson.dumps(
        document | {"sha256": _sha256_of_document(document)}, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
    )


def read_manifest(folder: Path) -> Manifest:
    """Parse `folder`'s manifest without looking at the files. Raises `CorruptRecord`."""
    path = folder / MANIFEST_NAME
    try:
        document = orjson.loads(path.read_bytes())
        version = document["format"]
        if version not in _READABLE:
            raise CorruptRecord(f"{path}: format must be {' or '.join(map(str, _READABLE))}, received {version!r}")
        if version > 1 and document.pop("sha256") != _sha256_of_document(document):
            raise CorruptRecord(f"{path}: its SHA-256 of itself differs from its contents")
        files = tuple(FileEntry(**entry) for entry in document["files"])
        return Manifest(folder, files, dict(document["meta"]), _previous(document.get("previous"), path))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
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


def _previous(document: dict[str, Any] | None, path: Path) -> Previous | None:
    if document is None:
        return None
    previous = Previous(**document)
    if not _FOLDER_NAME.fullmatch(previous.name):
        raise CorruptRecord(f"{path}: previous must be the name of a folder beside it, received {previous.name!r:.80}")
    return previous


def _sha256_of_document(document: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
