"""The `catalog` topic stays a few times as long as the catalogue, and says all of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from engine.checkpoint.folder import write_folder
from engine.spec.event import CatalogChange
from engine.streams import topics
from engine.streams.log import EventLog
from webapp.accounts.models import Project
from webapp.catalog import restating
from webapp.catalog.entities import entity_delete, item_put, user_put
from workers import retention
from workers.folders import joiner_folder

CATALOG = topics.catalog("shop")


@pytest.fixture(autouse=True)
def small(settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(restating, "MIN_RECORDS", 10)
    monkeypatch.setattr(restating, "BATCH", 2)


def said(log: EventLog) -> dict[tuple[str, str], dict[str, Any]]:
    """What a reader from the beginning knows in the end."""
    known: dict[tuple[str, str], dict[str, Any]] = {}
    for partition, offset in log.earliest_offsets(CATALOG).items():
        for record in log.read(CATALOG, partition, offset, 1000):
            change = CatalogChange.from_bytes(record.value)
            known.pop((change.kind, change.id), None)
            if not change.deleted:
                known[change.kind, change.id] = change.properties
    return known


def write(project: Project, num_rounds: int) -> dict[tuple[str, str], dict[str, Any]]:
    for _ in range(num_rounds):
        for item_id in ("a", "B", "é"):
            item_put(project=project, item_id=item_id, properties={})
        user_put(project=project, user_id="u", properties={})
    return {("item", "a"): {}, ("item", "B"): {}, ("item", "é"): {}, ("user", "u"): {}}


def joiner_has_read(project: Project, log: EventLog) -> None:
    meta = {
        "events": {"0": 0},
        "catalog": {str(one): end for one, end in log.end_offsets(CATALOG).items()},
        "examples_end": {"0": 0},
    }
    write_folder(joiner_folder(project), "000000000001", lambda _: None, meta, keep=2)


def trim(project: Project, hours_later: float = 0.0) -> int:
    return retention.trim_project(project, now_ms=lambda: int((time.time() + hours_later * 3600) * 1000))


def num_held(log: EventLog) -> int:
    earliest = log.earliest_offsets(CATALOG)
    return sum(end - earliest[one] for one, end in log.end_offsets(CATALOG).items())


def test_what_was_repeated_goes_an_hour_after_all_was_said_once_more(project: Project, log: EventLog) -> None:
    known = write(project, 5)
    item_put(project=project, item_id="gone", properties={})
    entity_delete(project=project, kind="item", entity_id="gone")
    trim(project)
    assert num_held(log) == 22 + 4
    assert said(log) == known
    joiner_has_read(project, log)
    assert trim(project, hours_later=0.9) == 0
    assert trim(project, hours_later=1.1) == 22
    assert num_held(log) == 4
    assert said(log) == known


def test_what_is_hidden_is_said_again_as_hidden(project: Project, log: EventLog) -> None:
    write(project, 5)
    item_put(project=project, item_id="B", properties={}, hidden=True)
    trim(project)
    records = log.read(CATALOG, 0, 21)
    last = {change.id: change.hidden for change in (CatalogChange.from_bytes(record.value) for record in records)}
    assert last == {"a": False, "B": True, "é": False, "u": False}


def test_a_catalogue_that_is_not_repeated_is_left_alone(project: Project, log: EventLog) -> None:
    write(project, 3)
    trim(project)
    assert num_held(log) == 12


def test_it_is_not_said_again_before_what_was_before_is_gone(project: Project, log: EventLog) -> None:
    write(project, 5)
    for _ in range(3):
        trim(project)
    assert num_held(log) == 20 + 4


def test_what_the_joiner_would_read_again_stays(project: Project, log: EventLog) -> None:
    write(project, 3)
    joiner_has_read(project, log)
    known = write(project, 2)
    trim(project)
    assert trim(project, hours_later=2) == 12
    assert said(log) == known
