"""The head and the body of an answer leave together."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

from deploy.uvicorn_one_write import OneWrite, OneWriteProtocol

Send = Callable[[Any], Awaitable[None]]


class Transport(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True


def test_it_writes_once_a_turn_of_the_loop_in_order() -> None:
    async def write() -> list[bytes]:
        transport = Transport()
        held = OneWrite(transport, asyncio.get_running_loop())
        held.write(b"head, ")
        held.write(b"body")
        assert transport.written == []
        await asyncio.sleep(0)
        held.write(b"next")
        await asyncio.sleep(0)
        return transport.written

    assert asyncio.run(write()) == [b"head, body", b"next"]


def test_it_holds_no_more_than_told_and_nothing_when_it_closes() -> None:
    async def write() -> Transport:
        transport = Transport()
        held = OneWrite(transport, asyncio.get_running_loop(), max_held_bytes=4)
        held.write(b"1234")
        held.write(b"5")
        assert transport.written == [b"12345"]
        held.write(b"last")
        held.close()
        await asyncio.sleep(0)
        return transport

    transport = asyncio.run(write())
    assert transport.written == [b"12345", b"last"]
    assert transport.is_closed


async def application(scope: Any, receive: Any, send: Send) -> None:
    assert scope["client"][0] == "127.0.0.1"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"200000")]})
    await send({"type": "http.response.body", "body": b"a" * 100_000, "more_body": True})
    await send({"type": "http.response.body", "body": b"b" * 100_000})


def test_it_answers_whole_and_closes_when_it_is_asked_to() -> None:
    async def ask() -> bytes:
        listening = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(application, http=OneWriteProtocol, lifespan="off", log_level="error")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(-1), 10)
        writer.close()
        server.should_exit = True
        await serving
        return answer

    head, _, body = asyncio.run(ask()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert body == b"a" * 100_000 + b"b" * 100_000
