"""`manage.py switch_online`: from batch over history to online over the stream, at the exact offset where batch ended."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from webapp.accounts.models import Project
from webapp.core.management.project_command import ProjectCommand
from webapp.registry.selectors import model_version
from webapp.training.models import Run
from webapp.training.services import run_start


class Command(ProjectCommand):
    help = "Start online training of a model where its batch run ended: not one example is left out or learned twice."

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", metavar="MODEL", help="the model's name")
        parser.add_argument("--model-version", type=int, help="the newest when absent")

    def work(self, project: Project, options: dict[str, Any]) -> str | None:
        version = model_version(project=project, name=options["model"], version=options["model_version"])
        batch = version.runs.filter(mode=Run.Mode.BATCH, state=Run.State.SUCCEEDED).order_by("-id").first()
        if batch is None:
            raise CommandError(
                f"{version} has no batch run that succeeded; train it first, or start it online as it is"
            )
        run = run_start(model_version=version, mode=Run.Mode.ONLINE)
        lines = [f"run {run.pk}: online training of {version} goes on where batch run {batch.pk} ended"]
        lines += [f"  examples/{partition}: offset {offset}" for partition, offset in sorted(batch.end_offsets.items())]
        return "\n".join(lines)
