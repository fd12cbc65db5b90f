"""Who acts now: the account or the API key of the request under work, or Freshet itself in workers and commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

from django.http import HttpRequest
from django.http.response import HttpResponseBase


class ActorKind(StrEnum):
    ACCOUNT = "account"
    KEY = "key"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """`name` is the account's username or the key's name with its prefix; `address` is where the request came from, "" for none."""

    kind: ActorKind
    name: str
    address: str = ""


SYSTEM = Actor(ActorKind.SYSTEM, "system")

_acting: ContextVar[Actor] = ContextVar("acting", default=SYSTEM)


def acting() -> Actor:
    """Who acts now; `SYSTEM` when nobody said."""
    return _acting.get()


def act_as_account(username: str, address: str) -> None:
    """The rest of this request is the account's doing."""
    _acting.set(Actor(ActorKind.ACCOUNT, username, address))


def act_as_key(name: str, prefix: str, address: str) -> None:
    """The rest of this request is the key's doing."""
    _acting.set(Actor(ActorKind.KEY, f"{name} ({prefix})", address))


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """For the time of the block."""
    token = _acting.set(actor)
    try:
        yield
    finally:
        _acting.reset(token)


class Acting:
    """Middleware: what a request set ends with it, for the API's threads go on to the next one."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with acting_as(SYSTEM):
            return self._get_response(request)
