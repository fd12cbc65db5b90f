"""What `make bench-ingest` sends, and how it counts processor time."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import time

import orjson
import pytest

from engine.spec.event import Event
from tests.bench.ingest import TITLES
from tests.bench.ingest_events import BATCH, Events, as_json, as_packed_lines, as_records
from tests.bench.ingest_log import WAYS, _figures
from tests.bench.processor_time import processor_seconds


def test_each_event_is_new_and_travels_alike_in_every_form() -> None:
    first, second = Events().batches(2)
    assert len({row["event_id"] for row in first + second}) == 2 * BATCH
    assert orjson.loads(as_json(first)) == first
    assert [orjson.loads(line) for line in gzip.decompress(as_packed_lines(first)).split(b"\n")] == first
    sent = [Event.from_bytes(record.value) for record in as_records(first)]
    assert [(one.event_id, one.user_id, one.item_id) for one in sent] == [
        (row["event_id"], row["user_id"], row["item_id"]) for row in first
    ]


def test_processor_time_is_counted_by_kind_and_of_what_was_started_here() -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ntime.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", busy, "postgres"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            counted = processor_seconds([process.pid])
            assert counted["database"] == pytest.approx(0.3, abs=0.25)
            assert set(counted) == {"database", "client"}
            assert set(processor_seconds([])) == {"client"}
            assert processor_seconds([os.getpid()])["database"] > 0.0  # started by this process
        finally:
            process.kill()
    assert counted["client"] <= time.process_time() + 0.1


def test_figures_have_a_rate_a_share_and_processor_time_for_each_way() -> None:
    rates = {way: [100.0, 200.0, 400.0] for way in WAYS} | {"append": [200.0, 400.0, 400.0]}
    figures = _figures(rates, {way: {"web": 2.0} for way in WAYS}, num_events=4000)
    assert figures["http_events_per_s"] == 200.0
    assert figures["http_share_of_append"] == 0.5
    assert figures["http_web_cpu_s_per_1000_events"] == 0.5
    assert set(TITLES) == set(WAYS)
