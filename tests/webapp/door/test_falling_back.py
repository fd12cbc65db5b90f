"""Replicas that fail, are slow or are away: who is asked then, and what is answered when nobody answers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import pytest

from engine.errors import EngineError, InvalidDocument, Problem, ReplicaUnavailable
from engine.serving.requests import RecommendReply, RecommendRequest
from engine.serving.wire import replica_pb2 as wire
from tests.webapp.client import Api
from tests.webapp.door.conftest import DoorClient, alive
from tests.webapp.replica_server import REPLY, Answers, served
from webapp.serving.door.breaker import MAX_FAILURES, BreakerState
from webapp.serving.door.hedging import Hedging
from webapp.serving.door.race import DeadlinePassed
from webapp.serving.door.replicas import Replicas
from webapp.serving.models import Deployment

REQUEST = RecommendRequest("shop", "main", "u1")


@dataclass
class SlowAnswers(Answers):
    """Answers after `delay_s`, or when the call is given up."""

    delay_s: float = 30.0

    def Recommend(self, request: wire.RecommendRequest, context: grpc.ServicerContext) -> wire.RecommendReply:
        ends_s = time.monotonic() + self.delay_s
        while time.monotonic() < ends_s and context.is_active():
            time.sleep(0.002)
        return super().Recommend(request, context)


@dataclass
class Scripted:
    """A client that answers what it is told to, and counts."""

    address: str
    script: dict[str, Callable[[], Coroutine[Any, Any, RecommendReply]]]
    asked: list[str] = field(default_factory=list)

    async def recommend(self, request: RecommendRequest, timeout_s: float) -> RecommendReply:
        self.asked.append(self.address)
        return await self.script[self.address]()

    async def close(self) -> None:
        pass


class World:
    """Replicas by name, each with what it does; `asked` in order; a clock."""

    def __init__(self, *, fixed_s: float = 0.01, **does: Callable[[], Coroutine[Any, Any, RecommendReply]]) -> None:
        self.asked: list[str] = []
        self.now_s = 0.0
        self.replicas = Replicas(
            hedging=Hedging(fixed_s=fixed_s),
            connect=lambda address: Scripted(address, does, self.asked),
            clock=lambda: self.now_s,
        )
        self.addresses = tuple(does)

    async def ask(self, timeout_s: float = 5.0) -> RecommendReply:
        return await self.replicas.ask(self.addresses, REQUEST, timeout_s)


async def answers_well() -> RecommendReply:
    return REPLY


async def is_away() -> RecommendReply:
    raise ReplicaUnavailable("away")


async def fails() -> RecommendReply:
    raise EngineError("failed")


async def refuses() -> RecommendReply:
    raise InvalidDocument("recommend request", [Problem("filter", "is wrong", "x")])


async def serves_another() -> RecommendReply:
    raise ReplicaUnavailable("not of mine", is_away=False)


async def hangs() -> RecommendReply:
    await asyncio.Event().wait()
    raise AssertionError


def test_a_replica_that_keeps_failing_is_left_alone_and_asked_again_later() -> None:
    async def scenario() -> None:
        world = World(bad=is_away, good=answers_well)
        for _ in range(40):
            assert await world.ask() is REPLY
        assert Counter(world.asked) == {"bad": MAX_FAILURES, "good": 40}
        assert world.replicas.states() == {"bad": BreakerState.OPEN, "good": BreakerState.CLOSED}
        world.now_s += 1.0
        for _ in range(4):
            assert await world.ask() is REPLY
        assert Counter(world.asked)["bad"] == MAX_FAILURES + 1

    asyncio.run(scenario())


def test_when_every_breaker_is_open_nobody_is_waited_for() -> None:
    async def scenario() -> None:
        world = World(bad=is_away)
        for _ in range(MAX_FAILURES + 3):
            with pytest.raises(ReplicaUnavailable):
                await world.ask()
        assert len(world.asked) == MAX_FAILURES

    asyncio.run(scenario())


@pytest.mark.parametrize(("does", "raised"), [(refuses, InvalidDocument), (serves_another, ReplicaUnavailable)])
def test_a_refusal_says_nothing_against_a_replica(
    does: Callable[[], Coroutine[Any, Any, RecommendReply]], raised: type[EngineError]
) -> None:
    async def scenario() -> None:
        world = World(one=does)
        for _ in range(3 * MAX_FAILURES):
            with pytest.raises(raised):
                await world.ask()
        assert world.replicas.states() == {"one": BreakerState.CLOSED}

    asyncio.run(scenario())


def test_a_refused_request_is_not_put_to_another_replica() -> None:
    async def scenario() -> None:
        world = World(one=refuses, two=refuses)
        with pytest.raises(InvalidDocument):
            await world.ask()
        assert len(world.asked) == 1

    asyncio.run(scenario())


def test_the_last_failure_is_told_when_two_fail() -> None:
    async def scenario() -> None:
        world = World(one=fails, two=fails, three=answers_well)
        with pytest.raises(EngineError, match="failed"):
            await world.ask()
        assert len(world.asked) == 2

    asyncio.run(scenario())


def test_a_second_replica_is_asked_beside_a_slow_one() -> None:
    async def scenario() -> None:
        world = World(slow=hangs, quick=answers_well)
        assert [await world.ask() for _ in range(2)] == [REPLY] * 2
        assert world.replicas.num_hedged == 1
        assert world.asked == ["slow", "quick", "quick"]

    asyncio.run(scenario())


def test_a_probe_that_lost_the_race_leaves_the_breaker_to_the_next() -> None:
    async def scenario() -> None:
        world = World(bad=is_away, good=answers_well)
        for _ in range(2 * MAX_FAILURES):
            await world.ask()
        world.now_s += 1.0
        world.replicas._clients["bad"] = Scripted("bad", {"bad": hangs}, world.asked)
        for _ in range(2):
            assert await world.ask() is REPLY
        await asyncio.sleep(0)
        assert world.replicas.states()["bad"] is BreakerState.OPEN
        world.replicas._clients["bad"] = Scripted("bad", {"bad": answers_well}, world.asked)
        for _ in range(2):
            assert await world.ask() is REPLY
        assert world.replicas.states()["bad"] is BreakerState.CLOSED

    asyncio.run(scenario())


@pytest.mark.django_db(transaction=True)
def test_it_answers_in_time_what_was_answered_lately_when_the_replica_is_slow(
    client: DoorClient, api: Api, deployment: Deployment
) -> None:
    slow = SlowAnswers(delay_s=0.0)
    with served(slow) as address:
        alive("replica-1", address)
        for item_id in ("tea", "jam"):
            api.put(f"/items/{item_id}", {"properties": {}})
        assert client.post("/recommend", {"user_id": "u1", "timeout_ms": 5000}).body["degraded"] is None
        slow.delay_s = 30.0
        started_s = time.monotonic()
        told = client.post("/recommend", {"user_id": "u2", "timeout_ms": 60, "return_experiment": True})
        assert time.monotonic() - started_s < 5.0
    assert told.status == 200
    assert [item["item_id"] for item in told.body["items"]] == ["jam", "tea"]
    assert {item["source"] for item in told.body["items"]} == {"lately_answered"}
    assert (told.body["degraded"], told.body["replica"]) == ("deadline", "")


@pytest.mark.django_db(transaction=True)
def test_it_keeps_to_the_deployment_s_own_time(client: DoorClient, deployment: Deployment) -> None:
    deployment.document = {"timeout_ms": 40}
    deployment.revision += 1
    deployment.save()
    with served(SlowAnswers()) as address:
        alive("replica-1", address)
        told = client.post("/recommend", {"user_id": "u1"})
    assert (told.status, told.body["code"]) == (503, "replica_unavailable")


@pytest.mark.django_db(transaction=True)
def test_it_hedges_over_the_wire(client: DoorClient, answers: Answers) -> None:
    answers.reply = replace(REPLY, replica="quick")
    slow = SlowAnswers()
    with served(slow) as address:
        alive("replica-2", address)
        told = [client.post("/recommend", {"user_id": "u1", "timeout_ms": 10_000}).body for _ in range(2)]
    assert [one["replica"] for one in told] == ["quick"] * 2
    assert [one["degraded"] for one in told] == [None] * 2


@pytest.mark.django_db(transaction=True)
def test_without_a_replica_a_filter_still_holds(client: DoorClient, api: Api, answers: Answers) -> None:
    for item_id in ("tea", "jam"):
        api.put(f"/items/{item_id}", {"properties": {}})
    asked = {"user_id": "u1", "filter": "item.category = $wanted", "parameters": {"wanted": "a"}}
    client.post("/recommend", {"user_id": "u1"})
    answers.reply = replace(REPLY, items=REPLY.items[:1])
    client.post("/recommend", asked)
    answers.reply = None
    same = client.post("/recommend", asked).body
    assert ([item["item_id"] for item in same["items"]], same["degraded"]) == (["tea"], "no_replica")
    assert len(client.post("/recommend", {"user_id": "u1"}).body["items"]) == 2
    for other in ({**asked, "parameters": {"wanted": "b"}}, {"user_id": "u1", "filter": "item.category = user.taste"}):
        assert client.post("/recommend", other).status == 503


@pytest.mark.django_db(transaction=True)
def test_without_a_replica_given_items_are_ordered_and_shown_ones_left_out(
    client: DoorClient, api: Api, answers: Answers
) -> None:
    for item_id in ("tea", "jam"):
        api.put(f"/items/{item_id}", {"properties": {}})
    shown = client.post("/recommend", {"user_id": "u1", "k": 1}).body
    answers.reply = replace(REPLY, items=REPLY.items[:1])
    token = client.post("/recommend", {"user_id": "u1", "k": 1}).body["next"]
    answers.reply = None
    ranked = client.post("/rank", {"user_id": "u1", "candidates": ["ghost", "jam", "tea"]}).body
    assert [item["item_id"] for item in ranked["items"]] == ["tea", "jam"]
    assert (ranked["unknown"], ranked["degraded"]) == (["ghost"], "no_replica")
    more = client.post("/recommend", {"user_id": "u1", "next": token}).body
    assert [item["item_id"] for item in more["items"]] == ["jam"]
    assert len(shown["items"]) == 2


def test_a_deadline_is_told_apart() -> None:
    async def scenario() -> None:
        world = World(slow=hangs, slower=hangs)
        asking = asyncio.ensure_future(world.ask(timeout_s=0.05))
        await asyncio.sleep(0.03)
        world.now_s += 1.0
        with pytest.raises(DeadlinePassed):
            await asking

    asyncio.run(scenario())
