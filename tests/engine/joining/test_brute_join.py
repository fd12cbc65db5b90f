"""The joiner against a join that looks through the whole log, over every rule, several partitions, and kills anywhere."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.joining import process as process_module
from engine.joining.joiner import Joiner
from engine.joining.process import JoinerProcess
from engine.joining.state import JoinerSettings, JoinerState
from engine.spec.event import Event, ShownItem
from engine.spec.example import Example
from engine.spec.joining import Positives
from engine.spec.schema import EventRole, Schema
from engine.streams import topics
from engine.streams.log import Position, Record
from engine.streams.memory import MemoryLog
from tests.engine.joining.brute_join import BruteJoin, Happening, Made

SCHEMA = Schema.parse(
    {"events": {"impression": {"role": "impression"}, "click": {}, "buy": {}, "look": {"role": "other"}}}
)
EVENTS, STEPS, EXAMPLES = topics.events("p"), topics.joiner_steps("p"), topics.examples("p")
USERS = "stuvwx"
FAR_MS = 100_000

rules = st.builds(
    JoinerSettings,
    action_types=st.just(("click", "buy")),
    window_ms=st.just(20),
    windows_ms=st.sampled_from([{}, {"buy": 60}, {"click": 9, "buy": 35}]),
    positives=st.sampled_from(Positives),
    early_wait_ms=st.sampled_from([0, 12]),
    late_ms=st.sampled_from([0, 30]),
    negative_sampling_rate=st.sampled_from([1.0, 1.0, 0.5, 0.0]),
    idle_after_ms=st.just(50),
)


@st.composite
def streams(draw: st.DrawFn, min_events: int = 0, max_events: int = 30) -> list[Event]:
    """Events in the order in which they are received: some late, some early, some repeated, some about nothing."""
    events: list[Event] = []
    now_ms = 100
    for number in range(draw(st.integers(min_events, max_events))):
        now_ms += draw(st.sampled_from([0, 1, 3, 9, 9, 40]))
        if events and draw(st.integers(0, 9)) == 0:
            events.append(replace(draw(st.sampled_from(events)), received_ms=now_ms))
            continue
        event_type = draw(st.sampled_from(["impression", "impression", "click", "click", "buy", "look"]))
        role = SCHEMA.events[event_type].role
        items = draw(st.lists(st.sampled_from("ab"), min_size=1, max_size=3))
        events.append(
            Event(
                f"e{number}",
                event_type,
                role,
                draw(st.sampled_from(USERS)),
                items[0] if role is EventRole.ACTION else None,
                now_ms + draw(st.sampled_from([0, 0, 0, -3, -30, 50])),
                now_ms,
                recommendation_id=draw(st.sampled_from([None, "r1", "r2", "r3"])),
                items=tuple(map(ShownItem, items)) if role is EventRole.IMPRESSION else (),
            )
        )
    return events


def made(examples: list[Example]) -> Counter[Made]:
    return Counter((one.example_id, tuple(sorted(one.labels.items())), one.corrects) for one in examples)


@settings(max_examples=300, deadline=None)
@given(rules, streams())
def test_every_rule_gives_what_a_look_through_the_whole_log_gives(chosen: JoinerSettings, events: list[Event]) -> None:
    joiner = Joiner(chosen, JoinerState(chosen))
    joiner.state.watermark.register([0])
    examples = joiner.process_batch((0, offset, event) for offset, event in enumerate(events))
    examples += joiner.advance(FAR_MS)
    assert made(examples) == BruteJoin(chosen, [0]).join([*((0, event) for event in events), FAR_MS])
    assert len(joiner.state.pending) == len(joiner.state.early) == 0
    counters = joiner.state.counters
    assert counters.num_examples == len(examples) == counters.num_positives + counters.num_negatives
    assert counters.num_corrections == sum(one.corrects is not None for one in examples)


class KilledError(Exception):
    """The process ends here."""


class KillingLog(MemoryLog):
    """Ends its user before or after a chosen append, as kill -9 would. `steps` is what was ever written of them, trimmed or not."""

    def __init__(self) -> None:
        super().__init__()
        self.fuse = -1
        self.steps: list[dict[str, Any]] = []

    def append(self, topic: str, records: Any) -> list[Position]:
        if topic == EVENTS:
            return super().append(topic, records)
        self._burn()
        positions = super().append(topic, records)
        if topic == STEPS:
            self.steps += [said for said in (orjson.loads(record.value) for record in records) if "opens" not in said]
        self._burn()
        return positions

    def _burn(self) -> None:
        self.fuse -= 1
        if self.fuse == 0:
            raise KilledError


def happenings(log: KillingLog) -> list[Happening]:
    """What the log and its steps say happened, in order."""
    found: list[Happening] = []
    for step in log.steps:
        events = []
        for partition, first, after in step["events"]:
            for record in log.read(EVENTS, partition, first, after - first):
                events.append((record.timestamp_ms, partition, record.offset, Event.from_bytes(record.value)))
        # Sorting is by the time of receipt and then by partition, which has no two records of one offset.
        found += [(partition, event) for _, partition, _, event in sorted(events, key=lambda one: one[:3])]
        if not events:
            found.append(step["now_ms"])
    return found


class Lives:
    """A joiner that is killed and started again over one log and one folder."""

    def __init__(self, num_partitions: int, chosen: JoinerSettings, folder: Path) -> None:
        self.log = KillingLog()
        self.log.create_topic(EVENTS, num_partitions)
        self.now_ms = 100
        self._chosen = chosen
        self._folder = folder / "joiner"
        self.process = self._born()

    def _born(self) -> JoinerProcess:
        return JoinerProcess(
            self.log,
            "p",
            SCHEMA,
            self._folder,
            lambda: self.now_ms / 1000,
            settings=self._chosen,
            checkpoint_every_s=1e9,
        )

    def send(self, events: list[Event]) -> None:
        self.log.append(EVENTS, [Record(one.user_id, one.to_bytes(), one.received_ms) for one in events])
        self.now_ms = max([self.now_ms, *(one.received_ms for one in events)])

    def poll(self, fuse: int, *, checkpoint: bool = False) -> None:
        """Killed when the fuse has burnt that many times, if it comes to that; 0: never."""
        self.log.fuse = fuse or -1
        try:
            self.process.poll()
            if checkpoint:
                self.process.checkpoint()
        except KilledError:
            self.restart()
        self.log.fuse = -1

    def restart(self, *, forget_newest: bool = False) -> None:
        folders = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
        if forget_newest and len(folders) > 1:
            shutil.rmtree(folders[-1])
        self.process = self._born()

    def emitted(self) -> list[Example]:
        return [Example.from_bytes(record.value) for record in self.log.read(EXAMPLES, 0, 0, max_records=100_000)]


def check_lives(data: st.DataObject, events: list[Event], chosen: JoinerSettings, num_partitions: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        lives = Lives(num_partitions, chosen, Path(directory))
        left = events
        while left:
            size = data.draw(st.integers(1, 8))
            lives.send(left[:size])
            left = left[size:]
            for _ in range(data.draw(st.integers(0, 3))):
                lives.now_ms += data.draw(st.sampled_from([0, 0, 5, 200]))
                saved = data.draw(st.integers(0, 4)) == 0
                lives.poll(data.draw(st.sampled_from([0, 0, 0, 1, 2, 3, 4, 5, 6])), checkpoint=saved)
            fate = data.draw(st.sampled_from(["lives", "lives", "killed", "killed, and the newest checkpoint is lost"]))
            if fate != "lives":
                lives.restart(forget_newest=fate.endswith("lost"))
        while lives.process.poll():
            pass
        lives.now_ms += FAR_MS
        lives.poll(0)
        assert lives.process.num_pending == 0
        expected = BruteJoin(chosen, range(num_partitions)).join(happenings(lives.log))
        assert made(lives.emitted()) == expected
        lives.process.close()


slow = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.fixture(autouse=True, scope="module")
def small_reads() -> Iterator[None]:
    """So that a few events are many steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process_module, "MAX_RECORDS", 2)
        yield


@slow
@given(st.data(), streams(min_events=8), rules, st.sampled_from([1, 2, 3]))
def test_a_joiner_killed_anywhere_makes_each_example_once(
    data: st.DataObject, events: list[Event], chosen: JoinerSettings, num_partitions: int
) -> None:
    check_lives(data, events, chosen, num_partitions)


@settings(parent=slow, max_examples=25)
@given(st.data(), streams(min_events=8), rules, st.sampled_from([1, 3]), st.sampled_from([0, 6_000]))
def test_a_joiner_with_next_to_no_memory_makes_the_same(
    data: st.DataObject, events: list[Event], chosen: JoinerSettings, num_partitions: int, max_bytes: int
) -> None:
    check_lives(data, events, replace(chosen, max_pending_bytes=max_bytes), num_partitions)
