"""A producer that knows nothing of Freshet writes to the Kafka topic: joined, or in the inbox and joined once the schema takes it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from webapp.accounts.models import Project
from webapp.accounts.services import project_create
from webapp.catalog.inbox_selectors import Selection
from webapp.catalog.inbox_services import dead_events_replay
from webapp.catalog.models import DeadEvent, Item
from webapp.core.log import close_event_logs
from webapp.core.remembered import forget_everything
from webapp.registry.selectors import schema_current
from webapp.registry.services import schema_publish
from webapp.training.models import JoinerProgress
from workers.leases import DatabaseLeases, HeldLease
from workers.tasks import join as job

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]


@pytest.fixture
def kafka_project(
    db: None, kafka_servers: str, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    """A project whose log is Kafka, with three partitions."""
    monkeypatch.setenv("KAFKA_NUM_PARTITIONS", "3")
    settings.LOG_URL, settings.DATA_DIR = f"kafka://{kafka_servers}", tmp_path
    forget_everything()
    yield project_create(slug=f"shop-{uuid.uuid4().hex[:8]}", name="Shop")
    close_event_logs()
    forget_everything()


@pytest.fixture
def follow(kafka_project: Project) -> Callable[[], JoinerProgress]:
    """Joins what is there, and then takes in what was refused."""
    token = DatabaseLeases().acquire("joiner:1", "test", 60)
    assert token is not None
    lease = HeldLease(DatabaseLeases(), name="joiner:1", holder="test", token=token)

    def once() -> JoinerProgress:
        answers = iter([False] * 4 + [True] * 2)
        job._follow(kafka_project, lease, lambda: next(answers))
        return JoinerProgress.objects.get(project=kafka_project)

    return once


def test_events_of_a_foreign_producer_are_joined_or_wait_in_the_inbox_for_a_schema(
    kafka_project: Project, kafka_servers: str, follow: Callable[[], JoinerProgress]
) -> None:
    topic = f"{kafka_project.slug}.events"
    click = {"event_id": "c1", "type": "click", "user_id": "ann", "item_id": "tea"}
    share = {"event_id": "s1", "type": "share", "user_id": "bob", "item_id": "jam"}
    producer = KafkaProducer(bootstrap_servers=kafka_servers)
    for key, value in ((b"ann", click), (b"bob", share), (b"ann", click)):
        producer.send(topic, key=key, value=json.dumps(value).encode())
    producer.send(topic, key=None, value=b"{", partition=2)
    producer.send(topic, key=b"ann", value=None, partition=2)
    producer.flush()
    producer.close()

    progress = follow()
    assert (progress.num_examples, progress.num_duplicates, progress.lag_records) == (1, 1, 0)
    refused = {row.reason: row for row in DeadEvent.objects.filter(project=kafka_project).order_by("pk")}
    assert sorted(refused) == ["not_json", "unknown_type"]
    assert DeadEvent.objects.filter(project=kafka_project, reason="not_json", partition=2).count() == 2
    assert (refused["unknown_type"].key, json.loads(refused["unknown_type"].value)) == ("bob", share)

    document = schema_current(project=kafka_project).document
    schema_publish(project=kafka_project, document=document | {"events": document["events"] | {"share": {}}})
    done = dead_events_replay(project=kafka_project, selection=Selection())
    assert (done.num_replayed, done.num_repeated, done.num_refused) == (1, 0, 2)
    progress = follow()
    assert (progress.num_examples, progress.lag_records) == (2, 0)
    assert DeadEvent.objects.filter(project=kafka_project).count() == 2
    assert set(Item.objects.filter(project=kafka_project).values_list("external_id", flat=True)) == {"tea", "jam"}
