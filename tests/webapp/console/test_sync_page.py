"""The parameter-sync page: what it knows of before it was opened, and what it lets people do."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.webapp.client import DEFINITION
from tests.webapp.console.page import Page
from webapp.accounts.models import Project
from webapp.audit.models import AuditEntry
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish
from webapp.serving.freshness_histogram import OBJECTIVE_S, histogram
from webapp.serving.freshness_parts import freshness_parts
from webapp.serving.freshness_spans import spans_prune, spans_roll_up
from webapp.serving.models import FreshnessPoint
from webapp.serving.sync_page import publish_page
from webapp.tracing.models import ReplicaHistory, SyncPace, TrainerHistory
from webapp.tracing.services import ResyncNote, publish_note, replica_note
from webapp.tracing.sync_history import sync_history, verified_of
from webapp.tracing.sync_spans import history_roll_up, history_spans_prune
from webapp.training.services import publish_record

NOW = datetime(2026, 11, 21, 12, 0, 5, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


@pytest.fixture
def version(project: Project) -> ModelVersion:
    return model_publish(project=project, name="retrieval", document=DEFINITION)


def stood(version: ModelVersion, at_ms: int, sequence: int, **more: object) -> None:
    values = {"num_behind": 0, "age_s": 0.5, "num_rows_applied": 0, "num_bytes_applied": 0, "resyncs": []} | more
    replica_note(
        model_version=version,
        replica="r-1",
        at_ms=at_ms,
        reached=[(at_ms, sequence)],
        sequence=sequence,
        verified_sequence=sequence,
        **values,  # type: ignore[arg-type]
    )


def published(version: ModelVersion, at_ms: int, sequence: int, slots: dict[int, int]) -> None:
    publish_note(
        model_version=version,
        at_ms=at_ms,
        sequences=[sequence],
        num_rows=sum(slots.values()),
        num_deletes=0,
        num_bytes=1000,
        examples_through={0: sequence},
        rows_by_slot=slots,
    )


def note(version: ModelVersion, at: datetime, wall_s: list[float], num_given_up: int = 0) -> None:
    point = FreshnessPoint.objects.create(
        model_version=version, replica="r-1", wall_s=wall_s, num_given_up=num_given_up
    )
    FreshnessPoint.objects.filter(pk=point.pk).update(at=at)


def test_it_brings_ten_seconds_together_into_bins(version: ModelVersion) -> None:
    for at_ms, behind, age_s in ((NOW_MS - 40_000, 4, 2.0), (NOW_MS - 37_000, 9, 1.0), (NOW_MS, 0, 0.25)):
        stood(version, at_ms, 5, num_behind=behind, age_s=age_s, num_rows_applied=20, num_bytes_applied=400)
    published(version, NOW_MS - 20_000, 6, {1: 30, 2: 10})
    published(version, NOW_MS, 7, {1: 10})
    history = sync_history(model_version=version, window_s=1200, now=NOW)
    assert (history.bin_s, len(history.at_ms), history.at_ms[-1]) == (20, 60, NOW_MS - 5_000)
    assert history.behind["r-1"][-3:] == [9.0, None, 0.0]
    assert history.age_s["r-1"][-3:] == [2.0, None, 0.25]
    assert history.rows_applied_s["r-1"][-3:] == [2.0, None, 2.0], "the last ten seconds have only begun"
    assert history.touched_s == {1: [0.0] * 58 + [1.5, 1.0], 2: [0.0] * 58 + [0.5, 0.0]}
    assert sync_history(model_version=version, window_s=600, now=NOW).bin_s == 10


def test_a_day_is_the_same_from_spans_and_from_rows_of_ten_seconds(version: ModelVersion) -> None:
    for number in range(50):
        at_ms = NOW_MS - number * 1_700_000
        stood(
            version,
            at_ms,
            50 - number,
            num_behind=number,
            age_s=float(number),
            num_rows_applied=number,
            num_bytes_applied=90,
        )
        published(version, at_ms - 9000, 50 - number, {1: 30 + number, 2: 10} if number % 7 else {})
    before = sync_history(model_version=version, window_s=86_400, now=NOW)
    assert history_roll_up(now=NOW) == 98, "of what was noted just now the six minutes are not over"
    assert history_roll_up(now=NOW) == 0
    assert sync_history(model_version=version, window_s=86_400, now=NOW) == before
    ReplicaHistory.objects.filter(at__lt=NOW - timedelta(minutes=20)).delete()
    TrainerHistory.objects.filter(at__lt=NOW - timedelta(minutes=20)).delete()
    assert sync_history(model_version=version, window_s=86_400, now=NOW) == before, "spans tell of all that is over"
    of_an_hour = sync_history(model_version=version, window_s=3600, now=NOW)
    assert of_an_hour.behind["r-1"] == [None] * 59 + [0.0], "minutes are drawn from rows of ten seconds alone"
    assert history_spans_prune(now=NOW + timedelta(days=2)) == 98


def test_freshness_of_hours_is_kept_together(version: ModelVersion) -> None:
    """The slowest and how many met the objective exactly, percentiles to within 1 %; by an oracle over all that was measured."""
    choose = random.Random(3)
    measured: list[float] = []
    for number in range(300):
        values = [round(choose.lognormvariate(0.5, 1.1), 3) for _ in range(4)]
        note(version, NOW - timedelta(seconds=60 * number + 30), values, num_given_up=number % 2)
        measured += values
    before = freshness_parts(model_version=version, window_s=21_600, num_parts=60, now=NOW)
    assert spans_roll_up(now=NOW) == 49
    assert spans_roll_up(now=NOW) == 0
    FreshnessPoint.objects.filter(at__lt=NOW - timedelta(minutes=10)).delete()
    after = freshness_parts(model_version=version, window_s=21_600, num_parts=60, now=NOW)
    assert [one.ends_at for one in after] == [one.ends_at for one in before]
    assert [(one.max_s, one.num_given_up, one.counts.total()) for one in after] == [
        (one.max_s, one.num_given_up, one.counts.total()) for one in before
    ]
    for share in (0.5, 0.95):
        assert [one.percentile(share) for one in after] == pytest.approx(
            [one.percentile(share) for one in before], rel=0.01
        )
    counts = sum((one.counts for one in after), Counter())
    assert [bar.number for bar in histogram(counts).bars] == [bar.number for bar in histogram(Counter(measured)).bars]
    assert sum(value <= OBJECTIVE_S for value in measured) == sum(
        n for value, n in counts.items() if value <= OBJECTIVE_S
    )
    assert spans_prune(now=NOW + timedelta(days=2)) == 49


def test_it_says_where_digests_were_last_found_equal(version: ModelVersion) -> None:
    stood(version, int(timezone.now().timestamp() * 1000), 12)
    assert verified_of(model_version=version) == {"r-1": 12}


def test_it_sorts_events_into_bins_around_the_objective() -> None:
    found = histogram(Counter([0.2, 0.5, 0.7, 4.9, 5.0, 5.1, 400.0]), num_given_up=1)
    assert [(bar.label, bar.number, bar.is_late) for bar in found.bars if bar.number] == [
        ("0–0.5", 2, False),
        ("0.5–1", 1, False),
        ("4–5", 2, False),
        ("5–7.5", 1, True),
        ("> 300", 1, True),
    ]
    assert (found.within, found.num_measured) == (0.625, 7), "what was given up did not arrive in time either"


def test_counts_above_bars_stay_short() -> None:
    counts = {0.1: 999, 0.7: 1000, 1.2: 4_949, 1.7: 9_960, 2.5: 140_557, 3.5: 999_700, 4.5: 1_240_000}
    texts = [bar.text for bar in histogram(counts).bars[:7]]
    assert texts == ["999", "1.0k", "4.9k", "10k", "141k", "1.0M", "1.2M"]


def test_it_shows_what_was_before_the_page_was_opened(browser: Client, version: ModelVersion) -> None:
    now_ms = int(timezone.now().timestamp() * 1000)
    resync = ResyncNote("digest", now_ms - 60_000, 3, 9, "dim8 differs")
    stood(version, now_ms - 60_000, 9, resyncs=[resync], num_behind=3)
    published(version, now_ms - 50_000, 9, {1: 300, 2: 20})
    FreshnessPoint.objects.create(model_version=version, replica="r-1", wall_s=[0.5, 7.0], event_s=[0.5, 7.0])
    text = Page(
        browser.get(reverse("sync_model", args=["shop", "retrieval", 1]), {"window": "15m"}).content.decode()
    ).text
    assert "Its tables were not the trainer's" in text
    assert "dim8 differs" in text
    assert "50.0% of 2 within 5 s" in text
    assert "Rows that training touched and published, by slot, in rows/s" in text
    assert "user" in text
    assert "Deltas that each replica had yet to apply" in text


def test_it_pages_publishes_by_their_number(browser: Client, version: ModelVersion) -> None:
    for sequence in range(1, 46):
        publish_record(
            model_version=version,
            kind="rows",
            sequence=sequence,
            num_rows=1,
            num_deletes=0,
            num_bytes=9,
            event_time=None,
        )
    first = publish_page(model_version=version)
    assert [one.sequence for one in first.rows] == list(range(45, 25, -1))
    last = publish_page(
        model_version=version, before_id=publish_page(model_version=version, before_id=first.older_id).older_id
    )
    assert ([one.sequence for one in last.rows], last.older_id) == ([5, 4, 3, 2, 1], None)
    address = reverse("sync_model", args=["shop", "retrieval", 1])
    assert "Newest" in Page(browser.get(address, {"before": str(first.older_id)}).content.decode()).text
    assert browser.get(address, {"before": "x"}).status_code == 400


def test_it_sets_how_often_is_published_and_takes_it_back(browser: Client, version: ModelVersion) -> None:
    address, shown = (
        reverse("sync_pace", args=["shop", "retrieval", 1]),
        reverse("sync_model", args=["shop", "retrieval", 1]),
    )
    assert browser.post(address, {"interval_s": "2.5"}).headers["Location"] == shown
    page = Page(browser.get(shown).content.decode()).text
    assert "a delta of touched rows every 2.5 s, set by member" in page
    assert "As the definition says (1.0 s)" in page
    for wrong in ("", "nan", "0.01", "1e9", "soon"):
        answer = browser.post(address, {"interval_s": wrong}, follow=True)
        assert SyncPace.objects.get().interval_s == 2.5
        assert "interval_s" in answer.content.decode() or "must be" in answer.content.decode()
    browser.post(address, {"undo": "1"})
    assert not SyncPace.objects.exists()
    actions = AuditEntry.objects.filter(project=version.model.project, action__startswith="sync_pace")
    assert sorted(actions.values_list("action", flat=True)) == ["sync_pace_cleared", "sync_pace_set"]
