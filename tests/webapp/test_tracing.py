"""One event's way: what is found of it, when each stage was reached, and what is said of those that were not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from engine.joining.process import JoinerProcess
from engine.spec.demo import demo_retriever, demo_schema
from engine.spec.schema import Schema
from engine.streams import topics
from engine.streams.log import EventLog, Record, StoredRecord
from engine.training.step_journal import Step, StepJournal
from tests.webapp.console.conftest import PASSWORD
from webapp.accounts.models import Membership, Project
from webapp.accounts.services import account_create
from webapp.catalog.services import events_ingest
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish, schema_publish
from webapp.serving.models import Deployment
from webapp.serving.services import deployment_put, replica_report
from webapp.tracing.finding import FoundEvent, NotFound, event_find
from webapp.tracing.services import publish_note, replica_note
from webapp.tracing.stages import Reach
from webapp.tracing.trace import Trace, Tracer
from webapp.training.models import Run
from webapp.training.services import joiner_report
from workers.travel_notes import JoinerNotes

NOW_MS = int(timezone.now().timestamp() * 1000) - 5_000


@pytest.fixture
def version(project: Project) -> ModelVersion:
    schema_publish(project=project, document=demo_schema())
    found = model_publish(project=project, name="retriever", document=demo_retriever())
    started = datetime.fromtimestamp(NOW_MS / 1000, UTC) - timedelta(hours=1)
    Run.objects.create(project=project, model_version=found, mode="online", state="running", started_at=started)
    return found


@pytest.fixture
def deployment(project: Project, version: ModelVersion) -> Deployment:
    return deployment_put(project=project, name="main", retrieval=version, ranking=None)


def send(project: Project, *events: dict[str, Any], at_ms: int = NOW_MS) -> None:
    rows = [{"user_id": "ann", "timestamp": at_ms, **event} for event in events]
    report = events_ingest(project=project, rows=rows, source="test", clock_ms=lambda: at_ms)
    assert report.num_accepted == len(rows), report.results


def click(event_id: str, **more: Any) -> dict[str, Any]:
    return {"event_id": event_id, "type": "click", "item_id": "tea", **more}


IMPRESSION = {
    "event_id": "shown", "type": "impression", "recommendation_id": "r1", "items": [{"item_id": "tea"}, {"item_id": "jam"}],
}  # fmt: skip


class Joining:
    """The real joiner, with the notes that its worker takes."""

    def __init__(self, log: EventLog, project: Project, folder: Path) -> None:
        self.now_ms = NOW_MS + 300
        schema = Schema.parse(demo_schema(), "schema")
        self._project = project
        self.process = JoinerProcess(
            log, project.slug, schema, folder, lambda: self.now_ms / 1000, checkpoint_every_s=1e9
        )
        self._notes = JoinerNotes(log, project)
        self._notes.turn()

    def poll(self, now_ms: int) -> None:
        self.now_ms = now_ms
        while self.process.poll():
            continue
        joiner_report(project=self._project, events_offsets=self.process.event_offsets)
        self._notes.turn()


@pytest.fixture
def joining(log: EventLog, version: ModelVersion, project: Project, tmp_path: Path) -> Joining:
    return Joining(log, project, tmp_path / "joiner")


def look(project: Project, event_id: str, now_ms: int) -> Trace:
    return Tracer(project, event_id, now_ms=lambda: now_ms).look()


def told(trace: Trace) -> list[tuple[str, Reach, float | None]]:
    return [(stage.title, stage.reach, stage.after_s) for stage in trace.stages]


def test_it_follows_a_click_to_the_replica_that_answers_with_it(
    log: EventLog, project: Project, version: ModelVersion, deployment: Deployment, joining: Joining
) -> None:
    send(project, click("e0"), IMPRESSION)
    joining.poll(NOW_MS + 50)
    send(project, click("e1", recommendation_id="r1"), at_ms=NOW_MS + 1000)
    assert told(look(project, "e1", NOW_MS + 1100))[1][:2] == ("Joiner", Reach.WAITING)
    joining.poll(NOW_MS + 1300)
    trace = look(project, "e1", NOW_MS + 1400)
    assert told(trace) == [("Received", Reach.REACHED, 0.0), ("Joiner", Reach.REACHED, 0.3)]
    [example] = trace.examples
    assert (example.example_id, example.labels, example.origin) == ("shown:tea:click", {"click": 1.0}, "impression")
    assert trace.impression_id == "shown"
    [lane] = trace.lanes
    assert [stage.reach for stage in lane.all_stages] == [Reach.WAITING, Reach.WAITING, Reach.NEVER]

    journal = StepJournal(log, topics.trainer_steps("shop", "retriever", 1), clock_ms=lambda: NOW_MS + 1500)
    end = example.offset + 1
    journal.write([Step({0: 0}, {0: end}, (0,), NOW_MS + 1500)])
    publish_note(
        model_version=version,
        at_ms=NOW_MS + 2000,
        sequences=[6, 7],
        num_rows=40,
        num_deletes=0,
        num_bytes=900,
        examples_through={0: end},
        rows_by_slot={1: 40},
    )
    position = {"deployment_id": deployment.pk, "model_version_id": version.pk, "sequence": 6}
    replica_report(name="r-1", address="127.0.0.1:1", started_at=timezone.now(), positions=[position])
    [lane] = look(project, "e1", NOW_MS + 2100).lanes
    assert [(one.title, one.reach, one.after_s) for one in lane.all_stages] == [
        ("Training step", Reach.REACHED, 0.5),
        ("Published", Reach.REACHED, 1.0),
        ("r-1", Reach.WAITING, None),
    ]
    assert "Deltas 6 to 7: 40 rows, 0 deletes, 900 bytes." in lane.stages[1].said
    assert "1 delta behind" in lane.replicas[0].said

    replica_note(
        model_version=version,
        replica="r-1",
        at_ms=NOW_MS + 2500,
        reached=[(NOW_MS + 1100, 5), (NOW_MS + 2400, 8)],
        resyncs=[],
        sequence=8,
        num_behind=0,
        age_s=0.1,
        num_rows_applied=40,
        num_bytes_applied=900,
        verified_sequence=8,
    )
    trace = look(project, "e1", NOW_MS + 2600)
    assert (trace.lanes[0].replicas[0].reach, trace.lanes[0].replicas[0].after_s) == (Reach.REACHED, 1.4)
    assert trace.is_over
    assert trace.picture is not None
    assert trace.picture.described.endswith("retriever v1 on r-1 after 1.40 s")


def test_it_says_how_long_an_impression_still_waits_and_what_its_end_brought(
    project: Project, version: ModelVersion, joining: Joining
) -> None:
    send(project, IMPRESSION)
    joining.poll(NOW_MS + 100)
    waiting = look(project, "shown", NOW_MS + 20_000)
    assert [(stage.title, stage.reach) for stage in waiting.stages][2] == ("Window", Reach.WAITING)
    assert "Waits for click or purchase; 40 s left" in waiting.stages[2].said
    assert not waiting.is_over
    joining.poll(NOW_MS + 75_000)
    ended = look(project, "shown", NOW_MS + 76_000)
    assert told(ended)[2] == ("Window ended", Reach.REACHED, 60.0)
    assert [(one.item_id, one.labels) for one in ended.examples] == [
        ("tea", {"click": 0.0, "purchase": 0.0}),
        ("jam", {"click": 0.0, "purchase": 0.0}),
    ]
    assert [lane.example.item_id for lane in ended.lanes] == ["tea"], "both say the same; one is followed"


def test_it_finds_an_event_among_many_without_reading_the_log_through(
    log: EventLog, project: Project, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minute in range(20):
        at_ms = NOW_MS - 60_000 * (20 - minute)
        others = [
            {"event_id": f"o{minute}-{one}", "type": "click", "item_id": "jam", "timestamp": at_ms, "user_id": "bob"}
            for one in range(300)
        ]
        events_ingest(project=project, rows=others, source="test", clock_ms=lambda at_ms=at_ms: at_ms)  # type: ignore[misc]
    send(project, click("mine"))
    num_read = 0
    read = log.read

    def counted(*arguments: Any, **named: Any) -> list[StoredRecord]:
        nonlocal num_read
        records = read(*arguments, **named)
        num_read += len(records)
        return records

    monkeypatch.setattr(log, "read", counted)
    found = event_find(project=project, event_id="mine")
    assert isinstance(found, FoundEvent)
    assert found.offset == 6000
    assert num_read < 600, "a bisection, and one bite of 500"
    assert isinstance(event_find(project=project, event_id="mine", at=(0, 6000)), FoundEvent)
    assert isinstance(event_find(project=project, event_id="mine", at=(0, 3)), FoundEvent), "a wrong place is no harm"


def test_it_finds_what_somebody_wrote_to_the_topic_among_the_newest(
    log: EventLog, project: Project, version: ModelVersion
) -> None:
    value = b'{"event_id": "p1", "type": "click", "user_id": "ann", "item_id": "tea"}'
    log.append(topics.events(project.slug), [Record("ann", value, NOW_MS)])
    found = event_find(project=project, event_id="p1")
    assert isinstance(found, FoundEvent)
    assert found.event.received_ms == NOW_MS


def test_it_shows_the_verdict_of_a_row_that_was_rejected(project: Project, version: ModelVersion) -> None:
    events_ingest(project=project, rows=[{"event_id": "bad", "type": "clik", "user_id": "u"}], source="test")
    found = event_find(project=project, event_id="bad")
    assert isinstance(found, NotFound)
    assert found.rejected is not None
    assert found.rejected.problems[0]["field"] == "type"
    assert look(project, "bad", NOW_MS).is_over


def test_it_waits_for_an_event_that_is_still_to_come_and_then_follows_it(
    project: Project, version: ModelVersion
) -> None:
    tracer = Tracer(project, "soon")
    first = tracer.look()
    assert first.missing is not None
    assert not first.is_over
    send(project, click("soon"))
    assert tracer.look().event is not None


def test_it_forgets_when_and_still_says_what(
    project: Project, version: ModelVersion, deployment: Deployment, joining: Joining
) -> None:
    send(project, click("e1"))
    joining.process.poll()
    joiner_report(project=project, events_offsets=joining.process.event_offsets)
    position = {"deployment_id": deployment.pk, "model_version_id": version.pk, "sequence": 9, "events_through": {0: 5}}
    replica_report(name="r-1", address="127.0.0.1:1", started_at=timezone.now(), positions=[position])
    trace = look(project, "e1", NOW_MS + 100)
    assert trace.stages[1].reach is Reach.FORGOTTEN
    assert [stage.reach for stage in trace.lanes[0].all_stages] == [Reach.FORGOTTEN] * 3
    assert not trace.is_over, "it may be noted yet"
    assert look(project, "e1", NOW_MS + 20_000).is_over


def test_it_shows_the_way_on_a_page_of_its_own_project_only(
    log: EventLog, project: Project, version: ModelVersion, joining: Joining, other_project: Project
) -> None:
    send(project, click("e1"))
    joining.poll(NOW_MS + 100)
    browser = Client()
    member = account_create(username="m", password=PASSWORD)
    Membership.objects.create(account=member, project=project)
    browser.force_login(member)
    address = reverse("event_trace", args=[project.slug])
    page = browser.get(address, {"event_id": "e1", "at": "0:0"}).content.decode()
    assert "Partition 0, offset 0 of the event log" in page
    assert "No impression of this item was waiting" in page
    assert browser.get(reverse("event_trace", args=[other_project.slug]), {"event_id": "e1"}).status_code == 404
    Membership.objects.create(account=member, project=other_project)
    theirs = browser.get(reverse("event_trace", args=[other_project.slug]), {"event_id": "e1", "at": "0:0"})
    assert "Not received yet" in theirs.content.decode()


@pytest.mark.parametrize("query", [{"event_id": "e", "at": "0:x"}, {"event_id": "e" * 2000}, {"event_id": "a\x00b"}])
def test_it_refuses_what_names_no_event(project: Project, query: dict[str, str]) -> None:
    browser = Client()
    member = account_create(username="m", password=PASSWORD)
    Membership.objects.create(account=member, project=project)
    browser.force_login(member)
    for name in ("event_trace", "event_trace_live"):
        assert browser.get(reverse("event_trace", args=[project.slug]), query).status_code == 400, name
