"""Ingesting from several threads at once, as web workers do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction

from engine.spec.event import CatalogChange, Event
from engine.streams import topics
from engine.streams.log import EventLog
from webapp.accounts.models import Project
from webapp.catalog.models import Item
from webapp.catalog.services import IngestReport, events_ingest, item_put
from webapp.catalog.storage import create_absent_items

pytestmark = pytest.mark.django_db(transaction=True)


def rows(order: int) -> list[dict[str, Any]]:
    found = [
        {"event_id": f"e{number}", "type": "click", "user_id": f"u{number % 5}", "item_id": f"i{number % 17}"}
        for number in range(200)
    ]
    return found[::order]


def test_it_accepts_each_event_once_when_the_same_batch_arrives_many_times(project: Project, log: EventLog) -> None:
    def send(order: int) -> IngestReport:
        try:
            return events_ingest(project=project, rows=rows(order), source="api")
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        reports = list(pool.map(send, [1, -1, 1, -1, 1, -1]))
    assert sum(report.num_accepted for report in reports) == 200
    assert sum(report.num_repeated for report in reports) == 1000
    stored = log.read(topics.events(project.slug), 0, 0, max_records=2000)
    assert len({Event.from_bytes(record.value).event_id for record in stored}) == len(stored) == 200
    created = [CatalogChange.from_bytes(record.value).id for record in log.read(topics.catalog(project.slug), 0, 0)]
    assert sorted(created) == sorted(f"i{number}" for number in range(17))


def test_it_writes_the_catalogue_topic_in_the_order_of_the_database(project: Project, log: EventLog) -> None:
    def write(writer: int) -> None:
        try:
            for number in range(20):
                item_put(project=project, item_id="tea", properties={"title": f"{writer}-{number}"})
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    records = log.read(topics.catalog(project.slug), 0, 0)
    assert len(records) == 80
    last = CatalogChange.from_bytes(records[-1].value)
    assert last.properties == Item.objects.get(project=project, external_id="tea").properties


@pytest.mark.parametrize("num_known", [0, 3000])
def test_it_creates_items_in_the_order_of_their_ids(project: Project, num_known: int) -> None:
    """Two batches that create the same items in two orders would wait for each other in a circle."""
    with transaction.atomic():
        create_absent_items(project, {f"known-{number}" for number in range(num_known)})
    wanted = {f"i{number * 7919 % 100_000}" for number in range(500)}
    with transaction.atomic():
        assert create_absent_items(project, wanted | {f"known-{number}" for number in range(num_known)}) == sorted(
            wanted
        )
    made = Item.objects.filter(project=project, external_id__in=wanted).order_by("id")
    assert list(made.values_list("external_id", flat=True)) == sorted(wanted)
