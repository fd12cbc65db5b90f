"""The head and the body of an answer leave in one write.

Uvicorn writes the head when an application says it, and the body when it says that. Each is a call of the kernel, a packet, and a time
that whoever waits for the answer is woken: together they take longer than many an answer takes to make.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HELD_BYTES = 64 * 2**10


class OneWrite:
    """A transport that holds what is written until the event loop turns, at most `max_held_bytes`; all else is `transport`'s own."""

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, max_held_bytes: int = MAX_HELD_BYTES
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._max_held_bytes = max_held_bytes
        self._held: list[bytes] = []
        self._num_bytes = 0

    def write(self, data: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)
        self._num_bytes += len(data)
        if self._num_bytes > self._max_held_bytes:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        held, self._held, self._num_bytes = self._held, [], 0
        if held and not self._transport.is_closing():
            self._transport.write(b"".join(held))

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class OneWriteProtocol(HttpToolsProtocol):
    """Uvicorn's own, over a transport that holds."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        held = OneWrite(cast("asyncio.Transport", transport), self.loop)
        super().connection_made(cast("asyncio.Transport", held))
