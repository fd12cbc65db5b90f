"""What travels: a preface of each connection, then frames.

A frame is a head of 17 bytes, little endian, and a body: uint32 length of the body, uint64 number of the call, uint8 kind, uint32 word.

==========  ==========================================================  =====================================
kind        word                                                        body
==========  ==========================================================  =====================================
ASK         ms that the caller waits from now on; `NO_DEADLINE`: any    `RecommendRequest`
ANSWER      0                                                           `RecommendReply`
FAILURE     the number of a gRPC status code                            `Failure`, as JSON
LET_GO      0                                                           empty: nobody waits for this call
==========  ==========================================================  =====================================
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

from engine.errors import EngineError

PREFACE: Final = b"freshet1"
"""The first bytes of whoever connects: one who speaks something else is told from the first on."""
NO_DEADLINE: Final = 2**32 - 1
MAX_CALL: Final = 2**63

_HEAD: Final = struct.Struct("<IQBI")


class Kind(IntEnum):
    ASK = 1
    ANSWER = 2
    FAILURE = 3
    LET_GO = 4


class BrokenFrame(EngineError):
    """The other side sends what is no frame, or one that is too long."""


class Frame(NamedTuple):
    call: int
    kind: Kind
    word: int
    body: bytes


def framed(call: int, kind: Kind, word: int = 0, body: bytes = b"") -> bytes:
    """The bytes of a frame. Raises `struct.error` for a number that does not fit."""
    return _HEAD.pack(len(body), call, kind, word) + body


class Frames:
    """Bytes as they come in, cut into frames. Not thread-safe. `preface` is what must come first."""

    def __init__(self, max_body_bytes: int, preface: bytes = b"") -> None:
        self._max_body_bytes = max_body_bytes
        self._preface = preface
        self._held = bytearray()

    def take(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole now. Raises `BrokenFrame`; what comes after it means nothing."""
        held = self._held
        held += data
        if self._preface and not self._has_preface():
            return
        start = 0
        try:
            while len(held) - start >= _HEAD.size:
                length, call, kind, word = _HEAD.unpack_from(held, start)
                if length > self._max_body_bytes:
                    raise BrokenFrame(
                        f"a message of {length} bytes is longer than the {self._max_body_bytes} that are taken"
                    )
                end = start + _HEAD.size + length
                if len(held) < end:
                    break
                body = bytes(held[start + _HEAD.size : end])
                start = end
                yield Frame(call, _kind(kind), word, body)
        finally:
            del held[:start]

    def _has_preface(self) -> bool:
        """And cuts it off. Raises `BrokenFrame` for another one."""
        preface, held = self._preface, self._held
        if not preface.startswith(bytes(held[: len(preface)])):
            raise BrokenFrame(f"a connection must begin with {preface!r}, received {bytes(held[: len(preface)])!r}")
        if len(held) < len(preface):
            return False
        del held[: len(preface)]
        self._preface = b""
        return True


def _kind(number: int) -> Kind:
    try:
        return Kind(number)
    except ValueError:
        raise BrokenFrame(f"a frame's kind must be from 1 to {len(Kind)}, received {number}") from None
