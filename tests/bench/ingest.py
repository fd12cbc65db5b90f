"""`make bench-ingest`: events a second into the log, in batches of 500, with PostgreSQL and with Kafka as the log.

Six ways take turns, on a system started for it and without demo: the bare append of the same bytes to a topic of the same
log, by one writer and by four; the service behind the API called in this process; POST /api/v1/events over one connection
and over four; and over four with packed JSON lines and the short answer. Every accepted event is durable when the call
returns. The joiner reads what is accepted meanwhile, as it does in life.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from deploy.kafka import jars
from deploy.launcher.errors import StartError
from tests.bench.ingest_events import BATCH
from tests.bench.report import Report, say, say_table

TITLES = {
    "append": "bare append, one writer",
    "append_together": "bare append, four writers",
    "service": "catalog.services.events_ingest",
    "one_connection": "POST /events, one connection",
    "http": "POST /events, four connections",
    "packed": "the same, JSON lines, gzip, short answer",
}
KINDS = ("web", "database", "kafka", "joiner", "client")


def run(*, quick: bool) -> None:
    report = Report("bench-ingest")
    values: dict[str, object] = {"batch_size": BATCH}
    figures = _measured("postgresql", quick)
    values |= {"events_per_s": figures["http_events_per_s"], "share_of_append": figures["http_share_of_append"]}
    values |= {f"postgresql_{name}": value for name, value in figures.items()}
    _show("PostgreSQL as the log", figures)
    missing = _why_no_kafka()
    if missing:
        say(f"Kafka as the log: missing, because {missing}")
        values["kafka_missing"] = missing
    else:
        figures = _measured("kafka", quick)
        values |= {"kafka_events_per_s": figures["http_events_per_s"]}
        values |= {f"kafka_{name}": value for name, value in figures.items()}
        _show("Kafka as the log", figures)
    report.write(values)


def _why_no_kafka() -> str:
    try:
        jars.java()
        jars.class_path()
    except StartError as error:
        return str(error)
    return ""


def _measured(log: str, quick: bool) -> dict[str, float]:
    say(f"measuring with {log} as the log")
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as folder:
        output = Path(folder) / "figures.json"
        command = [sys.executable, "-m", "tests.bench.ingest_log", log, str(output), *(["--quick"] if quick else [])]
        subprocess.run(command, check=True)
        figures: dict[str, float] = json.loads(output.read_text())
    return figures


def _show(title: str, figures: Mapping[str, float]) -> None:
    say(f"{title}: batches of {BATCH}; processor time in seconds for 1000 events")
    rows = [
        [
            TITLES[way],
            f"{figures[f'{way}_events_per_s']:,.0f}",
            f"{figures[f'{way}_share_of_append']:.2f}",
            *(f"{figures.get(f'{way}_{kind}_cpu_s_per_1000_events', 0.0):.4f}" for kind in KINDS),
        ]
        for way in TITLES
    ]
    say_table(["", "events/s", "of append", *KINDS], rows)
