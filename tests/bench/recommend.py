"""`make bench-recommend`: POST /recommend and /rank on a system started for it, over a catalogue of 100,000 items.

The world is `recommend_world`'s; parameters come from `recommend_publisher`, load from `http_load`, each a process of its own.
Everything shares the machine's cores: web, replica, PostgreSQL, Redis, the joiner that takes each answer's impression, the load generator.
Closed loops of 1, 4 and 8 clients, an open loop of 100 requests a second (latencies count from when a request was due), the same while
deltas of 11,000 rows a second arrive, /rank with 25, 100 and 300 candidates, and the replica alone over gRPC, in turns.
"""

from __future__ import annotations

import base64
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import orjson

from tests.bench import recommend_memory
from tests.bench import recommend_world as world
from tests.bench.api_client import ApiClient
from tests.bench.loops import Ask, closed_loop
from tests.bench.measuring import percentile_ms
from tests.bench.processor_time import processor_seconds
from tests.bench.report import Report, say, say_table
from tests.bench.started_system import started_product

K = 10
RATE_PER_S = 100.0
NUM_OPEN_CLIENTS = 32
NUM_REQUESTS = 1_000
RANK_SIZES = (25, 100, 300)
WARM_PATIENCE_S = 300.0
NOT_DEGRADED = '"degraded":null'


@dataclass(frozen=True, slots=True)
class Plan:
    """One row of the table. `rate_per_s` 0: a closed loop."""

    name: str
    title: str
    path: str = "/recommend"
    clients: int = 1
    rate_per_s: float = 0.0
    num_ranked: int = 0
    has_deltas: bool = False


PLANS = (
    Plan("closed_loop_1", "/recommend, closed loop, 1 client"),
    Plan("closed_loop_4", "/recommend, closed loop, 4 clients", clients=4),
    Plan("closed_loop", "/recommend, closed loop, 8 clients", clients=8),
    Plan("open_loop", f"/recommend, {RATE_PER_S:.0f} requests/s", clients=NUM_OPEN_CLIENTS, rate_per_s=RATE_PER_S),
    Plan("closed_loop_deltas", "closed loop, 8 clients, deltas arriving", clients=8, has_deltas=True),
    Plan(
        "open_loop_deltas",
        f"{RATE_PER_S:.0f} requests/s, deltas arriving",
        clients=NUM_OPEN_CLIENTS,
        rate_per_s=RATE_PER_S,
        has_deltas=True,
    ),
    *(Plan(f"rank_{num}", f"/rank, {num} candidates, 1 client", path="/rank", num_ranked=num) for num in RANK_SIZES),
)


@dataclass(frozen=True, slots=True)
class Subject:
    base_url: str
    secret: str
    address: str
    size: world.Size
    roots: list[int]


@dataclass
class Figures:
    """Of one plan, a value a round."""

    requests_per_s: list[float]
    p50_ms: list[float]
    p99_ms: list[float]
    num_requests: int = 0


def run(*, quick: bool) -> None:
    report = Report("bench-recommend")
    duration_s, num_rounds = (4.0, 2) if quick else (10.0, 3)
    size = world.QUICK if quick else world.FULL
    with started_product("--no-demo") as product:
        memory = recommend_memory.Memory([os.getpid()])
        say(f"making {size.num_items:,} items and {size.num_users:,} users with {world.HISTORY} actions each")
        secret, *versions = world.make(size)
        with _publisher(size, versions) as publisher, _load_generator() as generator:
            subject = _deployed(product.base_url, secret, size, versions, [os.getpid()])
            _wait_until_warm(subject)
            figures, processor = _measured(subject, generator, publisher, duration_s, num_rounds)
            replica = _replica_alone(subject, duration_s, num_rounds)
        values: dict[str, object] = memory.report(size.num_items) | recommend_memory.of_rows()
    _say_and_write(report, figures, processor, replica, values, size, duration_s, num_rounds)


def _deployed(base_url: str, secret: str, size: world.Size, versions: list[int], roots: list[int]) -> Subject:
    from webapp.accounts.models import Project
    from webapp.registry.selectors import model_version
    from webapp.serving.selectors import replica_addresses
    from webapp.serving.services import deployment_put

    project = Project.objects.get(slug=world.SLUG)
    retrieval = model_version(project=project, name=world.RETRIEVER, version=versions[0])
    ranking = model_version(project=project, name=world.RANKER, version=versions[1])
    deployment_put(
        project=project,
        name=world.DEPLOYMENT,
        retrieval=retrieval,
        ranking=ranking,
        document=world.document(),
        is_default=True,
    )
    deadline = time.monotonic() + WARM_PATIENCE_S
    while not (addresses := replica_addresses()):
        assert time.monotonic() < deadline, "no replica came up"
        time.sleep(0.5)
    return Subject(base_url, secret, addresses[0], size, roots)


