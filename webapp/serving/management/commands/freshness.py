"""`manage.py freshness`: from an event's 2xx to a replica that serves what was learned from it, on the running system."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser

from engine.spec.schema import EventRole
from webapp.accounts.models import Project, Scope
from webapp.accounts.services import api_key_create, api_key_revoke
from webapp.catalog.models import Item, User
from webapp.core.management.progress import Progress
from webapp.core.management.project_command import ProjectCommand
from webapp.core.management.report import write_report
from webapp.registry.models import ModelVersion
from webapp.registry.selectors import schema_document
from webapp.serving.freshness import FreshnessError, RunningSystem, covers, percentile, wait_until
from webapp.serving.models import Deployment

WARM_UP_TIMEOUT_S = 180.0
TARGET_P95_S = 5.0
NUM_CHOICES = 500


class Command(ProjectCommand):
    help = (
        "Post events one at a time and measure how long each takes, from its 2xx, until every replica serves parameters "
        "trained on it. Prints a table and writes reports/freshness.json."
    )
    default_project = "demo"

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--num", type=int, default=50, help="events measured (default 50)")
        parser.add_argument(
            "--interval", type=float, default=1.0, help="mean seconds from one event to the next (default 1)"
        )
        parser.add_argument("--poll", type=float, default=0.03, help="seconds between two looks (default 0.03)")
        parser.add_argument("--timeout", type=float, default=30.0, help="seconds until an event counts as lost")
        parser.add_argument("--warm-up", type=int, default=3, help="events posted first and not counted (default 3)")
        parser.add_argument("--url", default=os.environ.get("FRESHET_BASE_URL", "http://127.0.0.1:8000"))

    def work(self, project: Project, options: dict[str, Any]) -> str | None:
        if options["num"] < 1:
            raise CommandError("--num must be at least 1")
        version = _served_version(project)
        started_at = datetime.now(UTC)
        with _key(project) as secret:
            system = RunningSystem(options["url"], secret)
            try:
                measured = self._measure(system, project, version, options)
            except FreshnessError as error:
                raise CommandError(str(error)) from error
            finally:
                system.close()
        took = [one for one in measured if one is not None]
        values = {
            "p50_s": _rounded(percentile(took, 0.50)),
            "p95_s": _rounded(percentile(took, 0.95)),
            "max_s": _rounded(max(took, default=float("nan"))),
            "num_events": len(measured),
            "num_lost": len(measured) - len(took),
            "model": version.model.name,
            "poll_s": options["poll"],
            "target_p95_s": TARGET_P95_S,
        }
        path = write_report("freshness", values, started_at=started_at)
        self.stdout.write(_table(values))
        if values["num_lost"]:
            raise CommandError(f"{values['num_lost']} events were not served within {options['timeout']} s")
        return f"written to {path.relative_to(path.parent.parent)}"

    def _measure(
        self, system: RunningSystem, project: Project, version: ModelVersion, options: dict[str, Any]
    ) -> list[float | None]:
        name, number = version.model.name, version.version
        event_type, users, items = _choices(project)
        rng = random.Random(17)  # noqa: S311 - any user and item will do

        def follow(timeout_s: float) -> float | None:
            place = system.post_event(event_type, rng.choice(users), rng.choice(items))
            return wait_until(
                lambda: covers(system.sync(name, number), place), timeout_s=timeout_s, poll_s=options["poll"]
            )

        self.stdout.write(f"waiting for {version} to be trained and served")
        for _ in range(max(1, options["warm_up"])):
            if follow(WARM_UP_TIMEOUT_S) is None:
                raise FreshnessError(
                    f"no replica served {version} after {WARM_UP_TIMEOUT_S:.0f} s; is it trained online?"
                )
        measured: list[float | None] = []
        with Progress(self.stdout, what="events", unit="events", total=options["num"]) as progress:
            for _ in range(options["num"]):
                started = time.monotonic()
                measured.append(follow(options["timeout"]))
                last = measured[-1]
                progress.update(len(measured), "lost" if last is None else f"{last:.2f} s")
                # not in step with the trainer's own interval, which would measure one phase of it again and again
                pause_s = options["interval"] * rng.uniform(0.5, 1.5)
                time.sleep(max(0.0, started + pause_s - time.monotonic()))
        return measured


def _served_version(project: Project) -> ModelVersion:
    """What orders the default deployment's answers: the ranking model, or without one the retrieval model."""
    deployment = (
        Deployment.objects.filter(project=project, is_default=True, is_active=True)
        .select_related("ranking__model", "retrieval__model")
        .first()
    )
    if deployment is None:
        raise CommandError(f"project {project.slug} has no default deployment")
    version = deployment.ranking or deployment.retrieval
    assert version is not None  # the database's own rule
    return version


def _choices(project: Project) -> tuple[str, list[str], list[str]]:
    """An action type and some users and items to post it about."""
    schema = schema_document(project=project)
    actions = [name for name, declared in schema.events.items() if declared.role is EventRole.ACTION]
    if not actions:
        raise CommandError(f"the schema of {project.slug} declares no event with the role action")
    users = list(User.objects.filter(project=project).values_list("external_id", flat=True)[:NUM_CHOICES])
    items = list(Item.objects.filter(project=project).values_list("external_id", flat=True)[:NUM_CHOICES])
    if not items:
        raise CommandError(f"project {project.slug} has no items")
    return ("click" if "click" in actions else actions[0]), users or ["freshness-user"], items


@contextmanager
def _key(project: Project) -> Iterator[str]:
    """A key for this measurement alone; FRESHET_API_KEY is used instead when given."""
    given = os.environ.get("FRESHET_API_KEY", "")
    if given:
        yield given
        return
    key, secret = api_key_create(project=project, name="freshness", scopes=[Scope.INGEST, Scope.RECOMMEND])
    try:
        yield secret
    finally:
        api_key_revoke(api_key=key)


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _table(values: dict[str, Any]) -> str:
    def seconds(name: str) -> str:
        return "    -" if values[name] is None else f"{values[name]:8.3f} s"

    rows = [("p50", seconds("p50_s")), ("p95", f"{seconds('p95_s')}   (target under {TARGET_P95_S:.0f} s)")]
    rows += [("max", seconds("max_s")), ("events", f"{values['num_events']:8}"), ("lost", f"{values['num_lost']:8}")]
    return "\n".join(["from the 2xx to served parameters", *(f"  {name:8}{text}" for name, text in rows)])
