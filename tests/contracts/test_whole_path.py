"""From events to a replica's tables over each log: what comes out is the same, byte for byte and row for row."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from engine.checkpoint.folder import open_folder
from engine.checkpoint.snapshot import load_snapshot
from engine.embedding.store import ServingStore
from engine.joining.process import JoinerProcess
from engine.spec.definition import ModelDefinition
from engine.spec.event import CatalogChange, Event, ShownItem
from engine.spec.schema import EventRole, Schema
from engine.streams import groups, topics
from engine.streams.lag import lag_of
from engine.streams.log import EventLog, Record
from engine.streams.memory import MemoryLog
from engine.sync.applier import Applier
from engine.sync.snapshot import LoadedSnapshot
from engine.training.online import OnlineTrainer
from engine.training.state import SNAPSHOTS
from tests.engine.training.made import FakeClock, make_definition

NUM_REQUESTS = 60
NUM_USERS = 12
ITEMS = [f"item-{number}" for number in range(20)]
SCHEMA = Schema.parse({"events": {"impression": {"role": "impression"}, "click": {}}, "join_window_s": 10})


@dataclass
class Outcome:
    examples: list[bytes]
    weights: dict[str, np.ndarray]
    digest: int
    trainer_digest: int


def happenings() -> list[Event]:
    """Each request shows four items of which one is clicked, most times; the last event ends every window."""
    generator = np.random.default_rng(11)
    events: list[Event] = []
    for number in range(NUM_REQUESTS):
        user, at_ms = f"user-{number % NUM_USERS}", 1000 * number
        shown = tuple(ShownItem(str(item), place) for place, item in enumerate(generator.choice(ITEMS, 4, False)))
        seen = EventRole.IMPRESSION
        events.append(Event(f"i{number}", "impression", seen, user, None, at_ms, at_ms, f"r{number}", shown))
        if generator.random() < 0.8:
            item = shown[int(generator.integers(4))].item_id
            click = EventRole.ACTION
            events.append(Event(f"c{number}", "click", click, user, item, at_ms + 400, at_ms + 400, f"r{number}"))
    last_ms = 1000 * NUM_REQUESTS + 60_000
    events.append(Event("last", "click", EventRole.ACTION, "user-0", ITEMS[0], last_ms, last_ms))
    return events


def travel(log: EventLog, project: str, folder: Path, batch: int, num_partitions: int) -> Outcome:
    """Append, join, train and apply in turns, as the processes do."""
    log.create_topic(topics.events(project), num_partitions)
    log.create_topic(topics.examples(project), num_partitions)
    log.create_topic(topics.catalog(project))
    for item in ITEMS:
        change = CatalogChange("item", item, {"topic": "film", "price": 3.0})
        log.append(topics.catalog(project), [Record(f"item:{item}", change.to_bytes(), 0)])
    clock = FakeClock()
    joiner = JoinerProcess(log, project, SCHEMA, folder / "joiner", clock)
    definition = make_definition("deepfm", training={"checkpoint_every_s": 5.0, "evaluate_fraction": 0.0})
    trainer = OnlineTrainer(definition, log, project, "m", 1, folder / "m", clock=clock)
    applier, weights = following(log, project, definition, folder / "m", clock)
    events = happenings()
    for start in range(0, len(events), batch):
        part = events[start : start + batch]
        log.append(
            topics.events(project), [Record(event.user_id, event.to_bytes(), event.timestamp_ms) for event in part]
        )
        joiner.poll()
        trainer.poll(0.0)
        clock.now_s += 1.0
        applier.poll()
    while joiner.poll() or trainer.poll(0.0).num_examples:
        clock.now_s += 1.0
    joiner.checkpoint()
    trainer.close()
    while applier.poll().num_deltas:
        pass
    for topic, group in ((topics.events(project), groups.JOINER), (topics.examples(project), groups.trainer("m", 1))):
        assert [row.num_waiting for row in lag_of(log, topic, group)] == [0] * num_partitions
    examples = [
        record.value
        for partition in range(num_partitions)
        for record in log.read(topics.examples(project), partition, 0, max_records=100_000)
    ]
    return Outcome(examples, dict(weights), applier.store.digest(), trainer.state.store.digest())


def following(
    log: EventLog, project: str, definition: ModelDefinition, directory: Path, clock: FakeClock
) -> tuple[Applier, dict[str, np.ndarray]]:
    weights: dict[str, np.ndarray] = {}

    def load(folder: Path) -> LoadedSnapshot:
        open_folder(folder)
        return load_snapshot(folder, definition)

    applier = Applier(
        log,
        topics.params(project, "m", 1),
        make_store=lambda: ServingStore.for_definition(definition),
        snapshots_directory=directory / SNAPSHOTS,
        load_snapshot=load,
        clock_ms=lambda: int(clock() * 1000),
        on_dense=weights.update,
        sleep=lambda _: None,
    )
    return applier, weights


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("batch", "num_partitions"), [(7, 1), (500, 1), (11, 3)])
def test_the_same_events_make_the_same_examples_and_tables_as_over_memory(
    log: EventLog, tmp_path: Path, batch: int, num_partitions: int
) -> None:
    project = f"shop-{uuid.uuid4().hex[:8]}"
    expected = travel(MemoryLog(), project, tmp_path / "memory", batch, num_partitions)
    outcome = travel(log, project, tmp_path / "other", batch, num_partitions)
    assert len(outcome.examples) > NUM_REQUESTS
    assert outcome.examples == expected.examples
    assert outcome.digest == outcome.trainer_digest == expected.digest
    assert outcome.weights.keys() == expected.weights.keys() != set()
    for name, weight in outcome.weights.items():
        np.testing.assert_array_equal(weight, expected.weights[name])
