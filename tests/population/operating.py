"""What is operated: keys, alerts and where they are told, the audit log, insights, counts of events, an export."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from django.utils import timezone

from webapp.accounts.models import Account, Project, Scope
from webapp.accounts.services import api_key_create
from webapp.alerts.models import Alert, AlertChannel, AlertDelivery
from webapp.audit.services import audit_record
from webapp.exports.models import Export
from webapp.insights.models import EventCount, Insight

HOUR_S, MINUTE_S = 3600, 60


def operate(project: Project, account: Account, choose: random.Random) -> None:
    now = timezone.now()
    api_key_create(project=project, name="website", scopes=[Scope.INGEST, Scope.RECOMMEND])
    alert(project, account)
    for number in range(8):
        audit_record(project=project, action="item_hide", target=f"item item-{number}", details={"hidden": True})
    Insight.objects.create(
        project=project, kind="items_without_events", subject="items", severity="warn", weight=0.38,
        values={"num": 38, "of": 100, "share": 0.38}, first_at=now - timedelta(hours=5), computed_at=now,
    )  # fmt: skip
    minute_now = now.replace(second=0, microsecond=0)
    EventCount.objects.bulk_create(
        EventCount(project=project, span_s=MINUTE_S, at=minute_now - timedelta(minutes=minute), type=kind, num=choose.randrange(1, 200))
        for minute in range(1, 90)
        for kind in ("impression", "click", "purchase")
    )  # fmt: skip
    export = Export.objects.create(
        project=project, what="events", state="succeeded", wanted=False, num_rows=5000, num_looked_at=5000, num_done=5000, num_parts=1,
        num_bytes=900_000, started_at=now - timedelta(minutes=2), finished_at=now, created_by=account,
    )  # fmt: skip
    export.folder.mkdir(parents=True, exist_ok=True)
    export.result.write_text('{"event_id": "see-1"}\n')


def alert(project: Project, account: Account) -> None:
    now = timezone.now()
    measured: dict[str, Any] = {
        "kind": "freshness",
        "value": 14.2,
        "peak": 19.0,
        "threshold": 10.0,
        "subject": "ranker v2",
    }
    firing = Alert.objects.create(
        project=project, state="firing", since=now - timedelta(minutes=9), fired_at=now - timedelta(minutes=7),
        message="Freshness of ranker v2 is 14.2 s, above 10 s", link=f"/p/{project.slug}/sync/", **measured,
    )  # fmt: skip
    Alert.objects.create(
        project=project, state="resolved", since=now - timedelta(hours=3), fired_at=now - timedelta(hours=3),
        resolved_at=now - timedelta(hours=2),
        message="Freshness of ranker v2 was 19 s, above 10 s", **measured,
    )  # fmt: skip
    channel = AlertChannel.objects.create(
        project=project, kind="webhook", address="https://hooks.example.org/a/long/path", created_by=account.username
    )
    AlertDelivery.objects.create(
        project=project, channel=channel, alert=firing, transition="firing", address=channel.shown_address, body={}, state="sent",
        num_attempts=1, answer="200", sent_at=now,
    )  # fmt: skip
