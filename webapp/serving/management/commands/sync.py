"""`manage.py sync`: a snapshot now, a resync of a replica, a replica left alone and asked again."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import CommandError, CommandParser

from webapp.accounts.models import Project
from webapp.core.management.project_command import ProjectCommand
from webapp.registry.models import ModelVersion
from webapp.registry.selectors import model_version
from webapp.serving import sync_orders
from webapp.serving.models import SyncOrder

POLL_S = 0.2


class Command(ProjectCommand):
    help = "Ask trainers and replicas for something, and wait until they have done it."
    default_project = "demo"

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--wait", type=float, default=60.0, help="seconds to wait (default 60; 0: do not)")
        actions = parser.add_subparsers(dest="action", required=True)
        snapshot = actions.add_parser("snapshot", help="have a model's online trainer write a snapshot")
        resync = actions.add_parser("resync", help="have a replica load the model's newest snapshot")
        for one in (snapshot, resync):
            one.add_argument("model")
            one.add_argument("--version", type=int, default=None, dest="model_version", help="the newest unless told")
        resync.add_argument("replica")
        for name, text in (("drain", "ask a replica for nothing more"), ("undrain", "ask it again")):
            actions.add_parser(name, help=text).add_argument("replica")

    def work(self, project: Project, options: dict[str, Any]) -> str | None:
        action, asked_by = options["action"], "manage.py"
        if action == "drain":
            sync_orders.replica_drain(replica=options["replica"])
            return f"{options['replica']} is asked for nothing more"
        if action == "undrain":
            sync_orders.replica_undrain(replica=options["replica"])
            return f"{options['replica']} is asked again"
        version = model_version(project=project, name=options["model"], version=options["model_version"])
        if action == "snapshot":
            order = sync_orders.snapshot_order(model_version=version, asked_by=asked_by)
        else:
            order = sync_orders.resync_order(model_version=version, replica=options["replica"], asked_by=asked_by)
        return self._awaited(order, version, options["wait"])

    def _awaited(self, order: SyncOrder, version: ModelVersion, wait_s: float) -> str:
        what = f"the {order.kind} of {version}"
        deadline = time.monotonic() + wait_s
        while wait_s > 0:
            order.refresh_from_db()
            if order.done_at is not None:
                return f"{what} was done at sequence {order.sequence}"
            if time.monotonic() >= deadline:
                state = "has begun" if order.taken_at else "was not taken up"
                raise CommandError(f"{what} {state} within {wait_s:g} s")
            time.sleep(POLL_S)
        return f"{what} is asked for"
