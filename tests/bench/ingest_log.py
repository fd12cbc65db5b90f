"""`make bench-ingest` over one event log: `python -m tests.bench.ingest_log postgresql|kafka` writes its figures as JSON.

A process of its own for each log, because Django reads once where the log is.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.kafka.broker import Kafka
from tests.bench.api_client import ApiClient
from tests.bench.ingest_events import BATCH, SCHEMA, Events, Rows, as_json, as_packed_lines, as_records
from tests.bench.measuring import Slice, interleaved, median_share
from tests.bench.processor_time import processor_seconds
from tests.bench.report import say
from tests.bench.started_system import started_product

if TYPE_CHECKING:
    from engine.streams.log import Record
    from webapp.accounts.models import Project

NUM_CLIENTS = 4
PACKED_HEADERS = {
    "Content-Type": "application/x-ndjson",
    "Content-Encoding": "gzip",
    "Prefer": "return=minimal",
}
HTTP_WAYS = ("one_connection", "http", "packed")
WAYS = ("append", "append_together", "service", *HTTP_WAYS)
"""As in `tests.bench.ingest.TITLES`."""


def main() -> int:
    """0 when everything acknowledged was found in the log."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ingest_log", description=__doc__)
    parser.add_argument("log", choices=["postgresql", "kafka"])
    parser.add_argument("output", type=Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    num_batches, num_rounds = (24, 3) if options.quick else (40, 7)
    with (
        tempfile.TemporaryDirectory(prefix="freshet-bench-") as folder,
        _log(options.log, Path(folder)) as brokers,
        started_product("--no-demo") as product,
    ):
        rates, processor = _measured(product.base_url, num_batches, num_rounds, [product.pid, *brokers])
    options.output.write_text(json.dumps(_figures(rates, processor, num_batches * BATCH * num_rounds)))
    return 0


@contextmanager
def _log(name: str, folder: Path) -> Iterator[list[int]]:
    """The log's own servers, by process id: none for PostgreSQL, which the product starts."""
    if name == "postgresql":
        yield []
        return
    broker = Kafka(folder / "kafka", log=folder / "kafka.log")
    broker.start()
    os.environ["KAFKA_BOOTSTRAP_SERVERS"] = broker.bootstrap_servers
    try:
        assert broker.process is not None
        yield [broker.process.pid]
    finally:
        broker.stop()


def _figures(
    rates: Mapping[str, Sequence[float]], processor: Mapping[str, dict[str, float]], num_events: int
) -> dict[str, float]:
    """Flat, by the names that `reports/bench-ingest.json` has after the log's prefix."""
    figures: dict[str, float] = {}
    for way in WAYS:
        figures[f"{way}_events_per_s"] = round(statistics.median(rates[way]), 1)
        figures[f"{way}_share_of_append"] = round(median_share(rates[way], rates["append"]), 4)
        for kind, seconds in processor[way].items():
            figures[f"{way}_{kind}_cpu_s_per_1000_events"] = round(seconds / num_events * 1000, 5)
    return figures


def _measured(
    base_url: str, num_batches: int, num_rounds: int, roots: list[int]
) -> tuple[dict[str, list[float]], dict[str, dict[str, float]]]:
    from engine.streams import topics
    from webapp.accounts.services import api_key_create, project_create
    from webapp.core.log import event_log
    from webapp.registry.services import schema_publish

    project = project_create(slug="bench", name="Measured")
    schema_publish(project=project, document=SCHEMA)
    _, secret = api_key_create(project=project, name="bench", scopes=["ingest"])
    bare = "bench.bare"
    event_log().create_topic(bare)
    num_all = num_rounds + 1
    events = Events()
    records = [as_records(rows) for rows in events.batches(num_batches)]
    direct = [events.batches(num_batches) for _ in range(num_all)]
    bodies = {way: _bodies(events, way, num_batches, num_all) for way in HTTP_WAYS}
    clients = [ApiClient(base_url, secret) for _ in range(NUM_CLIENTS)]
    packed = [ApiClient(base_url, secret, PACKED_HEADERS) for _ in range(NUM_CLIENTS)]
    processor: dict[str, dict[str, float]] = {way: {} for way in WAYS}
    with ThreadPoolExecutor(NUM_CLIENTS) as pool:
        slices: dict[str, Slice] = {
            "append": partial(_append, bare, records),
            "append_together": lambda: _together(partial(_append, bare), records, pool),
            "service": lambda: _ingest(project, direct.pop()),
            "one_connection": lambda: _post(clients[:1], bodies["one_connection"].pop(), pool),
            "http": lambda: _post(clients, bodies["http"].pop(), pool),
            "packed": lambda: _post(packed, bodies["packed"].pop(), pool),
        }
        timed = {way: partial(_timed, slices[way], processor[way], roots) for way in WAYS}
        interleaved(timed, 1)  # connections opened, schema compiled, items made
        for counted in processor.values():
            counted.clear()
        rates = interleaved(timed, num_rounds)
    for client in clients + packed:
        client.close()
    in_log = {topic: sum(event_log().end_offsets(topic).values()) for topic in (bare, topics.events("bench"))}
    per_way = num_all * num_batches * BATCH
    assert in_log == {bare: 2 * per_way, topics.events("bench"): 4 * per_way}, f"the log holds {in_log}"
    say(f"checked: every one of {4 * per_way:,} acknowledged events is in the log, once")
    return rates, processor


def _bodies(events: Events, way: str, num_batches: int, num_rounds: int) -> list[list[bytes]]:
    packed: Callable[[Rows], bytes] = as_packed_lines if way == "packed" else as_json
    return [[packed(rows) for rows in events.batches(num_batches)] for _ in range(num_rounds)]


def _timed(work: Slice, counted: dict[str, float], roots: list[int]) -> int:
    before = processor_seconds(roots)
    num = work()
    for kind, seconds in processor_seconds(roots).items():
        counted[kind] = counted.get(kind, 0.0) + seconds - before.get(kind, 0.0)
    return num


def _append(topic: str, batches: Sequence[list[Record]]) -> int:
    from webapp.core.log import event_log

    return sum(len(event_log().append(topic, records)) for records in batches)


def _ingest(project: Project, batches: Sequence[Rows]) -> int:
    from webapp.catalog.services import events_ingest

    return sum(events_ingest(project=project, rows=rows, source="bench").num_accepted for rows in batches)


def _together(
    work: Callable[[Sequence[list[Record]]], int], batches: list[list[Record]], pool: ThreadPoolExecutor
) -> int:
    return sum(pool.map(work, [batches[number::NUM_CLIENTS] for number in range(NUM_CLIENTS)]))


def _post(clients: Sequence[ApiClient], bodies: Sequence[bytes], pool: ThreadPoolExecutor) -> int:
    def share_of(number: int) -> int:
        mine = bodies[number :: len(clients)]
        return sum(clients[number].post("/events", body)["accepted"] for body in mine)

    return sum(pool.map(share_of, range(len(clients))))


if __name__ == "__main__":
    sys.exit(main())
