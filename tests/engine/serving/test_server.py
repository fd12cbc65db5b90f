"""Over gRPC on loopback, with a real server and the client that the web app uses."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from engine.errors import EngineError, InvalidDocument, ReplicaUnavailable
from engine.serving.client import ReplicaClient
from engine.serving.replica import Replica
from engine.serving.replica_loop import ReplicaLoop
from engine.serving.requests import CatchUpReply, RecommendReply, RecommendRequest
from engine.serving.server import ReplicaServer

TIMEOUT_S = 30.0


@pytest.fixture
def server(shop: Any) -> Iterator[ReplicaServer]:
    server = ReplicaServer(shop.replica)
    server.start()
    yield server
    server.stop(grace_s=0.0)


@pytest.fixture
def client(server: ReplicaServer) -> Iterator[ReplicaClient]:
    with ReplicaClient(f"127.0.0.1:{server.port}", timeout_s=TIMEOUT_S) as client:
        yield client


def test_answer_over_the_wire_is_the_replicas_own(shop: Any, retrieving: Any, client: ReplicaClient) -> None:
    request = RecommendRequest("shop", "main", "u", k=3, context={"hour": 3}, exclude=("i1",))
    here, there = shop.replica.recommend(request), client.recommend(request)
    assert [item.item_id for item in there.items] == ["i0", "i2", "i3"]
    for field in ("items", "models", "degraded", "features", "replica"):
        assert getattr(there, field) == getattr(here, field)
    assert there.took_ms > 0
    assert client.status() == shop.replica.status()


def test_deployment_not_served_is_unavailable_and_named(client: ReplicaClient) -> None:
    with pytest.raises(ReplicaUnavailable, match="replica r-1 serves no deployment 'main' of project 'shop'"):
        client.recommend(RecommendRequest("shop", "main", "u"))


def test_request_out_of_bounds_comes_back_with_its_problems(shop: Any, client: ReplicaClient) -> None:
    shop.deploy()
    with pytest.raises(InvalidDocument) as caught:
        client.recommend(RecommendRequest("shop", "main", "u" * 257, k=501))
    assert [(problem.field, problem.received) for problem in caught.value.problems] == [
        ("k", "501"),
        ("user_id", "'" + "u" * 78 + "…"),
    ]


def test_failure_inside_is_an_error_that_shows_no_more_than_its_kind(shop: Any, client: ReplicaClient) -> None:
    shop.deploy()
    shop.replica._deployed[("shop", "main")].pipeline._asking = None
    with pytest.raises(EngineError, match="INTERNAL: AttributeError") as caught:
        client.recommend(RecommendRequest("shop", "main", "u"))
    assert not isinstance(caught.value, ReplicaUnavailable)


def test_long_exclusions_and_long_properties_fit_through_the_door(shop: Any, client: ReplicaClient) -> None:
    shop.write("a", text="x" * 6_000_000)
    shop.deploy()
    excluded = tuple(f"{number:06d}" + "\N{SNOWMAN}" * 250 for number in range(10_000))
    reply = client.recommend(RecommendRequest("shop", "main", "u", exclude=excluded))
    assert len(reply.features["items"]["a"]["text"]) == 6_000_000


def test_catching_up_reads_the_catalogue_at_once_and_says_when_it_is_not_there(
    shop: Any, client: ReplicaClient
) -> None:
    shop.write("a", "b")
    shop.deploy()
    shop.delete("a")
    assert shop.items() == ["b", "a"]
    assert client.catch_up("shop", {0: 2}) == CatchUpReply(True, {0: 3}, "r-1")
    assert shop.items() == ["b"]
    assert client.catch_up("shop", {0: 3}, timeout_s=0.01) == CatchUpReply(False, {0: 3}, "r-1")
    assert client.catch_up("elsewhere", {0: 99}).reached


def test_a_deletion_does_not_wait_for_a_long_poll(shop: Any, client: ReplicaClient) -> None:
    shop.write("a", "b")
    shop.deploy()
    shop.delete("a")
    with shop.replica._projects["shop"]._lock:
        assert client.catch_up("shop", {0: 2}).reached
        assert shop.items() == ["b"]


def test_nobody_at_the_address_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with ReplicaClient(address, timeout_s=TIMEOUT_S) as client, pytest.raises(ReplicaUnavailable, match=address):
            client.status()


def test_closed_client_is_unavailable(server: ReplicaServer) -> None:
    client = ReplicaClient(f"127.0.0.1:{server.port}")
    client.close()
    with pytest.raises(ReplicaUnavailable):
        client.status()


def test_taken_address_is_refused_at_once(shop: Any, server: ReplicaServer) -> None:
    with pytest.raises(EngineError, match=f"cannot listen on 127.0.0.1:{server.port}"):
        ReplicaServer(shop.replica, f"127.0.0.1:{server.port}")


class SlowReplica(Replica):
    """Answers when it is let."""

    def hold(self) -> None:
        self.entered, self.released = threading.Event(), threading.Event()

    def recommend(self, request: RecommendRequest, left_s: float | None = None) -> RecommendReply:
        self.entered.set()
        self.released.wait(TIMEOUT_S)
        return super().recommend(request, left_s)


@pytest.fixture
def slow(shop: Any, client: ReplicaClient) -> SlowReplica:
    shop.write("a")
    shop.deploy()
    replica = shop.replica
    replica.__class__ = SlowReplica
    assert isinstance(replica, SlowReplica)
    replica.hold()
    return replica


def test_answer_that_takes_too_long_is_unavailable(slow: SlowReplica, client: ReplicaClient) -> None:
    with pytest.raises(ReplicaUnavailable, match="did not answer in time"):
        client.recommend(RecommendRequest("shop", "main", "u"), timeout_s=0.05)
    slow.released.set()


def test_deadline_of_the_call_is_seen_by_the_pipeline(
    shop: Any, retrieving: Any, ranking: Any, client: ReplicaClient
) -> None:
    shop.deploy(retrieving, ranking)
    request = RecommendRequest("shop", "main", "u", k=2)
    assert client.recommend(request).degraded is None
    stage = shop.replica._deployed[("shop", "main")].pipeline._ranking
    for usual in stage._usual.values():
        usual.seconds = 2 * TIMEOUT_S
    hurried = client.recommend(request)
    assert ([item.item_id for item in hurried.items], hurried.degraded) == (["i0", "i1"], "deadline")


def test_request_that_explains_does_not_hold_up_the_others(slow: SlowReplica, client: ReplicaClient) -> None:
    with ThreadPoolExecutor(1) as pool:
        explained = pool.submit(client.recommend, RecommendRequest("shop", "main", "u", explain=True))
        assert slow.entered.wait(TIMEOUT_S)
        assert client.status().replica == "r-1"
        slow.released.set()
        assert explained.result(TIMEOUT_S).explanation_json


def test_call_under_way_is_finished_before_the_server_stops(
    slow: SlowReplica, server: ReplicaServer, client: ReplicaClient
) -> None:
    with ThreadPoolExecutor(2) as pool:
        answer = pool.submit(client.recommend, RecommendRequest("shop", "main", "u"))
        assert slow.entered.wait(TIMEOUT_S)
        stopped = pool.submit(server.stop, TIMEOUT_S)
        slow.released.set()
        assert [item.item_id for item in answer.result(TIMEOUT_S).items] == ["a"]
        stopped.result(TIMEOUT_S)
    with pytest.raises(ReplicaUnavailable):
        client.status()


class AnnouncingReplica(Replica):
    """Says when a poll has done something, and fails one on request."""

    def announce(self) -> None:
        self.moved, self.failing = threading.Event(), True

    def poll(self) -> int:
        if self.failing:
            self.failing = False
            raise OSError("something unforeseen")
        num_done = super().poll()
        if num_done:
            self.moved.set()
        return num_done


def test_loop_follows_the_log_by_itself_past_a_failure_and_ends_when_told(shop: Any) -> None:
    shop.deploy()
    shop.replica.__class__ = AnnouncingReplica
    shop.replica.announce()
    loop = ReplicaLoop(shop.replica, idle_s=0.001, retry_s=0.001)
    loop.start()
    with pytest.raises(RuntimeError, match="runs already"):
        loop.start()
    shop.write("new")
    assert shop.replica.moved.wait(TIMEOUT_S)
    assert shop.items() == ["new"]
    loop.stop()
    loop.stop()
    shop.write("later")
    assert shop.items() == ["new"]
    assert loop.poll() == 1
    assert shop.items() == ["later", "new"]


def test_requests_from_many_threads_are_answered_while_parameters_and_items_come_and_go(
    shop: Any, retrieving: Any, ranking: Any, client: ReplicaClient
) -> None:
    shop.deploy(retrieving, ranking)
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            shop.write(f"n{number}")
            shop.delete(f"n{number - 1}")
            shop.click("u", f"n{number}")
            retrieving.set_row("item", f"i{number % 5}", [1.0, float(number % 7)])
            retrieving.publish(events_through=number, dense=True)
            ranking.publish(events_through=number)
            shop.replica.poll()

    def ask(_: int) -> list[RecommendReply]:
        return [client.recommend(RecommendRequest("shop", "main", "u", k=4)) for _ in range(15)]

    with ThreadPoolExecutor(5) as pool:
        changing = pool.submit(change)
        try:
            answers = [reply for replies in pool.map(ask, range(4)) for reply in replies]
        finally:
            stop.set()
        changing.result(TIMEOUT_S)
    assert all(len(reply.items) == 4 and reply.degraded is None for reply in answers)
    assert all({model.role for model in reply.models} == {"retrieval", "ranking"} for reply in answers)
