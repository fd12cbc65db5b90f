"""What the event debugger and the parameter-sync page are looked at with: a key, a model, and the past hour of its sync.

Run as a program (`python -m tests.e2e.tracing_scene <slug>`) against a running system's database; prints JSON.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from deploy.launcher.environment import ROOT

HOUR_MS = 3_600_000
EVERY_MS = 10_000


def make_tracing_scene(environment: Mapping[str, str], slug: str) -> dict[str, str]:
    """In a process of its own, so that this one's settings stay the tests'. `{"key"}`, an API key's secret."""
    command = [sys.executable, "-m", "tests.e2e.tracing_scene", slug]
    told = os.environ | dict(environment) | {"DJANGO_SETTINGS_MODULE": "webapp.settings"}
    done = subprocess.run(command, cwd=ROOT, env=told, check=True, capture_output=True, text=True)
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def _made(slug: str) -> dict[str, str]:
    from engine.spec.demo import demo_ranker, demo_schema
    from webapp.accounts.models import Project
    from webapp.accounts.services import api_key_create
    from webapp.registry.services import model_publish, schema_publish

    project = Project.objects.get(slug=slug)
    schema_publish(project=project, document=demo_schema())
    version = model_publish(project=project, name="ranker", document=demo_ranker())
    now_ms = time.time_ns() // 1_000_000
    for number, at_ms in enumerate(range(now_ms - HOUR_MS, now_ms, EVERY_MS)):
        _ten_seconds(version, number, at_ms)
    _, secret = api_key_create(project=project, name="client", scopes=["ingest"])
    return {"key": secret}


def _ten_seconds(version: Any, number: int, at_ms: int) -> None:
    from webapp.serving.models import FreshnessPoint
    from webapp.tracing.services import ResyncNote, publish_note, replica_note
    from webapp.training.services import publish_record

    sequence, rows = 10 * number + 10, {1: 400, 2: 900 + 300 * round(math.sin(number / 20)), 4: 120, 6: 30}
    counts: dict[str, Any] = {"num_rows": sum(rows.values()), "num_deletes": number % 7, "num_bytes": 90_000}
    publish_note(
        model_version=version, at_ms=at_ms, sequences=range(sequence - 9, sequence + 1), examples_through={0: 100 * number},
        rows_by_slot=rows, **counts,
    )  # fmt: skip
    num_behind = max(0, 120 - 8 * abs(number - 150))
    differs = ResyncNote(
        "digest", at_ms, sequence - 40, sequence, "after delta 1,460 the digest of dim16 is not the trainer's"
    )
    replica_note(
        model_version=version, replica="replica-1", at_ms=at_ms, reached=[(at_ms + 300, sequence - num_behind)],
        resyncs=[differs] if number == 150 else [], sequence=sequence - num_behind, num_behind=num_behind, age_s=0.4 + num_behind / 10,
        num_rows_applied=counts["num_rows"], num_bytes_applied=counts["num_bytes"], verified_sequence=sequence - num_behind,
    )  # fmt: skip
    point = FreshnessPoint.objects.create(
        model_version=version,
        replica="replica-1",
        wall_s=[0.8 + number % 9 / 10, 6.0 + number % 5 if number % 40 == 0 else 1.4],
    )
    FreshnessPoint.objects.filter(pk=point.pk).update(at=datetime.fromtimestamp(at_ms / 1000, UTC))
    if number > 300:
        publish_record(model_version=version, kind="rows", sequence=sequence, event_time=None, **counts)


if __name__ == "__main__":
    import django

    django.setup()
    sys.stdout.write(json.dumps(_made(sys.argv[1])) + "\n")
