"""`manage.py train`: ask for a run, and wait for it if wanted."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser

from webapp.accounts.models import Project
from webapp.catalog.management.event_file import moment
from webapp.core.management.progress import Progress
from webapp.core.management.project_command import ProjectCommand
from webapp.registry.selectors import model_version
from webapp.training.models import Run
from webapp.training.services import ENDED, run_start

LOOK_EVERY_S = 0.5


class Command(ProjectCommand):
    help = "Start a training run of a model's newest version. The workers do it; --wait shows its progress."

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", metavar="MODEL", help="the model's name")
        parser.add_argument("--mode", choices=Run.Mode.values, default=Run.Mode.BATCH.value)
        parser.add_argument("--model-version", type=int, help="the newest when absent")
        parser.add_argument(
            "--until", dest="until_ms", type=moment, metavar="T", help="batch: examples before this time"
        )
        parser.add_argument("--then-online", action="store_true", help="batch: go on online at its exact offset")
        parser.add_argument("--wait", action="store_true", help="until a batch run ends")

    def work(self, project: Project, options: dict[str, Any]) -> str | None:
        version = model_version(project=project, name=options["model"], version=options["model_version"])
        until_ms = options["until_ms"]
        run = run_start(
            model_version=version,
            mode=options["mode"],
            until_time=None if until_ms is None else datetime.fromtimestamp(until_ms / 1000, UTC),
            continues_online=options["then_online"],
        )
        self.stdout.write(f"run {run.pk}: {run.mode} training of {version}")
        if not options["wait"] or run.mode != Run.Mode.BATCH:
            return None
        try:
            self._wait(run)
        except KeyboardInterrupt:
            raise CommandError("the run goes on; the console can stop it", returncode=130) from None
        if run.state != Run.State.SUCCEEDED:
            raise CommandError(f"run {run.pk} {run.state}: {run.error or 'it was stopped'}")
        return f"run {run.pk} succeeded: {run.num_examples:,} examples, examples up to {_offsets(run)}"

    def _wait(self, run: Run) -> None:
        with Progress(self.stdout, what=f"run {run.pk}", unit="", total=1) as progress:
            while run.state not in ENDED:
                rate = run.latest.get("examples_per_s")
                note = f"{run.num_examples:,} examples" + (f", {rate:,.0f}/s" if rate else "")
                progress.update(run.progress, run.error or (note if run.state == Run.State.RUNNING else run.state))
                time.sleep(LOOK_EVERY_S)
                run.refresh_from_db()


def _offsets(run: Run) -> str:
    return ", ".join(f"{partition}:{offset}" for partition, offset in sorted(run.end_offsets.items())) or "none"
