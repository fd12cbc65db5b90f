"""`make bench-ingest`: events a second into the log, in batches of 500, on a system started for it and without demo.

Three ways take turns: POST /api/v1/events over one connection and over four at once, the service behind it called in
this process, and the bare append of the same bytes to a topic of the same log. Every accepted event is durable when the
call returns. The joiner reads what is accepted meanwhile, as it does in life.
"""

from __future__ import annotations

import statistics
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import orjson

from tests.bench.api_client import ApiClient
from tests.bench.measuring import Slice, interleaved, median_share
from tests.bench.report import Report, say, say_table
from tests.bench.started_system import started_system

if TYPE_CHECKING:
    from engine.streams.log import Record
    from webapp.accounts.models import Project

BATCH = 500
NUM_CLIENTS = 4
NUM_USERS, NUM_ITEMS = 10_000, 2_000
SCHEMA: dict[str, object] = {
    "items": {},
    "users": {},
    "events": {
        "impression": {"role": "impression"},
        "click": {"role": "action", "properties": {"device": {"type": "string"}}},
    },
}
TITLES = {
    "append": "bare append to the log",
    "service": "catalog.services.events_ingest",
    "http": "POST /events, one connection",
    "concurrent": f"POST /events, {NUM_CLIENTS} connections",
}
Rows = list[dict[str, object]]


class Events:
    """Clicks with ids never used before: a repeat would be cheaper."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(17)

    def batches(self, num: int) -> list[Rows]:
        return [self._batch() for _ in range(num)]

    def _batch(self) -> Rows:
        users, items = self._random.integers(NUM_USERS, size=BATCH), self._random.integers(NUM_ITEMS, size=BATCH)
        now_ms = int(time.time() * 1000)
        return [
            {
                "event_id": uuid.uuid4().hex,
                "type": "click",
                "user_id": f"user-{user}",
                "item_id": f"item-{item}",
                "timestamp": now_ms,
                "properties": {"device": "phone"},
            }
            for user, item in zip(users.tolist(), items.tolist(), strict=True)
        ]


def run(*, quick: bool) -> None:
    report = Report("bench-ingest")
    num_batches, num_rounds = (8, 3) if quick else (20, 7)
    with started_system("--no-demo") as base_url:
        rates = _measured(base_url, num_batches, num_rounds)
    medians = {name: statistics.median(rates[name]) for name in TITLES}
    values: dict[str, object] = {
        "events_per_s": round(medians["http"], 1),
        "concurrent_events_per_s": round(medians["concurrent"], 1),
        "service_events_per_s": round(medians["service"], 1),
        "append_events_per_s": round(medians["append"], 1),
        "http_share_of_append": round(median_share(rates["http"], rates["append"]), 4),
        "service_share_of_append": round(median_share(rates["service"], rates["append"]), 4),
        "batch_size": BATCH,
        "num_batches_per_round": num_batches,
        "num_rounds": num_rounds,
    }
    rows = [
        [title, f"{medians[name]:,.0f}", f"{median_share(rates[name], rates['append']):.2f}"]
        for name, title in TITLES.items()
    ]
    say_table([f"batches of {BATCH}", "events/s", "of append"], rows)
    report.write(values)


def _measured(base_url: str, num_batches: int, num_rounds: int) -> dict[str, list[float]]:
    from engine.streams import topics
    from webapp.accounts.services import api_key_create, project_create
    from webapp.core.log import event_log
    from webapp.registry.services import schema_publish

    project = project_create(slug="bench", name="Measured")
    schema_publish(project=project, document=SCHEMA)
    _, secret = api_key_create(project=project, name="bench", scopes=["ingest"])
    bare = "bench.bare"
    event_log().create_topic(bare)
    clients = [ApiClient(base_url, secret) for _ in range(NUM_CLIENTS)]
    events, num_rounds_all = Events(), num_rounds + 1
    http = [[_body(rows) for rows in events.batches(num_batches)] for _ in range(2 * num_rounds_all)]
    direct = [events.batches(num_batches) for _ in range(num_rounds_all)]
    records = [_records(rows) for rows in events.batches(num_batches)]
    with ThreadPoolExecutor(NUM_CLIENTS) as pool:
        slices: dict[str, Slice] = {
            "append": partial(_append, bare, records),
            "service": lambda: _ingest(project, direct.pop()),
            "http": lambda: _post(clients[:1], http.pop(), pool),
            "concurrent": lambda: _post(clients, http.pop(), pool),
        }
        interleaved(slices, 1)  # connections opened, schema compiled, items made
        rates = interleaved(slices, num_rounds)
    for client in clients:
        client.close()
    in_log = {topic: sum(event_log().end_offsets(topic).values()) for topic in (bare, topics.events("bench"))}
    expected = num_rounds_all * num_batches * BATCH
    assert in_log == {bare: expected, topics.events("bench"): 3 * expected}, f"the log holds {in_log}"
    say(f"checked: every one of {3 * expected:,} acknowledged events is in the log, once")
    return rates


def _body(rows: Rows) -> bytes:
    return orjson.dumps({"events": rows})


def _records(rows: Rows) -> list[Record]:
    """The bytes that the service writes for these rows."""
    from engine.spec.schema import Schema
    from engine.spec.validation import EventValidator
    from engine.streams.log import Record

    validated = EventValidator(Schema.parse(SCHEMA, "schema")).validate(rows, received_ms=int(time.time() * 1000))
    return [Record(event.user_id, event.to_bytes(), event.timestamp_ms) for event in validated.events]


def _append(topic: str, batches: Sequence[list[Record]]) -> int:
    from webapp.core.log import event_log

    return sum(len(event_log().append(topic, records)) for records in batches)


def _ingest(project: Project, batches: Sequence[Rows]) -> int:
    from webapp.catalog.services import events_ingest

    return sum(events_ingest(project=project, rows=rows, source="bench").num_accepted for rows in batches)


def _post(clients: Sequence[ApiClient], bodies: Sequence[bytes], pool: ThreadPoolExecutor) -> int:
    def share_of(number: int) -> int:
        mine = bodies[number :: len(clients)]
        return sum(clients[number].post("/events", body)["accepted"] for body in mine)

    return sum(pool.map(share_of, range(len(clients))))
