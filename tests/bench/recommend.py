"""`make bench-recommend`: POST /api/v1/recommend on a system started for it with the demo project.

Closed loops of one and four clients, an open loop of 50 requests a second (latencies count from when a request was due),
and the replica alone over gRPC, in turns. The demo's own traffic, its joiner and its two trainers go on meanwhile, and the
clients share the machine's cores with everything they measure.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import orjson

from tests.bench.api_client import ApiClient
from tests.bench.loops import Ask, Loop, closed_loop, open_loop
from tests.bench.measuring import percentile_ms
from tests.bench.report import Report, say, say_table
from tests.bench.started_system import started_system

K = 10
RATE_PER_S = 50.0
NUM_OPEN_CLIENTS = 16
WARM_PATIENCE_S = 180.0
TITLES = {
    "closed_loop": "closed loop, 1 client",
    "closed_loop_4": "closed loop, 4 clients",
    "open_loop": f"open loop, {RATE_PER_S:.0f} requests/s",
    "replica": "replica alone over gRPC, 1 client",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is asked for whom. `address` is the replica's own."""

    base_url: str
    secret: str
    project: str
    deployment: str
    address: str
    users: list[str]


def run(*, quick: bool) -> None:
    report = Report("bench-recommend")
    duration_s, num_rounds = (4.0, 2) if quick else (10.0, 3)
    with started_system() as base_url:
        subject = _subject(base_url)
        _wait_until_warm(subject)
        loops = _measured(subject, duration_s, num_rounds)
    values: dict[str, object] = {}
    rows = []
    for name, title in TITLES.items():
        figures = {
            "requests_per_s": statistics.median(loop.requests_per_s for loop in loops[name]),
            "p50_ms": statistics.median(percentile_ms(loop.latencies_s, 0.50) for loop in loops[name]),
            "p99_ms": statistics.median(percentile_ms(loop.latencies_s, 0.99) for loop in loops[name]),
        }
        values |= {f"{name}_{figure}": round(value, 3) for figure, value in figures.items()}
        rows.append([title, *(f"{value:.1f}" for value in figures.values())])
    say_table([f"k = {K}", "requests/s", "p50 ms", "p99 ms"], rows)
    values |= {"k": K, "round_s": duration_s, "num_rounds": num_rounds, "open_loop_rate_per_s": RATE_PER_S}
    report.write(values | {"num_requests": sum(len(loop.latencies_s) for each in loops.values() for loop in each)})


def _subject(base_url: str) -> Subject:
    from webapp.accounts.models import Project
    from webapp.accounts.services import api_key_create
    from webapp.catalog.models import User
    from webapp.experiments.selectors import deployment_for
    from webapp.serving.selectors import replica_addresses

    project = Project.objects.get(slug="demo")
    _, secret = api_key_create(project=project, name="bench", scopes=["recommend"])
    users = list(User.objects.filter(project=project).order_by("pk").values_list("external_id", flat=True)[:500])
    deadline = time.monotonic() + WARM_PATIENCE_S
    while not (addresses := replica_addresses()):
        assert time.monotonic() < deadline, "no replica came up"
        time.sleep(0.5)
    deployment = deployment_for(project=project, user_id=users[0]).name
    return Subject(base_url, secret, project.slug, deployment, addresses[0], users)


def _wait_until_warm(subject: Subject) -> None:
    """Until both models of the deployment answer, nothing is degraded, and what happens once has happened."""
    client = ApiClient(subject.base_url, subject.secret)
    deadline, num_good = time.monotonic() + WARM_PATIENCE_S, 0
    while num_good < 50:
        try:
            answer = client.post("/recommend", _body(subject.users[num_good % len(subject.users)]))
            is_good = answer["degraded"] is None and len(answer["models"]) == 2 and len(answer["items"]) == K
        except AssertionError:
            is_good = False
        num_good = num_good + 1 if is_good else 0
        assert is_good or time.monotonic() < deadline, "the demo's models do not answer"
        time.sleep(0.0 if is_good else 1.0)
    client.close()
    say("checked: both models answer, k items each time, nothing degraded")


def _measured(subject: Subject, duration_s: float, num_rounds: int) -> dict[str, list[Loop]]:
    loops: dict[str, list[Loop]] = {name: [] for name in TITLES}
    with _over_http(subject, NUM_OPEN_CLIENTS) as clients, _over_grpc(subject) as replica:
        for _ in range(num_rounds):
            loops["closed_loop"].append(closed_loop(clients[:1], duration_s))
            loops["closed_loop_4"].append(closed_loop(clients[:4], duration_s))
            loops["open_loop"].append(open_loop(clients, RATE_PER_S, duration_s))
            loops["replica"].append(closed_loop([replica], duration_s))
    return loops


@contextmanager
def _over_http(subject: Subject, num: int) -> Iterator[list[Ask]]:
    """Every answer must be a 200 with k items of both models."""
    connections = [ApiClient(subject.base_url, subject.secret) for _ in range(num)]

    def asking(number: int) -> Ask:
        random = np.random.default_rng(number)

        def ask() -> None:
            answer = connections[number].post("/recommend", _body(subject.users[random.integers(len(subject.users))]))
            assert len(answer["items"]) == K and answer["degraded"] is None, answer

        return ask

    yield [asking(number) for number in range(num)]
    for connection in connections:
        connection.close()


@contextmanager
def _over_grpc(subject: Subject) -> Iterator[Ask]:
    from engine.serving.client import ReplicaClient
    from engine.serving.requests import RecommendRequest

    random = np.random.default_rng(17)
    with ReplicaClient(subject.address, timeout_s=10.0) as client:

        def ask() -> None:
            user = subject.users[random.integers(len(subject.users))]
            reply = client.recommend(RecommendRequest(subject.project, subject.deployment, user, K))
            assert len(reply.items) == K and reply.degraded is None, reply

        yield ask


def _body(user_id: str) -> bytes:
    return orjson.dumps({"user_id": user_id, "k": K})
