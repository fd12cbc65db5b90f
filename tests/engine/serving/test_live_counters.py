"""Requests read counters while events are counted."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from engine.retrieval.asker import Asker
from engine.retrieval.catalogue import Catalogue
from engine.serving.live_counters import LiveCounters
from engine.spec.counter import Counter
from engine.spec.event import Event
from engine.spec.schema import EventRole
from engine.streams.memory import MemoryLog

NUM_EVENTS = 4_000


def clicks() -> Iterator[tuple[int, int, Event]]:
    for number in range(NUM_EVENTS):
        item_id = f"i{number % 5}"
        yield 0, number, Event(f"e{number}", "click", EventRole.ACTION, "u", item_id, 1_000, 1_000)


def test_a_reader_sees_counts_grow_and_never_a_torn_one() -> None:
    log = MemoryLog()
    log.create_topic("events")
    counters = {
        "mine": Counter(keys=["user.id"], event_types=["click"], windows_s=[600]),
        "item": Counter(keys=["item.id"], event_types=["click"], windows_s=[600, 3600], half_lives_s=[60]),
    }
    live = LiveCounters(counters, log, "events", joiner_directory=None, clock=lambda: 2.0)
    asker = Asker("u", {}, {}, (), time_ms=1_000)
    items = [f"i{number}" for number in range(5)]
    seen: list[float] = []
    faults: list[object] = []

    def read() -> None:
        while not seen or seen[-1] < NUM_EVENTS:
            values = {name: column.tolist() for name, column in live.read(asker, items, [{}] * 5).items()}
            seen.append(values["mine_10m"][0])
            if sum(values["item_10m"]) != seen[-1] or values["item_10m"] != values["item_1h"]:
                faults.append(values)
            if values["item_10m"] != values["item_decayed_1m"]:
                faults.append(values)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    live.note(clicks(), Catalogue())
    reader.join(timeout=30)
    assert (reader.is_alive(), faults, seen[-1]) == (False, [], NUM_EVENTS)
    assert seen == sorted(seen)