def _wait_until_warm(subject: Subject) -> None:
    """Until both models answer, nothing is degraded, as many candidates are ranked as the table says, and the joiner has read on."""
    client = ApiClient(subject.base_url, subject.secret)
    deadline, num_good = time.monotonic() + WARM_PATIENCE_S, 0
    bodies = _bodies(subject, Plan("", ""))
    while num_good < 50:
        try:
            answer = client.post("/recommend", bodies[num_good])
            is_good = answer["degraded"] is None and len(answer["models"]) == 2 and len(answer["items"]) == K
        except AssertionError as error:
            answer, is_good = {"failed": str(error)}, False
        num_good = num_good + 1 if is_good else 0
        assert is_good or time.monotonic() < deadline, f"the models do not answer: {answer}"
        time.sleep(0.0 if is_good else 1.0)
    explained = client.post("/recommend", orjson.dumps({**orjson.loads(bodies[0]), "explain": True}))
    num_ranked = _num_ranked(explained)
    assert num_ranked == world.NUM_CANDIDATES, f"{num_ranked} candidates are ranked"
    prices = client.post("/recommend", orjson.dumps({**orjson.loads(bodies[0]), "fields": ["price", "in_stock"]}))
    for item in prices["items"]:
        assert item["properties"]["price"] < world.MAX_PRICE, item
        assert item["properties"]["in_stock"], item
    client.close()
    say(
        f"checked: both models answer, {num_ranked} candidates ranked, k items each time, the filter holds, nothing degraded"
    )
    time.sleep(10.0)  # what the joiner makes of the histories, and the index of the catalogue


def _num_ranked(answer: dict[str, Any]) -> int:
    return int(answer["explanation"]["num_ranked"])


def _measured(
    subject: Subject,
    generator: subprocess.Popen[str],
    publisher: subprocess.Popen[str],
    duration_s: float,
    num_rounds: int,
) -> tuple[dict[str, Figures], dict[str, float]]:
    figures = {plan.name: Figures([], [], []) for plan in PLANS}
    processor: dict[str, float] = {}
    for _ in range(num_rounds):
        for plan in PLANS:
            before = processor_seconds(subject.roots)
            answer = _loaded(subject, generator, publisher, plan, duration_s)
            if plan.name == "closed_loop":
                after = processor_seconds(subject.roots)
                num = len(answer["latencies_s"])
                for kind in after:
                    took_ms = 1000 * (after[kind] - before.get(kind, 0.0)) / num
                    processor[kind] = processor.get(kind, 0.0) + took_ms / num_rounds
            found = figures[plan.name]
            found.requests_per_s.append(len(answer["latencies_s"]) / answer["took_s"])
            found.p50_ms.append(percentile_ms(answer["latencies_s"], 0.50))
            found.p99_ms.append(percentile_ms(answer["latencies_s"], 0.99))
            found.num_requests += len(answer["latencies_s"])
    return figures, processor


def _loaded(
    subject: Subject, generator: subprocess.Popen[str], publisher: subprocess.Popen[str], plan: Plan, duration_s: float
) -> Any:
    assert generator.stdin and generator.stdout and publisher.stdin and publisher.stdout
    if plan.has_deltas:
        publisher.stdin.write(f"deltas {duration_s + 1}\n")
        publisher.stdin.flush()
        time.sleep(1.0)
    host, port = urlsplit(subject.base_url).hostname, urlsplit(subject.base_url).port
    order = {
        "host": host,
        "port": port,
        "requests": [base64.b64encode(_http(subject, plan.path, body)).decode() for body in _bodies(subject, plan)],
        "clients": plan.clients,
        "rate_per_s": plan.rate_per_s,
        "duration_s": duration_s,
        "must_have": NOT_DEGRADED,
    }
    generator.stdin.write(json.dumps(order) + "\n")
    generator.stdin.flush()
    answer = json.loads(generator.stdout.readline())
    assert answer["num_errors"] == 0, f"{plan.title}: {answer['num_errors']} bad answers, the first: {answer['error']}"
    if plan.has_deltas:
        assert publisher.stdout.readline() == "done\n"
    return answer


