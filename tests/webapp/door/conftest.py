"""The door over a real replica's protocol, on a loop in a thread as `answer` uses it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from django.db import connections
from django.utils import timezone

from tests.webapp.client import DEFINITION, PATIENT
from tests.webapp.replica_server import Answers, served
from webapp.accounts.models import Project
from webapp.accounts.services import api_key_create
from webapp.core.remembered import forget_everything
from webapp.registry.services import model_publish
from webapp.serving.door.application import Door
from webapp.serving.door.falling_back import lately
from webapp.serving.door.filling import NUM_THREADS
from webapp.serving.door.serving_loop import run_on_loop, serving_loop
from webapp.serving.door.shadowing import under_way
from webapp.serving.models import Deployment
from webapp.serving.services import deployment_put, replica_report


@dataclass
class Told:
    """What the door answered; `body` is decoded."""

    status: int
    headers: dict[str, str]
    body: Any


async def passed_on(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


class DoorClient:
    """Speaks ASGI to a door. Headers are given with underscores."""

    def __init__(self, door: Door, secret: str | None) -> None:
        self.door = door
        self._secret = secret

    def post(self, path: str, body: Any, *, method: str = "POST", **headers: str) -> Told:
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        given = {"host": "localhost", "content-type": "application/json"}
        if self._secret is not None:
            given["authorization"] = f"Bearer {self._secret}"
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        scope = {
            "type": "http",
            "method": method,
            "path": f"/api/v1{path}",
            "query_string": b"",
            "client": ("10.1.2.3", 5000),
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }
        return run_on_loop(self._ask(scope, content), serving_loop())

    def settled(self) -> None:
        """Return when nothing is under way that no answer waits for."""
        run_on_loop(self.door._filling.settled(), serving_loop())

    def shadows_settled(self) -> None:
        """Return when no deployment is asked beside another any more."""

        async def wait() -> None:
            await asyncio.sleep(0)
            if under_way():
                await asyncio.wait(under_way())

        run_on_loop(wait(), serving_loop())

    async def _ask(self, scope: Mapping[str, Any], content: bytes) -> Told:
        sent: list[Mapping[str, Any]] = []
        pieces = [content[: len(content) // 2], content[len(content) // 2 :]]

        async def receive() -> Mapping[str, Any]:
            return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

        async def send(message: Mapping[str, Any]) -> None:
            sent.append(message)

        await self.door(scope, receive, send)
        answered = b"".join(message.get("body", b"") for message in sent[1:])
        headers = {name.decode(): value.decode() for name, value in sent[0].get("headers", ())}
        return Told(sent[0]["status"], headers, orjson.loads(answered))


@pytest.fixture
def deployment(project: Project) -> Deployment:
    version = model_publish(project=project, name="retrieval", document=DEFINITION)
    return deployment_put(project=project, name="main", retrieval=version, ranking=None, document=PATIENT)


def alive(name: str, address: str) -> None:
    replica_report(name=name, address=address, started_at=timezone.now(), positions=[])
    forget_everything()


@pytest.fixture
def answers(deployment: Deployment) -> Iterator[Answers]:
    one = Answers()
    with served(one) as address:
        alive("replica-1", address)
        yield one


@pytest.fixture
def opened(project: Project) -> Iterator[Callable[..., DoorClient]]:
    """Makes a client of one door, with a key of these scopes; None: without a key."""
    door = Door(passed_on)
    lately.forget()

    def make(*scopes: str) -> DoorClient:
        _, secret = api_key_create(project=project, name="door", scopes=scopes or ["recommend"])
        return DoorClient(door, secret)

    yield make
    run_on_loop(door._filling.settled(), serving_loop())
    run_on_loop(serving_loop().impressions.close(), serving_loop())
    together = threading.Barrier(NUM_THREADS)

    def end_connections() -> None:
        together.wait(10)
        connections.close_all()

    for ended in [door._filling._threads.submit(end_connections) for _ in range(NUM_THREADS)]:
        ended.result()
    door._filling.close()


@pytest.fixture
def client(opened: Callable[..., DoorClient]) -> DoorClient:
    return opened()
