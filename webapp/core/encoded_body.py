"""A request's body as it was before `Content-Encoding`, never larger than what is taken: a small body can unpack to gigabytes."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from typing import IO

import zstandard
from rest_framework.exceptions import ParseError, UnsupportedMediaType

from webapp.core.errors import TooLarge

MAX_GZIP_MEMBERS = 64
MAX_WINDOW_BYTES = 8 * 2**20
"""What a zstd frame may make its reader hold; the format's recommended bound."""

_GZIP = 31  # zlib's number for a gzip header with the largest window


def read_body(stream: IO[bytes], content_encoding: str, max_bytes: int) -> bytes:
    """The body, unpacked. `max_bytes` bounds it packed and unpacked alike.

    Raises `TooLarge`, `ParseError` for a body that is not what its encoding says, `UnsupportedMediaType` for another encoding.
    """
    encoding = content_encoding.strip().lower()
    unpack = _UNPACK.get(encoding)
    if unpack is None:
        rule = f"Content-Encoding may be gzip, zstd or identity (received {content_encoding[:80]!r})."
        raise UnsupportedMediaType(encoding, detail=rule)
    body = stream.read(max_bytes + 1)
    _check_size(len(body), max_bytes, "")
    return unpack(body, max_bytes)


def _identity(body: bytes, max_bytes: int) -> bytes:  # noqa: ARG001
    return body


def _gunzip(body: bytes, max_bytes: int) -> bytes:
    """One or a few gzip members after each other, as the format allows."""
    pieces: list[bytes] = []
    num_bytes = 0
    rest = body
    while rest or not pieces:
        if len(pieces) == MAX_GZIP_MEMBERS:
            raise ParseError(f"The body has more than {MAX_GZIP_MEMBERS} gzip members.")
        member = zlib.decompressobj(wbits=_GZIP)
        try:
            pieces.append(member.decompress(rest, max_bytes + 1 - num_bytes))
        except zlib.error as error:
            raise ParseError(f"The body is not gzip: {error}") from error
        num_bytes += len(pieces[-1])
        _check_size(num_bytes, max_bytes, ", unpacked")
        if not member.eof:
            raise ParseError("The body is not gzip: it ends too early.")
        rest = member.unused_data.lstrip(b"\x00")
    return b"".join(pieces)


def _unzstd(body: bytes, max_bytes: int) -> bytes:
    """One zstd frame. It is unpacked twice: once within bounds, and once by the reader that tells a frame that ends too early."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
    try:
        with decompressor.stream_reader(io.BytesIO(body)) as reader:
            num_bytes = 0
            while piece := reader.read(64 * 2**10):
                num_bytes += len(piece)
                _check_size(num_bytes, max_bytes, ", unpacked")
        frame = decompressor.decompressobj()
        unpacked = frame.decompress(body)
    except zstandard.ZstdError as error:
        raise ParseError(f"The body is not zstd: {error}") from error
    if not frame.eof or frame.unused_data:
        raise ParseError("The body is not zstd: it must be one whole frame.")
    return unpacked


def _check_size(num_bytes: int, max_bytes: int, how: str) -> None:
    if num_bytes > max_bytes:
        raise TooLarge(f"The body is larger than {max_bytes} bytes{how}.", max_bytes=max_bytes)


_UNPACK: dict[str, Callable[[bytes, int], bytes]] = {
    "": _identity,
    "identity": _identity,
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "zstd": _unzstd,
}
