"""`python -m tests.bench joining`: events a second that one joiner makes examples of, and the processor time they take.

A visit is one impression of ten items with what serving logged of them, for three visits in ten a click, and for one in
twenty a purchase. Windows are ten seconds and visits come as fast as they are joined, so what ten seconds brought waits. The log is in
memory: what is measured is the joiner, its steps and checkpoints included, and no server.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.joining.process import JoinerProcess
from engine.joining.state import JoinerSettings
from engine.spec.event import Event, ShownItem
from engine.spec.intake import Intake
from engine.spec.joining import Positives
from engine.spec.schema import EventRole, Schema
from engine.spec.validation import EventValidator
from engine.streams import topics
from engine.streams.log import Record
from engine.streams.memory import MemoryLog
from tests.bench.report import Report, say, say_table

PROJECT: Final = "bench"
NUM_ITEMS: Final = 10
NUM_PARTITIONS: Final = 4
VISITS_PER_POLL: Final = 500
WARM_S: Final = 12.0

_DOCUMENT: Final[dict[str, Any]] = {
    "events": {"impression": {"role": "impression"}, "click": {}, "purchase": {}},
    "join_window_s": 10,
}
PLAIN: Final = Schema.parse(_DOCUMENT)
COUNTED: Final = Schema.parse(
    _DOCUMENT
    | {
        "counters": {
            "clicks": {"keys": ["item.id"], "event_types": ["click"]},
            "shows": {"keys": ["item.id"], "event_types": ["impression"]},
        }
    }
)


@dataclass(frozen=True)
class Way:
    title: str
    schema: Schema
    settings: JoinerSettings
    is_logged: bool = True


def _ways() -> dict[str, Way]:
    plain = JoinerSettings.from_schema(PLAIN)
    return {
        "memory": Way("features logged, impressions in memory", PLAIN, plain),
        "disk": Way(
            "features logged, 8 MiB of impressions in memory", PLAIN, replace(plain, max_pending_bytes=8 << 20)
        ),
        "wait": Way("one example when the window ends", PLAIN, replace(plain, positives=Positives.WAIT)),
        "sampled": Way("one negative in ten", PLAIN, replace(plain, negative_sampling_rate=0.1)),
        "counters": Way("nothing logged, two counters", COUNTED, JoinerSettings.from_schema(COUNTED), is_logged=False),
    }


def run(*, quick: bool) -> None:
    for_s = 5.0 if quick else 20.0
    report = Report("bench-joining")
    values: dict[str, object] = {
        "num_items_shown": NUM_ITEMS,
        "num_partitions": NUM_PARTITIONS,
    }
    floor = _decoded_per_s()
    values["decoded_events_per_s"] = floor
    rows = []
    for name, way in _ways().items():
        figures = _measured(way, for_s)
        values |= {f"{name}_{key}": value for key, value in figures.items()}
        rows.append(
            [
                way.title,
                f"{figures['events_per_s']:,.0f}",
                f"{figures['examples_per_s']:,.0f}",
                f"{figures['cpu_s_per_1000_events']:.3f}",
                f"{figures['memory_bytes'] / 2**20:.1f}",
                f"{figures['spilled_bytes'] / 2**20:.1f}",
            ]
        )
        gc.collect()
    values["events_per_s"] = values["memory_events_per_s"]
    say(f"reading and checking these events, with nothing joined: {floor:,.0f} events/s")
    say_table(["way", "events/s", "examples/s", "CPU s / 1000 events", "MiB in memory", "MiB on disk"], rows)
    report.write(values)


def _decoded_per_s() -> float:
    intake, records = (
        Intake(EventValidator(PLAIN), time.time),
        list(_records(0, int(time.time() * 1000), is_logged=True)),
    )
    started_s = time.perf_counter()
    for record in records:
        intake.read(record.value, record.timestamp_ms, [])
    return len(records) / (time.perf_counter() - started_s)


def _measured(way: Way, for_s: float) -> dict[str, float]:
    log = MemoryLog()
    log.create_topic(topics.events(PROJECT), NUM_PARTITIONS)
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as folder:
        process = JoinerProcess(log, PROJECT, way.schema, Path(folder) / "joiner", time.time, settings=way.settings)
        traffic = _Traffic(log, process, is_logged=way.is_logged)
        traffic.join(WARM_S)
        before = process.counters.to_json()
        took_s, processor_s = traffic.join(for_s)
        num_events, num_examples = (
            process.counters.to_json()[one] - before[one] for one in ("num_events", "num_examples")
        )
        figures = {
            "events_per_s": num_events / took_s,
            "examples_per_s": num_examples / took_s,
            "cpu_s_per_1000_events": processor_s / num_events * 1000,
            "num_pending": float(process.num_pending),
            **{name: float(value) for name, value in process.waiting.items()},
        }
        process.close()
    return figures


class _Traffic:
    """Visits dated at the moment they are sent, a poll's worth at a time, as many as the joiner can take."""

    def __init__(self, log: MemoryLog, process: JoinerProcess, *, is_logged: bool) -> None:
        self._log = log
        self._process = process
        self._is_logged = is_logged
        self._num_visits = 0

    def join(self, for_s: float) -> tuple[float, float]:
        """Seconds that the joiner took, on the wall and on processors; what makes the visits is not among them."""
        took_s = processor_s = 0.0
        until_s = time.perf_counter() + for_s
        while time.perf_counter() < until_s:
            records = list(_records(self._num_visits, int(time.time() * 1000), is_logged=self._is_logged))
            self._log.append(topics.events(PROJECT), records)
            self._num_visits += VISITS_PER_POLL
            started_s, started_processor_s = time.perf_counter(), time.process_time()
            while self._process.poll():
                pass
            took_s += time.perf_counter() - started_s
            processor_s += time.process_time() - started_processor_s
        return took_s, processor_s


