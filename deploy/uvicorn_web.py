"""One web process. Several answer at one address, each supervised by itself, so that none is the parent that the others need.

`python -m deploy.uvicorn_web --socket 0` takes the listening socket that the supervisor keeps open: while a killed process comes back the
others accept, and what has not been accepted yet waits for them. `--host` and `--port` bind beside the others (SO_REUSEPORT), for
addresses that the supervisor cannot open (IPv6); what a killed process had not accepted is lost then.
"""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Sequence

import uvicorn

from deploy.uvicorn_one_write import OneWriteProtocol

APPLICATION = "webapp.asgi:application"
GRACE_S = 3


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer until SIGTERM or SIGINT."""
    listening = opened(parsed(arguments))
    config = uvicorn.Config(APPLICATION, http=OneWriteProtocol, access_log=False, timeout_graceful_shutdown=GRACE_S)
    uvicorn.Server(config).run(sockets=[listening])


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.uvicorn_web", description=__doc__)
    parser.add_argument("--socket", type=int, metavar="FD", help="a listening socket that was opened for this process")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    return parser.parse_args(arguments)


def opened(options: argparse.Namespace) -> socket.socket:
    """The socket to accept on. Raises OSError when it cannot be had."""
    if options.socket is not None:
        # Of its own number, so that nobody who writes to the standard streams meets it.
        return socket.socket(fileno=os.dup(options.socket))
    found = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    listening = socket.socket(family, kind, protocol)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind(address)
    return listening


if __name__ == "__main__":
    main()
