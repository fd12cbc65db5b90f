"""One signed POST to an address that was looked up before: no redirects, a deadline over all of it, and a short look at the answer."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Final

from webapp.alerts.addresses import RefusedAddress, Target, resolve
from webapp.core.errors import Invalid

TIMEOUT_S: Final = 10.0
ANSWER_BYTES: Final = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a receiver took the message, and what it said, or why it was not reached."""

    is_taken: bool
    text: str

    @classmethod
    def of_status(cls, status: int, said: str) -> Answer:
        hint = " (redirects are not followed)" if 300 <= status < 400 else ""
        return cls(200 <= status < 300, f"status {status}{hint}{f': {said}' if said else ''}")


def signature(secret: str, at_s: int, body: bytes) -> str:
    """The header `Freshet-Signature`: `t=<seconds>,v1=<hex>`, HMAC-SHA256 over `<seconds>.<body>` with the channel's secret."""
    digest = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


def webhook_post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    may_be_private: bool,
    timeout_s: float = TIMEOUT_S,
    look_up: Callable[..., Target] = resolve,
) -> Answer:
    """Sends JSON and reads `ANSWER_BYTES` of what comes back. Never raises for what a receiver, a name server or a network does."""
    try:
        target = look_up(url, may_be_private=may_be_private)
        return _post(target, body, headers, timeout_s)
    except (RefusedAddress, Invalid) as error:
        return Answer(False, f"not sent: {error}")
    except (OSError, http.client.HTTPException) as error:
        return Answer(False, f"not reached: {error or type(error).__name__}")


def _post(target: Target, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Answer:
    connection = _Pinned(target, timeout_s)
    try:
        with _deadline(connection, timeout_s):
            connection.request("POST", target.path, body, {"Content-Type": "application/json", **headers})
            response = connection.getresponse()
            text = response.read(ANSWER_BYTES).decode("utf-8", "replace")
            said = "".join(one if one.isprintable() else " " for one in text).strip()
            return Answer.of_status(response.status, said)
    finally:
        connection.close()


class _Pinned(http.client.HTTPConnection):
    """Connects to the address that was looked at, and speaks to the host by its name."""

    def __init__(self, target: Target, timeout_s: float) -> None:
        super().__init__(target.host, target.port, timeout=timeout_s)
        self.default_port = 443 if target.scheme == "https" else 80
        self._target = target
        self.is_out_of_time = False

    def connect(self) -> None:
        self.sock = socket.create_connection((self._target.ip, self._target.port), self.timeout)
        if self._target.scheme == "https":
            self.sock = _certificates().wrap_socket(self.sock, server_hostname=self._target.host)


@contextmanager
def _deadline(connection: _Pinned, timeout_s: float) -> Iterator[None]:
    """Each read has its own patience; a receiver that sends a byte now and then must not hold us up for longer than this in all."""

    def cut() -> None:
        connection.is_out_of_time = True
        if connection.sock is not None:
            with suppress(OSError):  # it has ended by itself
                connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(timeout_s, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        if connection.is_out_of_time:
            raise TimeoutError(f"no whole answer within {timeout_s:g} s") from error
        raise
    finally:
        timer.cancel()


@cache
def _certificates() -> ssl.SSLContext:
    return ssl.create_default_context()