def _records(first: int, now_ms: int, *, is_logged: bool) -> Iterator[Record]:
    random = np.random.default_rng(first)
    for visit in range(first, first + VISITS_PER_POLL):
        for event in _visit(visit, now_ms, random, is_logged):
            yield Record(event.user_id, event.to_bytes(), event.received_ms)


def _visit(visit: int, now_ms: int, random: np.random.Generator, is_logged: bool) -> Iterator[Event]:
    user_id, recommendation_id = f"user-{random.integers(20_000)}", f"recommendation-{visit:08d}"
    items = [f"item-{item}" for item in random.choice(5_000, NUM_ITEMS, replace=False).tolist()]
    yield Event(
        f"impression-{visit}",
        "impression",
        EventRole.IMPRESSION,
        user_id,
        None,
        now_ms,
        now_ms,
        recommendation_id=recommendation_id,
        items=tuple(ShownItem(item, place, 0.5) for place, item in enumerate(items)),
        properties={"device": "phone"},
        features=_features(items, now_ms) if is_logged else None,
    )
    for event_type, share in (("click", 0.3), ("purchase", 0.05)):
        if random.random() < share:
            yield Event(
                f"{event_type}-{visit}",
                event_type,
                EventRole.ACTION,
                user_id,
                items[int(random.integers(NUM_ITEMS))],
                now_ms,
                now_ms,
                recommendation_id=recommendation_id,
            )


def _features(items: list[str], now_ms: int) -> dict[str, Any]:
    return {
        "user": {"country": "se", "age": 30},
        "history": [f"item-{n}" for n in range(20)],
        "history_types": ["click"] * 20,
        "history_times_ms": [now_ms - 1000 * n for n in range(20, 0, -1)],
        "items": {item: {"genre": "jazz", "price": 9.5} for item in items},
        "counters": {item: {"clicks_1h": 5.0, "clicks_24h": 40.0} for item in items},
        "time_ms": now_ms,
    }
