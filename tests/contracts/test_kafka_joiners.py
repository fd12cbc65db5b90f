"""On a real broker, which keeps no epochs: what a joiner appends after another has taken over is passed over by whoever learns."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.joining.process import JoinerProcess
from engine.spec.event import Event
from engine.spec.schema import EventRole, Schema
from engine.streams import topics
from engine.streams.fencing import Fence
from engine.streams.kafka import KafkaLog
from engine.streams.kafka_settings import KafkaSettings
from engine.streams.log import Record
from engine.training.logged import LoggedExamples, parse_records

pytestmark = pytest.mark.kafka
NUM_PARTITIONS = 2
SCHEMA = Schema.parse({"events": {"click": {}}})


@pytest.fixture
def log(kafka_servers: str) -> Iterator[KafkaLog]:
    log = KafkaLog(replace(KafkaSettings((kafka_servers,)), num_partitions=NUM_PARTITIONS))
    yield log
    log.close()


def read(log: KafkaLog, project: str) -> LoggedExamples:
    topic = topics.examples(project)
    return parse_records([record for one in log.partitions(topic) for record in log.read(topic, one, 0)])


def test_a_stale_joiner_is_passed_over(log: KafkaLog, tmp_path: Path) -> None:
    project = f"p{uuid.uuid4().hex[:8]}"

    def holder(epoch: int) -> JoinerProcess:
        fence = Fence(lambda: None, epoch)
        return JoinerProcess(log, project, SCHEMA, tmp_path, lambda: 100.0, fence=fence, checkpoint_every_s=1e9)

    stale, successor = holder(3), holder(4)
    assert stale.num_pending == successor.num_pending == 0  # both have begun, one after the other
    events = [Event(f"c{number}", "click", EventRole.ACTION, f"u{number}", "a", 5, 5) for number in range(8)]
    log.append(topics.events(project), [Record(event.user_id, event.to_bytes(), 5) for event in events])
    while not stale.poll(1.0):
        continue
    assert read(log, project).examples == []
    while not successor.poll(1.0):
        continue
    found = read(log, project)
    assert sorted(example.example_id for example in found.examples) == sorted(event.event_id for event in events)
    assert len(found.fenced) == len(events)
    assert found.epochs == dict.fromkeys(range(NUM_PARTITIONS), 4)
