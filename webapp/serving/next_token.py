"""`next`: what an answer and those before it showed, so that the one after shows none of it again. Nothing is kept on the server.

A token is URL-safe base64 of: version (1 byte), expiry (4 bytes, seconds since the epoch), the 64-bit hashes of the item ids shown
(8 bytes each), and 16 bytes of a MAC (keyed BLAKE2b, RFC 7693) over all of that and over whom it is for. All integers are little endian.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Iterable, Sequence
from functools import cache

import xxhash

from engine.serving.requests import Ask
from webapp.core.errors import Invalid

MAX_SHOWN = 2_000
LIVES_S = 3600
VERSION = 1

_HEAD = struct.Struct("<BI")
_MAC_BYTES = 16
_PURPOSE = b"freshet next token"
_FIELD = "next"


def hash_of(item_id: str) -> int:
    """XXH64 with seed 0 of the id in UTF-8, as `RecommendRequest.shown` means it."""
    return int(xxhash.xxh64_intdigest(item_id.encode()))


class NextTokens:
    """`secret` is the server's own; whoever does not know it makes no token. `whom` is what a token is good for."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.blake2b(secret.encode(), person=_PURPOSE[:16], digest_size=32).digest()

    def make(self, whom: bytes, shown: Sequence[int], now_s: float) -> str | None:
        """None when more was shown than a token holds: there the scroll ends."""
        if len(shown) > MAX_SHOWN:
            return None
        body = _HEAD.pack(VERSION, int(now_s) + LIVES_S) + struct.pack(f"<{len(shown)}Q", *shown)
        return base64.urlsafe_b64encode(body + self._mac(whom, body)).decode()

    def read(self, whom: bytes, token: str, now_s: float) -> tuple[int, ...]:
        """The hashes of what was shown. Raises `Invalid` for a token that is another's, changed, broken or too old."""
        try:
            raw = base64.urlsafe_b64decode(token)
        except (binascii.Error, ValueError):
            raise _refused("is not what an answer gave", token) from None
        body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if (
            len(body) < _HEAD.size
            or (len(body) - _HEAD.size) % 8
            or not hmac.compare_digest(mac, self._mac(whom, body))
        ):
            raise _refused("must be what an answer to the same user, call and item gave, unchanged", token)
        version, expires_s = _HEAD.unpack_from(body)
        if version != VERSION or expires_s < now_s:
            raise _refused(f"is too old: it is good for {LIVES_S // 60} minutes", token)
        return struct.unpack(f"<{(len(body) - _HEAD.size) // 8}Q", body[_HEAD.size :])

    def _mac(self, whom: bytes, body: bytes) -> bytes:
        said = len(whom).to_bytes(4, "little") + whom + body
        return hashlib.blake2b(said, key=self._key, digest_size=_MAC_BYTES).digest()


@cache
def tokens_of(secret: str) -> NextTokens:
    return NextTokens(secret)


def whom_of(project_id: int, ask: Ask, user_id: str, item_id: str) -> bytes:
    """What a token is bound to. Not the deployment: an experiment that ends must not break a scroll."""
    return "\x00".join((str(project_id), ask.value, user_id, item_id)).encode()


def with_shown(before: Iterable[int], item_ids: Iterable[str]) -> tuple[int, ...]:
    """What was shown before and now, each once."""
    return tuple(dict.fromkeys((*before, *map(hash_of, item_ids))))


def _refused(rule: str, token: str) -> Invalid:
    return Invalid.field(_FIELD, rule, repr(token[:40]))
