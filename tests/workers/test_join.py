"""The joiner's job: what goes wrong with it is on the project's page, and the next attempt goes on."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from engine.spec.schema import Schema
from engine.streams import topics
from engine.streams.log import EventLog, Record
from webapp.accounts.models import Project
from webapp.catalog.models import DeadEvent, Item
from webapp.catalog.services import events_ingest
from webapp.registry.services import schema_publish
from webapp.training.models import JoinerProgress
from workers.folders import joiner_folder
from workers.joiner_turn import JoinerTurn
from workers.leases import DatabaseLeases, HeldLease
from workers.tasks import join as job


@pytest.fixture
def lease(db: None) -> HeldLease:
    token = DatabaseLeases().acquire("joiner:1", "test", 60)
    assert token is not None
    return HeldLease(DatabaseLeases(), name="joiner:1", holder="test", token=token)


@pytest.fixture
def follow(project: Project, lease: HeldLease, settings: Any, tmp_path: Path) -> Callable[[], JoinerProgress]:
    """One look at the log, then a stop."""
    settings.DATA_DIR = tmp_path

    def once() -> JoinerProgress:
        answers = iter([False, False, True, True])
        job._follow(project, lease, lambda: next(answers))
        return JoinerProgress.objects.get(project=project)

    return once


def test_events_of_others_are_joined_make_their_items_and_leave_the_bad_ones_in_the_inbox(
    follow: Callable[[], JoinerProgress], log: EventLog, project: Project
) -> None:
    good = {"event_id": "c1", "type": "click", "user_id": "u", "item_id": "jam"}
    values = [orjson.dumps(one) for one in (good, good | {"event_id": "c2", "type": "share"})]
    log.append(topics.events("shop"), [Record("u", value, 1_790_000_000_000) for value in values])
    assert follow().num_examples == 1
    assert Item.objects.get(project=project).external_id == "jam"
    dead = DeadEvent.objects.get(project=project)
    assert (dead.partition, dead.offset, dead.reason, dead.received) == (0, 1, "unknown_type", "'share'")
    follow()
    assert DeadEvent.objects.count() == 1


def test_what_a_killed_joiner_joined_is_joined_again_by_the_schema_it_went_by(
    follow: Callable[[], JoinerProgress], log: EventLog, project: Project, lease: HeldLease
) -> None:
    """It was killed before its checkpoint, and the schema that let the event pass is not in force any more."""
    with_share = schema_publish(project=project, document={"events": {"click": {}, "share": {}}})
    follow()
    share = {"event_id": "s1", "type": "share", "user_id": "u", "item_id": "jam"}
    log.append(topics.events("shop"), [Record("u", orjson.dumps(share), 1_790_000_000_000)])
    killed = job._process(project, Schema.parse(with_share.document), lease)
    killed.poll()
    killed.close()
    schema_publish(project=project, document={"events": {"click": {}}})
    assert follow().num_examples == 1
    assert not DeadEvent.objects.exists()
    assert sum(log.end_offsets(topics.examples("shop")).values()) == 1
    log.append(topics.events("shop"), [Record("u", orjson.dumps(share | {"event_id": "s2"}), 1_790_000_000_000)])
    follow()
    assert DeadEvent.objects.get().reason == "unknown_type"


def test_record_that_is_no_event_is_put_aside_and_shown(
    follow: Callable[[], JoinerProgress], log: EventLog, project: Project
) -> None:
    log.append(topics.events("shop"), [Record("u", b'{"type": "click"}', 1_790_000_000_000)])
    events_ingest(project=project, rows=[{"type": "click", "user_id": "u", "item_id": "a"}], source="test")
    progress = follow()
    assert (progress.num_events, progress.num_examples, progress.lag_records) == (1, 1, 0)
    assert progress.error.startswith("1 records of shop.events are no events and were put into shop.events.dead")
    assert "0/0: not an event: user_id: is required" in progress.error
    assert follow().error == ""


@pytest.fixture
def joined_until_over(
    project: Project, lease: HeldLease, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[str, Any]], JoinerProgress]:
    """What the joiner says after one event, when another project waits for a place and its turn is over at once."""
    settings.DATA_DIR = tmp_path
    seconds = itertools.count(0.0, 100.0)
    monkeypatch.setattr(job, "JoinerTurn", lambda: JoinerTurn(lambda: True, lambda: True, lambda: next(seconds)))
    monkeypatch.setattr(job, "REPORT_EVERY_S", 0.0)

    def joined(event: dict[str, Any]) -> JoinerProgress:
        events_ingest(project=project, rows=[event], source="test")
        job._follow(project, lease, lambda: False)
        return JoinerProgress.objects.get(project=project)

    return joined


def test_joiner_that_makes_room_rests_when_nothing_waits(
    joined_until_over: Callable[[dict[str, Any]], JoinerProgress], project: Project
) -> None:
    progress = joined_until_over({"type": "click", "user_id": "u", "item_id": "a"})
    assert (progress.is_resting, progress.num_examples, progress.events_offsets) == (True, 1, {"0": 1})
    assert list(joiner_folder(project).iterdir())


def test_joiner_with_an_impression_that_waits_is_taken_up_again(
    joined_until_over: Callable[[dict[str, Any]], JoinerProgress],
) -> None:
    progress = joined_until_over({"type": "impression", "user_id": "u", "items": [{"item_id": "a"}]})
    assert (progress.is_resting, progress.num_pending) == (False, 1)