def _http(subject: Subject, path: str, body: bytes) -> bytes:
    head = (
        f"POST /api/v1{path} HTTP/1.1\r\nHost: {urlsplit(subject.base_url).netloc}\r\n"
        f"Authorization: Bearer {subject.secret}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _bodies(subject: Subject, plan: Plan) -> list[bytes]:
    random = np.random.default_rng(3)
    bodies = []
    for _ in range(NUM_REQUESTS):
        user = world.user_id(int(random.integers(subject.size.num_users)))
        body: dict[str, Any] = {"user_id": user, "context": world.context(random)}
        if plan.num_ranked:
            chosen = random.choice(subject.size.num_items, plan.num_ranked, replace=False).tolist()
            body["candidates"] = [world.item_id(number) for number in chosen]
        else:
            body["k"] = K
        bodies.append(orjson.dumps(body))
    return bodies


def _replica_alone(subject: Subject, duration_s: float, num_rounds: int) -> Figures:
    from engine.serving.client import ReplicaClient
    from engine.serving.requests import RecommendRequest

    random = np.random.default_rng(17)
    found = Figures([], [], [])
    with ReplicaClient(subject.address, timeout_s=10.0) as client:

        def ask() -> None:
            user = world.user_id(int(random.integers(subject.size.num_users)))
            request = RecommendRequest(world.SLUG, world.DEPLOYMENT, user, K, world.context(random))
            reply = client.recommend(request)
            assert len(reply.items) == K and reply.degraded is None, reply

        asks: list[Ask] = [ask]
        for _ in range(num_rounds):
            loop = closed_loop(asks, duration_s / 2)
            found.requests_per_s.append(loop.requests_per_s)
            found.p50_ms.append(percentile_ms(loop.latencies_s, 0.50))
            found.p99_ms.append(percentile_ms(loop.latencies_s, 0.99))
            found.num_requests += len(loop.latencies_s)
    return found


@contextmanager
def _publisher(size: world.Size, versions: list[int]) -> Iterator[subprocess.Popen[str]]:
    say("publishing first parameters")
    arguments = [str(one) for one in (size.num_items, size.num_users, *versions)]
    with _child("tests.bench.recommend_publisher", *arguments) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n", "the publisher failed"
        yield process


@contextmanager
def _load_generator() -> Iterator[subprocess.Popen[str]]:
    with _child("tests.bench.http_load") as process:
        yield process


@contextmanager
def _child(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _say_and_write(
    report: Report,
    figures: dict[str, Figures],
    processor: dict[str, float],
    replica: Figures,
    values: dict[str, object],
    size: world.Size,
    duration_s: float,
    num_rounds: int,
) -> None:
    rows = []
    for name, title in [
        *((plan.name, plan.title) for plan in PLANS),
        ("replica", "the replica alone over gRPC, 1 client"),
    ]:
        found = replica if name == "replica" else figures[name]
        medians = {
            "requests_per_s": statistics.median(found.requests_per_s),
            "p50_ms": statistics.median(found.p50_ms),
            "p99_ms": statistics.median(found.p99_ms),
        }
        values |= {f"{name}_{figure}": round(value, 3) for figure, value in medians.items()}
        rows.append([title, *(f"{value:.1f}" for value in medians.values())])
    say_table([f"k = {K}, {size.num_items:,} items", "requests/s", "p50 ms", "p99 ms"], rows)
    say(
        "processor time a request in the closed loop of 8, ms: "
        + ", ".join(f"{k} {v:.2f}" for k, v in sorted(processor.items()))
    )
    values |= {f"processor_{kind}_ms": round(value, 3) for kind, value in processor.items()}
    for plain in ("closed_loop", "open_loop"):
        rates = zip(figures[f"{plain}_deltas"].requests_per_s, figures[plain].requests_per_s, strict=True)
        values[f"{plain}_rate_kept_beside_deltas"] = round(
            statistics.median(with_ / without for with_, without in rates), 3
        )
        times = zip(figures[f"{plain}_deltas"].p50_ms, figures[plain].p50_ms, strict=True)
        values[f"{plain}_p50_times_beside_deltas"] = round(
            statistics.median(with_ / without for with_, without in times), 3
        )
    values |= {
        "k": K,
        "num_items": size.num_items,
        "num_candidates": world.NUM_CANDIDATES,
        "round_s": duration_s,
        "num_rounds": num_rounds,
        "open_loop_rate_per_s": RATE_PER_S,
        "num_requests": sum(one.num_requests for one in figures.values()),
    }
    report.write(values)
