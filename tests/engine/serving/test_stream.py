"""`Recommend` over a stream: a real server and the client that the web app's event loop uses."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import EngineError, InvalidDocument, ReplicaUnavailable
from engine.serving.async_client import AsyncReplicaClient
from engine.serving.replica import Replica
from engine.serving.requests import RecommendReply, RecommendRequest
from engine.serving.server import ReplicaServer, recommended
from engine.serving.stream.client import SILENCE_S, ReplicaStream
from engine.serving.stream.frames import PREFACE, BrokenFrame, Frame, Frames, Kind, framed
from engine.serving.wire import replica_pb2 as wire

TIMEOUT_S = 30.0
ASKED = RecommendRequest("shop", "main", "u", k=3)

Work = Callable[[AsyncReplicaClient], Awaitable[Any]]


@pytest.fixture
def server(shop: Any) -> Iterator[ReplicaServer]:
    server = ReplicaServer(shop.replica)
    server.start()
    yield server
    server.stop(grace_s=0.0)


def asked(server: ReplicaServer, work: Work) -> Any:
    """What `work` answers with a client of the server, on a loop of its own."""

    async def run() -> Any:
        client = AsyncReplicaClient(f"127.0.0.1:{server.port}")
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(run())


def test_answer_is_the_replicas_own_and_came_by_the_stream(shop: Any, retrieving: Any, server: ReplicaServer) -> None:
    request = RecommendRequest("shop", "main", "u", k=3, context={"hour": 3}, exclude=("i1",))

    async def work(client: AsyncReplicaClient) -> tuple[RecommendReply, bool]:
        reply = await client.recommend(request, TIMEOUT_S)
        return reply, client._stream is not None and client._stream.is_open

    there, by_stream = asked(server, work)
    here = shop.replica.recommend(request)
    assert by_stream
    assert [item.item_id for item in there.items] == ["i0", "i2", "i3"]
    for field in ("items", "models", "degraded", "features", "replica"):
        assert getattr(there, field) == getattr(here, field)


def test_many_calls_at_once_get_their_own_answers(retrieving: Any, server: ReplicaServer) -> None:
    async def work(client: AsyncReplicaClient) -> list[RecommendReply]:
        requests = [RecommendRequest("shop", "main", "u", k=1 + number % 5) for number in range(200)]
        return await asyncio.gather(*[client.recommend(request, TIMEOUT_S) for request in requests])

    assert [len(reply.items) for reply in asked(server, work)] == [1 + number % 5 for number in range(200)]


def test_what_fails_means_what_it_means_over_grpc(shop: Any, server: ReplicaServer) -> None:
    async def work(client: AsyncReplicaClient) -> None:
        with pytest.raises(ReplicaUnavailable, match="serves no deployment 'main'") as nowhere:
            await client.recommend(ASKED, TIMEOUT_S)
        assert nowhere.value.extra["is_away"] is False
        shop.deploy()
        with pytest.raises(InvalidDocument) as refused:
            await client.recommend(RecommendRequest("shop", "main", "u" * 257, k=501), TIMEOUT_S)
        assert [(problem.field, problem.received) for problem in refused.value.problems] == [
            ("k", "501"),
            ("user_id", "'" + "u" * 78 + "…"),
        ]
        shop.replica._deployed[("shop", "main")].pipeline._asking = None
        with pytest.raises(EngineError, match="INTERNAL: AttributeError") as failed:
            await client.recommend(ASKED, TIMEOUT_S)
        assert not isinstance(failed.value, ReplicaUnavailable)

    asked(server, work)


def test_long_requests_and_answers_fit(shop: Any, server: ReplicaServer) -> None:
    shop.write("a", text="x" * 6_000_000)
    shop.deploy()
    excluded = tuple(f"{number:06d}" + "\N{SNOWMAN}" * 250 for number in range(10_000))

    async def work(client: AsyncReplicaClient) -> RecommendReply:
        return await client.recommend(RecommendRequest("shop", "main", "u", exclude=excluded), TIMEOUT_S)

    assert len(asked(server, work).features["items"]["a"]["text"]) == 6_000_000


class HeldReplica(Replica):
    """Answers when it is let, and counts."""

    def hold(self) -> None:
        self.entered, self.released, self.num_asked = threading.Event(), threading.Event(), 0

    def recommend(self, request: RecommendRequest, left_s: float | None = None) -> RecommendReply:
        self.num_asked += 1
        self.entered.set()
        self.released.wait(TIMEOUT_S)
        return super().recommend(request, left_s)


@pytest.fixture
def held(shop: Any) -> HeldReplica:
    shop.write("a")
    shop.deploy()
    replica = shop.replica
    replica.__class__ = HeldReplica
    assert isinstance(replica, HeldReplica)
    replica.hold()
    return replica


async def _until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, TIMEOUT_S)


def test_calls_that_nobody_waits_for_any_more_are_not_answered(held: HeldReplica, server: ReplicaServer) -> None:
    async def work(client: AsyncReplicaClient) -> None:
        first = asyncio.ensure_future(client.recommend(ASKED, TIMEOUT_S))
        await _until(held.entered)
        with pytest.raises(ReplicaUnavailable, match="did not answer in time") as late:
            await client.recommend(ASKED, 0.05)
        assert late.value.extra["is_late"]
        cancelled = asyncio.ensure_future(client.recommend(ASKED, TIMEOUT_S))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        last = asyncio.ensure_future(client.recommend(ASKED, TIMEOUT_S))
        await asyncio.sleep(0)
        held.released.set()
        assert len((await first).items) == len((await last).items) == 1

    asked(server, work)
    assert held.num_asked == 2


def test_call_under_way_is_finished_before_the_server_stops(held: HeldReplica, server: ReplicaServer) -> None:
    async def work(client: AsyncReplicaClient) -> None:
        answer = asyncio.ensure_future(client.recommend(ASKED, TIMEOUT_S))
        await _until(held.entered)
        with ThreadPoolExecutor(1) as pool:
            stopped = asyncio.get_running_loop().run_in_executor(pool, server.stop, TIMEOUT_S)
            held.released.set()
            assert len((await answer).items) == 1
            await stopped
        with pytest.raises(ReplicaUnavailable, match="cannot be reached"):
            await client.recommend(ASKED, TIMEOUT_S)

    asked(server, work)


def test_a_replica_that_comes_back_at_its_address_is_asked_again(
    shop: Any, retrieving: Any, server: ReplicaServer
) -> None:
    async def work(client: AsyncReplicaClient) -> tuple[int, int]:
        before = await client.recommend(ASKED, TIMEOUT_S)
        await asyncio.to_thread(server.stop, 0.0)
        again = ReplicaServer(shop.replica, f"127.0.0.1:{server.port}")
        again.start()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                while True:
                    try:
                        return len(before.items), len((await client.recommend(ASKED, TIMEOUT_S)).items)
                    except ReplicaUnavailable:  # until gRPC has found it again, which has waits of its own
                        await asyncio.sleep(0.05)
        finally:
            await asyncio.to_thread(again.stop, 0.0)

    assert asked(server, work) == (3, 3)


def test_a_replica_of_an_older_release_is_asked_by_grpc(shop: Any, retrieving: Any) -> None:
    answering = grpc.unary_unary_rpc_method_handler(
        lambda request, _: recommended(shop.replica, request, None),
        request_deserializer=wire.RecommendRequest.FromString,
        response_serializer=wire.RecommendReply.SerializeToString,
    )
    older = grpc.server(ThreadPoolExecutor(1))
    older.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("freshet.serving.v1.Replica", {"Recommend": answering}),)
    )
    port = older.add_insecure_port("127.0.0.1:0")
    older.start()

    async def run() -> list[int]:
        client = AsyncReplicaClient(f"127.0.0.1:{port}")
        try:
            return [len((await client.recommend(ASKED, TIMEOUT_S)).items) for _ in range(3)]
        finally:
            await client.close()

    try:
        assert asyncio.run(run()) == [3, 3, 3]
    finally:
        older.stop(0)


def test_closed_client_is_unavailable(retrieving: Any, server: ReplicaServer) -> None:
    async def work(client: AsyncReplicaClient) -> None:
        await client.recommend(ASKED, TIMEOUT_S)
        await client.close()
        with pytest.raises(ReplicaUnavailable, match="is closed"):
            await client.recommend(ASKED, TIMEOUT_S)

    asked(server, work)


@asynccontextmanager
async def _connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


@pytest.mark.parametrize(
    "sent",
    [b"GET / HTTP/1.1\r\n\r\n", PREFACE + b"\xff" * 17, PREFACE + framed(1, Kind.ANSWER), PREFACE + b"\0" * 12 + b"\x09" + b"\0" * 4],
    ids=["another protocol", "a longer message than is taken", "an answer", "an unknown kind"],
)  # fmt: skip
def test_who_speaks_otherwise_is_shown_out_and_the_others_go_on(
    retrieving: Any, server: ReplicaServer, sent: bytes
) -> None:
    async def work(client: AsyncReplicaClient) -> int:
        await client.recommend(ASKED, TIMEOUT_S)
        async with _connected(server._stream.port) as (reader, writer):
            writer.write(sent)
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await asyncio.wait_for(reader.readexactly(1), TIMEOUT_S)
        return len((await client.recommend(ASKED, TIMEOUT_S)).items)

    assert asked(server, work) == 3


def test_a_connection_that_has_fallen_silent_is_given_up() -> None:
    now_s = 0.0

    async def run() -> tuple[bool, bool]:
        nonlocal now_s
        listening = await asyncio.start_server(lambda *_: asyncio.sleep(TIMEOUT_S), "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        _, stream = await asyncio.get_running_loop().create_connection(
            lambda: ReplicaStream("there:1", 1000, lambda: now_s), "127.0.0.1", port
        )
        states = []
        for silent_s in (0.0, SILENCE_S + 1):
            call = asyncio.ensure_future(stream.ask(b"", 0.02))
            await asyncio.sleep(0)
            now_s += silent_s
            with pytest.raises(ReplicaUnavailable, match="did not answer in time"):
                await call
            states.append(stream.is_open)
        listening.close()
        return states[0], states[1]

    assert asyncio.run(run()) == (True, False)


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.sampled_from(Kind), st.integers(0, 2**32 - 1), st.binary(max_size=50))),
       st.lists(st.integers(1, 40)))  # fmt: skip
def test_frames_are_what_was_framed_however_the_bytes_come(
    sent: list[tuple[int, Kind, int, bytes]], cuts: list[int]
) -> None:
    data = PREFACE + b"".join(framed(call, kind, word, body) for call, kind, word, body in sent)
    frames, got, start = Frames(50, PREFACE), list[Frame](), 0
    for cut in [*cuts, len(data)]:
        got += frames.take(data[start : start + cut])
        start += cut
    assert [tuple(frame) for frame in got] == sent


def test_a_message_of_just_the_length_is_taken_and_one_byte_more_is_not() -> None:
    assert [frame.body for frame in Frames(3).take(framed(1, Kind.ASK, 0, b"abc"))] == [b"abc"]
    with pytest.raises(BrokenFrame, match="4 bytes is longer than the 3"):
        list(Frames(3).take(framed(1, Kind.ASK, 0, b"abcd")))
