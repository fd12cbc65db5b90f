"""What the serving pages are looked at with: a small catalogue, two deployments without models, an experiment that has been counted.

Run as a program (`python -m tests.e2e.deploying_scene <slug>`) against a running system's database; prints an API key as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from deploy.launcher.environment import ROOT

ITEMS = {"tea": 4.0, "jam": 3.0, "oil": 12.0, "salt": 1.0, "rice": 8.0}
SOURCES = {"retrieval": {"sources": [{"kind": "latest", "quota": 20}]}}


def make_scene(environment: Mapping[str, str], slug: str) -> str:
    """In a process of its own, so that this one's settings stay the tests'. The secret of a key with every scope."""
    command = [sys.executable, "-m", "tests.e2e.deploying_scene", slug]
    told = {"DJANGO_SETTINGS_MODULE": "webapp.settings"}
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | dict(environment) | told, check=True, capture_output=True, text=True
    )
    secret: str = json.loads(done.stdout.splitlines()[-1])
    return secret


def _made(slug: str) -> str:
    from webapp.accounts.models import Project, Scope
    from webapp.accounts.services import DEFAULT_SCHEMA, api_key_create
    from webapp.catalog.services import items_put
    from webapp.registry.services import schema_publish
    from webapp.serving.services import deployment_put

    project = Project.objects.get(slug=slug)
    schema_publish(project=project, document={**DEFAULT_SCHEMA, "items": {"price": {"type": "float"}}})
    rows = [{"id": name, "properties": {"price": price}} for name, price in ITEMS.items()]
    items_put(project=project, rows=rows)
    for name in ("main", "next"):
        deployment_put(project=project, name=name, retrieval=None, ranking=None, document=SOURCES, by="tester")
    _experiment(project)
    _, secret = api_key_create(project=project, name="scene", scopes=list(Scope))
    return secret


def _experiment(project: Any) -> None:
    """Three hundred users in each arm, the second of which clicks more; results of now and of an hour ago."""
    from django.utils import timezone

    from webapp.experiments.interval_history import interval_note
    from webapp.experiments.models import ArmUserCount, Experiment
    from webapp.experiments.results import results_update
    from webapp.experiments.services import Design, Rail, experiment_start, experiment_stop
    from webapp.serving.models import Deployment

    deployments = [Deployment.objects.get(project=project, name=name) for name in ("main", "next")]
    design = Design(guardrails=[Rail("click_rate", tolerance=0.05)])
    experiment_start(
        project=project, name="split", arms=[(one, 5_000) for one in deployments], design=design, by="tester"
    )
    clicks = {"main": 1, "next": 2}
    for num_users in (150, 300):
        ArmUserCount.objects.filter(project=project).delete()
        ArmUserCount.objects.bulk_create(
            ArmUserCount(project=project, experiment="split", arm=arm, user=user, type=kind, num=num)
            for arm in clicks
            for user in range(num_users)
            for kind, num in (("", 10), ("click", clicks[arm] if user % 3 else 0))
        )
        experiment = Experiment.objects.get(project=project, name="split")
        results_update(experiment=experiment)
        experiment.refresh_from_db()
        interval_note(
            experiment=experiment, results=experiment.results, now=timezone.now() + timedelta(minutes=num_users)
        )
    experiment_stop(experiment=experiment, by="tester")


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(_made(sys.argv[1])))
